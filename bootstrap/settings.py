"""The bootstrap's settings, declared, read and checked in the same way as those of the main program."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pulumi

from infra.settings import rules
from infra.settings.rules import InvalidValueError, command, rule
from infra.settings.schema import InvalidSettingsError, Problem, build, read_values, setting, settings_of
from infra.settings.stack_config import read_stack_file, stack_config

PULUMI = ".venv/bin/python -m bootstrap pulumi"
"""The command for Pulumi with the backend of the bootstrap's state, to run in the checkout's folder."""

PLACEHOLDER = "OWNER/REPOSITORY"


@dataclass(frozen=True)
class Repository:
    """A GitHub repository. The ids are empty where its tokens do not carry them."""

    owner: str
    name: str
    owner_id: str = ""
    id: str = ""


@dataclass(frozen=True)
class Operator:
    """A person who runs Pulumi by hand. `principal_type` is User, Group or ServicePrincipal."""

    object_id: str
    principal_type: str


@rule("owner/name of a GitHub repository")
def repository(text: str) -> Repository:
    """Owners: letters, digits and hyphens, of managed users also `_`; at most 39."""
    if text in ("", PLACEHOLDER):
        raise InvalidValueError("must name the GitHub repository whose workflows deploy", ("owner/name", ""))
    match = re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9_-]{0,38})/([A-Za-z0-9._-]{1,100})", text)
    if match is None or match[2] in (".", "..") or match[2].endswith(".git"):
        meant = re.search(r"github\.com[:/]([^/\s]+/[^/\s]+?)(\.git)?/?$", text)
        better = meant[1] if meant else text.removesuffix(".git")
        usable = re.fullmatch(r"[A-Za-z0-9_-]+/[A-Za-z0-9._-]+", better) and better != text
        raise InvalidValueError(f"must be {repository.text}", (better if usable else "owner/name", ""))
    return Repository(match[1], match[2])


@rule("a number of at most 20 digits, or empty")
def number(text: str) -> str:
    if not re.fullmatch(r"([1-9][0-9]{0,19})?", text):
        raise InvalidValueError(f"must be {number.text}")
    return text


PRINCIPAL_TYPES = {"user": "User", "group": "Group", "app": "ServicePrincipal"}


@rule("a list of Entra object ids")
def operators(text: str) -> tuple[Operator, ...]:
    """Ids of people without a prefix, ids of groups and apps with the prefix `group:` or `app:`."""
    parsed: list[Operator] = []
    for index, value in enumerate(rules.texts(text, operators.text)):
        kind, _, object_id = value.lower().rpartition(":")
        if kind not in ("", *PRINCIPAL_TYPES) or not re.fullmatch(
            r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", object_id
        ):
            reason = (
                f"has {value!r}: must be a person's object id (az ad signed-in-user show --query id -o tsv), "
                "group:ID or app:ID"
            )
            raise InvalidValueError(reason, (None, f"[{index}]"))
        if any(other.object_id == object_id for other in parsed):
            raise InvalidValueError(f"has {value!r} twice", (None, f"[{index}]"))
        parsed.append(Operator(object_id, PRINCIPAL_TYPES[kind or "user"]))
    return tuple(parsed)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """`make settings` writes Pulumi.yaml's `config` and docs/settings.md from it.

    `repository` from `parse` has its ids. No `operators` means the person who runs the program.
    """

    location: str = setting(
        "location", "eastus2", rules.region, "Azure region of everything", change="**replaces everything**"
    )
    repository: Repository = setting(
        "repository",
        "",
        repository,
        "GitHub repository whose workflows may sign in, spelled as GitHub spells it",
    )
    owner_id: str = setting(
        "repositoryOwnerId",
        "",
        number,
        "GitHub's id of the owner (in quotes); for repositories created or renamed after 2026-07-15",
    )
    repository_id: str = setting(
        "repositoryId", "", number, "GitHub's id of the repository (in quotes); goes with `repositoryOwnerId`"
    )
    operators: Sequence[Operator] = setting(
        "operators",
        [],
        operators,
        "People who run Pulumi by hand (groups as group:ID, apps as app:ID); empty means who runs `up`",
    )
    purge_protection: bool = setting(
        "purgeProtection",
        True,
        rules.boolean,
        "Nobody can purge the deleted vault, so that the key is never lost; cannot be turned off again",
    )
    deletion_protection: bool = setting(
        "deletionProtection",
        True,
        rules.boolean,
        "Protects everything here from `pulumi destroy`, which then deletes nothing at all",
    )
    tags: Mapping[str, str] = setting(
        "tags", {}, rules.tags, "Tags of every resource, in addition to `project` and `stack`"
    )
    name_suffix: str = setting(
        "nameSuffix",
        "",
        rules.suffix,
        "Suffix that gives every resource another name (as when a name is soft-deleted)",
        change="**replaces everything**",
    )


SETTINGS = settings_of(Settings)


def read() -> Settings:
    """The settings of the stack that runs now. Raises `InvalidSettingsError`."""
    raw, secret_keys = stack_config()
    path = Path(__file__).with_name(f"Pulumi.{pulumi.get_stack()}.yaml")
    read_stack_file(path, pulumi.get_project())  # raises if a key is there twice
    return parse(raw, stack=pulumi.get_stack(), secret_keys=secret_keys)


def parse(raw: Mapping[str, str], *, stack: str = "shared", secret_keys: Collection[str] = ()) -> Settings:
    """Settings from the config of the project's own namespace. Pure. Raises `InvalidSettingsError`."""
    values, problems = read_values(SETTINGS, raw, secret_keys)
    if {"repository", "repositoryOwnerId", "repositoryId"} <= values.keys():
        problems += _id_problems(values["repositoryOwnerId"], values["repositoryId"])
    if problems:
        raise InvalidSettingsError(problems, stack, pulumi_command=PULUMI)
    settings = build(Settings, values)
    with_ids = replace(settings.repository, owner_id=settings.owner_id, id=settings.repository_id)
    return replace(settings, repository=with_ids)


def _id_problems(owner_id: str, repository_id: str) -> list[Problem]:
    if bool(owner_id) == bool(repository_id):
        return []
    given, missing = "repositoryOwnerId", "repositoryId"
    if repository_id:
        given, missing = missing, given
    path = ".owner.id" if missing == "repositoryOwnerId" else ".id"
    rule = (
        f"goes with {given}: a subject has both ids or none "
        f"(gh api repos/OWNER/REPOSITORY --jq {path} prints it)"
    )
    return [Problem(missing, "", rule, (command(missing, "1234567"), command(given, None)))]
