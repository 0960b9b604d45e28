"""Checks the output of `pulumi preview --json` or `pulumi stack export`. Does not import pulumi."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from policy import waivers
from policy.model import SECRET, UNKNOWN, Resource, Violation
from policy.rules import judge

_SPECIAL = "4dabf18193072939515e22adb298388d"
_SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 # marks a secret in documents; not a secret itself
_OTHER_UNKNOWNS = frozenset(
    {
        # Sentinels of unknown values that are not strings (pulumi-policy, proxy.py).
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
_DELETIONS = frozenset({"delete", "delete-replaced", "discard", "discard-replaced", "remove-pending-replace"})


_EXPECTED = "it must be the output of `pulumi preview --json` or `pulumi stack export`"


class DocumentError(ValueError):
    """The document cannot be checked; the message gives the reason and the command to run."""


@dataclass(frozen=True)
class Judgement:
    """`violations` are errors, `waived` are advice; `notes` name ignored waivers and rules not checked."""

    violations: list[Violation]
    waived: list[tuple[Violation, waivers.Waiver]]
    notes: list[str]
    resources: int


def check(document: Mapping[str, Any]) -> Judgement:
    """Check a document. Raises DocumentError.

    A preview omits unchanged resources unless it runs with --show-sames. Rules on the whole stack (a missing
    role assignment, a missing lock) are then not checked, and a note says so.
    """
    try:
        resources, omitted = _resources(document)
    except (AttributeError, KeyError, TypeError) as error:
        raise DocumentError(_EXPECTED) from error
    sound, notes = waivers.load(waivers.today())
    if omitted:
        notes.append(
            f"{omitted} unchanged resources are not in the document, so the rules on the whole stack were "
            "not checked. To check them, use `pulumi preview --json --show-sames` or `pulumi stack export`"
        )
    standing, waived = waivers.apply(judge(resources, complete=not omitted), sound)
    return Judgement(standing, waived, notes, len(resources))


def _resources(document: Mapping[str, Any]) -> tuple[list[Resource], int]:
    """The resources after the update, and how many the document omits."""
    if "deployment" in document:
        states = document["deployment"].get("resources") or ()
        return [_resource(state) for state in states if not state.get("delete")], 0
    if "steps" not in document and "changeSummary" not in document:
        raise DocumentError(_EXPECTED)
    for diagnostic in document.get("diagnostics") or ():
        if diagnostic.get("severity") == "error":
            first = str(diagnostic.get("message", "")).strip().partition("\n")[0]
            raise DocumentError(f"the preview failed, so the document has only a part of the stack: {first}")
    by_urn: dict[str, Resource] = {}
    unchanged = 0
    for step in document.get("steps") or ():
        state = step.get("newState")
        if step.get("op") in _DELETIONS or state is None:
            continue
        resource = _resource(state)
        by_urn[resource.urn] = resource
        unchanged += step.get("op") == "same"
    same: int = document.get("changeSummary", {}).get("same", 0)
    return list(by_urn.values()), max(0, same - unchanged)


def _resource(state: Mapping[str, Any]) -> Resource:
    """The resource of a state entry (ResourceV3 of pulumi/pulumi sdk/go/common/apitype)."""
    urn: str = state["urn"]
    return Resource(
        plain_type(state["type"]),
        urn.rpartition("::")[2],
        urn,
        plain(state.get("inputs") or {}),
        state.get("protect") is True,
        plain(state.get("outputs") or {}),
    )


def plain_type(type_: str) -> str:
    """The type without its API version: `azure-native:web/v20240401:WebApp` is `azure-native:web:WebApp`."""
    return re.sub(r"^(azure-native:\w+)/v\w+:", r"\1:", type_)


def plain(value: Any) -> Any:
    """The value with every secret replaced by SECRET and every unknown by UNKNOWN, at any depth."""
    if isinstance(value, str):
        return UNKNOWN if value in _OTHER_UNKNOWNS else value
    if isinstance(value, Mapping):
        members = cast("Mapping[str, Any]", value)
        if members.get(_SPECIAL) == _SECRET_SIGNATURE:
            return SECRET
        return {str(key): plain(member) for key, member in members.items()}
    if isinstance(value, list | tuple):
        return [plain(element) for element in cast("list[Any]", value)]
    return value
