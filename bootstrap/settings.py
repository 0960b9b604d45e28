"""The bootstrap's settings, read and checked as those of the main program are."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pulumi

from infra.settings import rules
from infra.settings.rules import RefusedError, command
from infra.settings.stack_config import (
    InvalidSettingsError,
    Key,
    Problem,
    read_stack_file,
    read_values,
    stack_config,
    value_of,
)

PULUMI = ".venv/bin/python -m bootstrap pulumi"
"""Pulumi on the backend that holds the bootstrap's state, wherever that is; from the checkout's folder."""

PLACEHOLDER = "OWNER/REPOSITORY"

T = TypeVar("T")


@dataclass(frozen=True)
class Repository:
    """A GitHub repository. The ids are empty where its tokens do not carry them."""

    owner: str
    name: str
    owner_id: str = ""
    id: str = ""


@dataclass(frozen=True)
class Operator:
    """Who runs Pulumi by hand. `principal_type` is User, Group or ServicePrincipal."""

    object_id: str
    principal_type: str


@dataclass(frozen=True)
class Settings:
    """No `operators` means the person who runs the program."""

    location: str
    repository: Repository
    operators: Sequence[Operator]
    purge_protection: bool
    deletion_protection: bool
    tags: Mapping[str, str]
    name_suffix: str


def repository(text: str) -> tuple[str, str]:
    """Owner and name. Owners: letters, digits and hyphens, of managed users also `_`; at most 39."""
    if text in ("", PLACEHOLDER):
        raise RefusedError("must name the GitHub repository whose workflows deploy", ("owner/name", ""))
    found = re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9_-]{0,38})/([A-Za-z0-9._-]{1,100})", text)
    if found is None or found[2] in (".", "..") or found[2].endswith(".git"):
        meant = re.search(r"github\.com[:/]([^/\s]+/[^/\s]+?)(\.git)?/?$", text)
        better = meant[1] if meant else text.removesuffix(".git")
        usable = re.fullmatch(r"[A-Za-z0-9_-]+/[A-Za-z0-9._-]+", better) and better != text
        raise RefusedError(
            "must be owner/name of a GitHub repository", (better if usable else "owner/name", "")
        )
    return found[1], found[2]


def number(text: str) -> str:
    if not re.fullmatch(r"([1-9][0-9]{0,19})?", text):
        raise RefusedError("must be a number of GitHub's, or empty")
    return text


PRINCIPAL_TYPES = {"user": "User", "group": "Group", "app": "ServicePrincipal"}


def operators(text: str) -> tuple[Operator, ...]:
    """Entra object ids; before those of groups and of apps stands `group:` or `app:`."""
    found: list[Operator] = []
    for index, one in enumerate(rules.texts(text, "a list of Entra object ids")):
        kind, _, object_id = one.lower().rpartition(":")
        if kind not in ("", *PRINCIPAL_TYPES) or not re.fullmatch(
            r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", object_id
        ):
            rule = (
                f"has {one!r}: must be a person's object id (az ad signed-in-user show --query id -o tsv), "
                "group:ID or app:ID"
            )
            raise RefusedError(rule, (None, f"[{index}]"))
        if any(other.object_id == object_id for other in found):
            raise RefusedError(f"has {one!r} twice", (None, f"[{index}]"))
        found.append(Operator(object_id, PRINCIPAL_TYPES[kind or "user"]))
    return tuple(found)


KEYS: dict[str, Key[Any]] = {}


def _key(name: str, default: object, read: Callable[[str], T]) -> Key[T]:
    KEYS[name] = key = Key(name, default, read)
    return key


LOCATION = _key("location", "eastus2", rules.region)
REPOSITORY = _key("repository", "", repository)
OWNER_ID = _key("repositoryOwnerId", "", number)
REPOSITORY_ID = _key("repositoryId", "", number)
OPERATORS = _key("operators", [], operators)
PURGE_PROTECTION = _key("purgeProtection", True, rules.boolean)
DELETION_PROTECTION = _key("deletionProtection", True, rules.boolean)
TAGS = _key("tags", {}, rules.tags)
NAME_SUFFIX = _key("nameSuffix", "", rules.suffix)


def read() -> Settings:
    """The settings of the stack that runs now. Raises `InvalidSettingsError`."""
    raw, secret_keys = stack_config()
    file = read_stack_file(Path(__file__).with_name(f"Pulumi.{pulumi.get_stack()}.yaml"))
    return parse(raw, stack=pulumi.get_stack(), secret_keys=secret_keys, duplicates=file.duplicates)


def parse(
    raw: Mapping[str, str],
    *,
    stack: str = "shared",
    secret_keys: Collection[str] = (),
    duplicates: Sequence[Problem] = (),
) -> Settings:
    """Settings from the config of the project's own namespace. Pure. Raises `InvalidSettingsError`."""
    values, problems = read_values(KEYS, raw, secret_keys)
    problems += duplicates
    if {REPOSITORY.name, OWNER_ID.name, REPOSITORY_ID.name} <= values.keys():
        problems += _id_problems(*(value_of(values, key) for key in (OWNER_ID, REPOSITORY_ID)))
    if problems:
        raise InvalidSettingsError(problems, stack, pulumi_command=PULUMI)
    owner, name = value_of(values, REPOSITORY)
    return Settings(
        location=value_of(values, LOCATION),
        repository=Repository(owner, name, value_of(values, OWNER_ID), value_of(values, REPOSITORY_ID)),
        operators=value_of(values, OPERATORS),
        purge_protection=value_of(values, PURGE_PROTECTION),
        deletion_protection=value_of(values, DELETION_PROTECTION),
        tags=value_of(values, TAGS),
        name_suffix=value_of(values, NAME_SUFFIX),
    )


def _id_problems(owner_id: str, repository_id: str) -> list[Problem]:
    if bool(owner_id) == bool(repository_id):
        return []
    given, missing = (OWNER_ID, REPOSITORY_ID) if owner_id else (REPOSITORY_ID, OWNER_ID)
    path = ".owner.id" if missing is OWNER_ID else ".id"
    return [
        Problem(
            missing.name,
            "",
            f"goes with {given.name}: a subject has both ids or none "
            f"(gh api repos/OWNER/REPOSITORY --jq {path} tells it)",
            (command(missing.name, "1234567"), command(given.name, None)),
        )
    ]
