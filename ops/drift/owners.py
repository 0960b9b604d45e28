"""Who puts drift right, and where the program says it: one table.

People stand in .github/owners.toml, one line for each of the three jobs.
"""

import re
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path

from delivery.package import PROJECT_ROOT
from ops.output import OpsError

FILE = PROJECT_ROOT / ".github" / "owners.toml"


class Owner(StrEnum):
    PLATFORM = "platform engineer"
    DEVELOPER = "application developer"
    ON_CALL = "on call"


@dataclass(frozen=True)
class Rule:
    """`type` and `path` are patterns of a Pulumi type and of a property; `place` is where it is said."""

    type: str
    path: str
    owner: Owner
    place: str


GONE = "(gone)"
"""Stands for the path of a resource that is not there any more."""

RULES = (
    # What is gone may have taken the service down: whoever is on call looks first.
    Rule("*", GONE, Owner.ON_CALL, "infra/program.py"),
    Rule("pulumi-python:dynamic/infra:DeployedCode", "*", Owner.ON_CALL, "function_app/"),
    Rule("*", "tags*", Owner.PLATFORM, "`tags` in the stack's Pulumi.*.yaml"),
    Rule("azure-native:web:WebApp", "siteConfig.appSettings*", Owner.DEVELOPER, "infra/app_settings.py"),
    Rule("azure-native:web:*", "*", Owner.PLATFORM, "infra/components/function_host.py"),
    Rule("azure-native:cognitiveservices:Deployment", "*", Owner.DEVELOPER, "`model*` in Pulumi.*.yaml"),
    Rule("azure-native:cognitiveservices:*", "*", Owner.PLATFORM, "infra/components/openai.py"),
    Rule("azure-native:storage:*", "*", Owner.PLATFORM, "infra/components/storage.py"),
    Rule("azure-native:authorization:RoleAssignment", "*", Owner.PLATFORM, "infra/roles.py"),
    Rule("*", "*", Owner.PLATFORM, "infra/"),
)
"""The first that fits counts."""


def rule_for(type_: str, path: str) -> Rule:
    return next(rule for rule in RULES if fnmatchcase(type_, rule.type) and fnmatchcase(path, rule.path))


def names(file: Path = FILE) -> dict[Owner, str]:
    """`@user` or `@organisation/team` of each job that the file names. Raises OpsError."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise OpsError(f"{file} cannot be read: {error}") from error
    jobs = {owner.value: owner for owner in Owner}
    problems = [f"{job!r} is no job: {', '.join(jobs)}" for job in content if job not in jobs]
    problems += [
        f"{name!r} ({job}) is no @user and no @organisation/team"
        for job, name in content.items()
        if name and not re.fullmatch(r"@[A-Za-z0-9-]+(/[A-Za-z0-9._-]+)?", str(name))
    ]
    if problems:
        raise OpsError(f"{file}: {'; '.join(problems)}")
    return {jobs[job]: str(name) for job, name in content.items() if name}
