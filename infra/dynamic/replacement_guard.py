"""Refuses to replace resources that hold a stack's data, before any resource is deleted.

Nearly all resources have a fixed name and so `delete_before_replace`: Azure validates the new values only
after the old resource is deleted. docs/replacement.md lists what it may still refuse then. All of them are
replaced together with the resource group, and the group depends on the guard.
"""

import os
import re
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi import ResourceOptions
from pulumi.dynamic import CheckFailure, CheckResult, CreateResult, Resource

from infra.dynamic.support import Provider, recorded
from infra.names import Names, short_hash
from tools.pulumi.typed import as_typed

REPLACE_VARIABLE = "ASSISTANT_REPLACE"
"""Environment variable: resources that this run may replace, as `NAME@REGION`, separated by commas."""

_PROTECTED = "The stack is protected."

_LOST = {
    "resource_group": "everything in it: all conversations, the logs, the app's host name and function keys, "
    "the model account with its quota",
    "storage_account": "all conversations",
    "model_account": "its host name, its quota in that region, and fine-tuned models; not the conversations",
}
"""What is lost with each guarded resource; the resource group contains the others."""


def guarded(names: Names, location: str, openai_location: str) -> dict[str, str]:
    """The guarded resources of a stack: key of `_LOST` to `NAME@REGION`."""
    return {
        "resource_group": f"{names.resource_group}@{location}",
        "storage_account": f"{names.storage_account}@{location}",
        "model_account": f"{names.openai_account}@{openai_location}",
    }


def recorded_names(inputs: Mapping[str, Any]) -> list[str]:
    """What a guard in a state guards, each as `REPLACE_VARIABLE` takes it."""
    return [str(inputs[key]) for key in _LOST if key in inputs]


def allowing(messages: str) -> tuple[str, list[str]]:
    """From messages with a `refusal`: the value that allows the replacement, and what is lost with it.

    Both are empty if there is no refusal, or if the stack is protected, which no value changes.
    """
    value = re.search(rf"{REPLACE_VARIABLE}=([\w.,@-]+) ", messages)
    if value is None or _PROTECTED in messages:
        return "", []
    return value[1], [
        f"{key.replace('_', ' ')} ({lost})" for key, lost in _LOST.items() if f"with it: {lost}" in messages
    ]


def refusal(olds: Mapping[str, Any], news: Mapping[str, Any], allowed: str) -> str:
    """Why the change is refused; empty if it is allowed. `allowed` is the value of `REPLACE_VARIABLE`.

    `olds` and `news` are inputs of the guard; without `olds` there is no stack yet.
    """
    replaced = [key for key in _LOST if key in olds and olds[key] != news[key]]
    if "resource_group" in replaced:
        replaced = ["resource_group"]  # it contains the others
    needed = [str(olds[key]) for key in replaced]
    stack = str(news["stack"])
    if not needed or (set(needed) <= set(allowed.split(",")) and not olds["protected"]):
        return ""
    lines = [f"Stack {stack} exists, and this change would replace:"]
    for key in replaced:
        lines += [f"  {key.replace('_', ' ')} {olds[key]} by {news[key]}", f"    lost with it: {_LOST[key]}"]
    lines.append(
        "Nothing has been deleted. To keep it, restore what has changed since the last deployment: "
        "location, openaiLocation, nameSuffix, the name of the project or the stack, or the subscription."
    )
    if olds["protected"]:
        lines += [
            f"{_PROTECTED} To allow it, first run with the values of the last deployment:",
            f"  {as_typed(f'pulumi config set deletionProtection false --stack {stack}')}",
            f"  {as_typed(f'pulumi up --stack {stack}')}",
        ]
    command = f"{REPLACE_VARIABLE}={','.join(needed)} pulumi up --stack {stack}"
    lines += ["To replace it, in this run only:", f"  {as_typed(command)}"]
    return "\n".join(lines)


class ReplacementGuard(Resource, module="infra", name="ReplacementGuard"):
    """Records the guarded resources in the state. All of them must depend on it."""

    def __init__(
        self,
        name: str,
        *,
        resources: Mapping[str, str],
        protected: bool,
        opts: ResourceOptions | None = None,
    ) -> None:
        """`resources`: see `guarded`."""
        inputs = {**resources, "protected": protected, "stack": pulumi.get_stack()}
        super().__init__(ReplacementGuardProvider(), name, inputs, opts)


class ReplacementGuardProvider(Provider):
    """Every preview and every `up` call `check` before they plan steps for resources that depend on it."""

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        reason = refusal(_olds, news, os.environ.get(REPLACE_VARIABLE, ""))
        return CheckResult(news, [CheckFailure("", reason)] if reason else [])

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult("replacement-guard", recorded(props))


ReplacementGuardProvider.__module__ = "infra.dynamic"  # the path in states: see infra/dynamic/__init__.py


def replacement_guard(resources: Mapping[str, str], *, protected: bool) -> Resource:
    """The guard, on which each guarded resource must depend directly.

    `--target` and `--exclude` can skip the `check` of a resource. So the second guard is named after the
    guarded resources: after a change it is a new resource, whose creation is skipped too, and the engine
    refuses to change a resource that depends on a skipped creation (tested with the CLI 3.274.1).
    """
    guard = ReplacementGuard("replacement-guard", resources=resources, protected=protected)
    digest = short_hash(*resources.values())
    return ReplacementGuard(
        f"replacement-guard-{digest}",
        resources=resources,
        protected=protected,
        opts=ResourceOptions(depends_on=[guard]),
    )
