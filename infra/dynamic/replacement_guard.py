"""Refuses to replace what holds a stack's data, before anything is deleted.

Nearly everything in the stack has a fixed name and so `delete_before_replace`: Azure judges the new values
only when the old resource is gone. What it may still refuse then is listed in docs/replacement.md. All of it
is replaced together with the resource group, and the guard stands before the group.
"""

import os
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi import ResourceOptions
from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    CreateResult,
    DiffResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)

from infra.dynamic.support import recorded
from infra.names import Names, short_hash

REPLACE_VARIABLE = "ASSISTANT_REPLACE"
"""Allows one run to replace what it names: `NAME@REGION` of existing resources, with commas between."""

_LOST = {
    "resource_group": "everything in it: all conversations, the logs, the app's host name and function keys, "
    "the model account with its quota",
    "storage_account": "all conversations",
    "model_account": "its host name, its quota in that region, and fine-tuned models; not the conversations",
}
"""Guarded resources, the one that holds the others first, and what is lost with each."""


def guarded(names: Names, location: str, openai_location: str) -> dict[str, str]:
    """What a stack has: key of `_LOST` to `NAME@REGION`."""
    return {
        "resource_group": f"{names.resource_group}@{location}",
        "storage_account": f"{names.storage_account}@{location}",
        "model_account": f"{names.openai_account}@{openai_location}",
    }


def refusal(olds: Mapping[str, Any], news: Mapping[str, Any], allowed: str) -> str:
    """Why the change must not be made; empty where it may. `allowed` is the text of `REPLACE_VARIABLE`.

    `olds` and `news` are inputs of the guard; without `olds` there is no stack yet.
    """
    replaced = [key for key in _LOST if key in olds and olds[key] != news[key]]
    if "resource_group" in replaced:
        replaced = ["resource_group"]  # the others go with it
    needed = [str(olds[key]) for key in replaced]
    stack = str(news["stack"])
    if not needed or (set(needed) <= set(allowed.split(",")) and not olds["protected"]):
        return ""
    lines = [f"Stack {stack} exists, and this change would replace:"]
    for key in replaced:
        lines += [f"  {key.replace('_', ' ')} {olds[key]} by {news[key]}", f"    lost with it: {_LOST[key]}"]
    lines.append(
        "Nothing has been deleted. To keep it, set back what has changed since the last `pulumi up`: "
        "location, openaiLocation, nameSuffix, the name of the project or the stack, or the subscription."
    )
    if olds["protected"]:
        lines += [
            "The stack is protected. To allow it, first run with the values of the last `pulumi up`:",
            f"  pulumi config set deletionProtection false --stack {stack}",
            f"  pulumi up --stack {stack}",
        ]
    lines += [
        "To replace it, in this run only:",
        f"  {REPLACE_VARIABLE}={','.join(needed)} pulumi up --stack {stack}",
    ]
    return "\n".join(lines)


class ReplacementGuard(Resource, module="infra", name="ReplacementGuard"):
    """Remembers what the stack has. Let everything that it guards depend on it."""

    def __init__(
        self,
        name: str,
        *,
        resources: Mapping[str, str],
        protected: bool,
        opts: ResourceOptions | None = None,
    ) -> None:
        """`resources` is what `guarded` says."""
        inputs = {**resources, "protected": protected, "stack": pulumi.get_stack()}
        super().__init__(ReplacementGuardProvider(), name, inputs, opts)


class ReplacementGuardProvider(ResourceProvider):
    """Every preview and every `up` call `check`, before they plan a step of what depends on the guard.

    Nothing is captured: the pickle is this class's name.
    """

    serialize_as_secret_always = False

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        reason = refusal(_olds, news, os.environ.get(REPLACE_VARIABLE, ""))
        return CheckResult(news, [CheckFailure("", reason)] if reason else [])

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        return DiffResult(changes=recorded(_news) != recorded(_olds))

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult("replacement-guard", recorded(props))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(recorded(_news))


def replacement_guard(resources: Mapping[str, str], *, protected: bool) -> Resource:
    """The guard, as what each guarded resource shall depend on directly.

    `--target` and `--exclude` leave a resource's `check` out. So the second one is named by what the stack
    has: after a change it is a new resource, whose creation they leave out as well, and the engine refuses
    to change what depends on a creation that is left out (tried with the CLI 3.274.1).
    """
    guard = ReplacementGuard("replacement-guard", resources=resources, protected=protected)
    digest = short_hash(*resources.values())
    return ReplacementGuard(
        f"replacement-guard-{digest}",
        resources=resources,
        protected=protected,
        opts=ResourceOptions(depends_on=[guard]),
    )
