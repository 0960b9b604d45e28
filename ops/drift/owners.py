"""The owner who fixes each kind of drift, and the place in the program that defines the property.

.github/owners.toml names a user or a team for each of the three owners.
"""

import re
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path

from delivery.package import PROJECT_ROOT
from ops.output import OpsError
from ops.state import DEPLOYED_CODE, ROLE_ASSIGNMENT, SITE

FILE = PROJECT_ROOT / ".github" / "owners.toml"


class Owner(StrEnum):
    PLATFORM = "platform engineer"
    DEVELOPER = "application developer"
    ON_CALL = "on call"


@dataclass(frozen=True)
class Rule:
    """`type` and `path` are patterns of a Pulumi type and of a property. `place` defines the property."""

    type: str
    path: str
    owner: Owner
    place: str


GONE = "(gone)"
"""Used as the path of a resource that was deleted."""

RULES = (
    # A deleted resource may have caused an outage, so the on-call engineer checks first.
    Rule("*", GONE, Owner.ON_CALL, "infra/program.py"),
    Rule(DEPLOYED_CODE, "*", Owner.ON_CALL, "function_app/"),
    Rule("*", "tags*", Owner.PLATFORM, "`tags` in the stack's Pulumi.*.yaml"),
    Rule(SITE, "siteConfig.appSettings*", Owner.DEVELOPER, "infra/app_settings.py"),
    Rule("azure-native:web:*", "*", Owner.PLATFORM, "infra/components/function_host.py"),
    Rule("azure-native:cognitiveservices:Deployment", "*", Owner.DEVELOPER, "`model*` in Pulumi.*.yaml"),
    Rule("azure-native:cognitiveservices:*", "*", Owner.PLATFORM, "infra/components/openai.py"),
    Rule("azure-native:storage:*", "*", Owner.PLATFORM, "infra/components/storage.py"),
    Rule(ROLE_ASSIGNMENT, "*", Owner.PLATFORM, "infra/roles.py"),
    Rule("*", "*", Owner.PLATFORM, "infra/"),
)
"""The first matching rule applies."""


def rule_for(type_: str, path: str) -> Rule:
    return next(rule for rule in RULES if fnmatchcase(type_, rule.type) and fnmatchcase(path, rule.path))


def names(file: Path = FILE) -> dict[Owner, str]:
    """`@user` or `@organisation/team` of each owner in the file. Raises OpsError."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise OpsError(f"{file} cannot be read: {error}") from error
    jobs = {owner.value: owner for owner in Owner}
    problems = [f"{job!r} is not one of the owners {', '.join(jobs)}" for job in content if job not in jobs]
    problems += [
        f"{name!r} ({job}) is neither @user nor @organisation/team"
        for job, name in content.items()
        if name and not re.fullmatch(r"@[A-Za-z0-9-]+(/[A-Za-z0-9._-]+)?", str(name))
    ]
    if problems:
        raise OpsError(f"{file}: {'; '.join(problems)}")
    return {jobs[job]: str(name) for job, name in content.items() if name}
