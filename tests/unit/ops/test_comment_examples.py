"""The comments of eight pull requests, as whole files in examples/.

They are written anew by: WRITE_EXAMPLES=1 .venv/bin/python -m pytest tests/unit/ops/test_comment_examples.py
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ops.preview import plan
from ops.preview.comment import PART_LIMITS
from ops.preview.render import COLOURED, comment, text
from ops.preview.report import Report
from ops.state import (
    DEPLOYED_CODE,
    GROUP,
    GUARD,
    LOG_WORKSPACE,
    MODEL_ACCOUNT,
    MODEL_DEPLOYMENT,
    REPLACEMENT_GUARD,
    SITE,
    STACK,
    STORAGE_ACCOUNT,
    TABLE,
)

EXAMPLES = Path(__file__).with_name("examples")
RUN_URL = "https://github.com/octo-org/assistants/actions/runs/5000"
ROOM = PART_LIMITS["preview"]
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
STORAGE, HOST = "assistant:storage:ChatStorage", "assistant:functionHost:FunctionHost"
SCALE = {"instanceMemoryMB": 2048, "maximumInstanceCount": 100}

# Type, parent and what it depends on, by logical name: the main resources of the program.
PROGRAM: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "storage": (STORAGE, "", ()),
    "function-host": (HOST, "", ()),
    "replacement-guard": (REPLACEMENT_GUARD, "", ()),
    "group": (GROUP, "", ("replacement-guard",)),
    "log-workspace": (LOG_WORKSPACE, "", ("group",)),
    "openai-account": (MODEL_ACCOUNT, "", ("group", "replacement-guard")),
    "chat-model": (MODEL_DEPLOYMENT, "", ("group", "openai-account")),
    "storage-account": (STORAGE_ACCOUNT, "storage", ("group", "replacement-guard")),
    "chat-state": (TABLE, "storage", ("group", "storage-account")),
    "todos": (TABLE, "storage", ("group", "storage-account")),
    "leases": (TABLE, "storage", ("group", "storage-account")),
    "function-app": (SITE, "function-host", ("group", "log-workspace", "openai-account", "chat-state")),
    "deployed-code": (DEPLOYED_CODE, "function-host", ("function-app",)),
    "deletion-guard": (GUARD, "", ("deployed-code",)),
}


def urn(name: str) -> str:
    return f"urn:pulumi:dev::assistant::{PROGRAM[name][0] if name in PROGRAM else TABLE}::{name}"


def state(name: str, inputs: dict[str, Any]) -> dict[str, Any]:
    type_, parent, dependencies = PROGRAM.get(name, (TABLE, "", ()))
    return {
        "urn": urn(name),
        "type": type_,
        "custom": not type_.startswith("assistant:"),
        "inputs": inputs,
        "parent": urn(parent) if parent else f"urn:pulumi:dev::assistant::{STACK}::assistant-dev",
        "dependencies": [urn(other) for other in dependencies],
    }


def step(op: str, name: str, old: dict[str, Any], new: dict[str, Any], *reasons: str) -> dict[str, Any]:
    sides = {"oldState": state(name, old), "newState": state(name, new)}
    if op in {"create", "delete"}:
        del sides["oldState" if op == "create" else "newState"]
    return {"op": op, "urn": urn(name), "replaceReasons": list(reasons), **sides}


def report(
    stack: str,
    *steps: dict[str, Any],
    settings: Mapping[str, tuple[str, str]] | None = None,
    errors: Mapping[str, str] | None = None,
) -> Report:
    """The report of a preview with these steps. `settings`: old and new text of each changed setting."""
    changed = settings or {}
    document = {
        "config": {f"assistant:{key}": new for key, (_, new) in changed.items()},
        "steps": list(steps),
        "diagnostics": [
            {"severity": "error", "message": f"error: {message}\n", "urn": urn(name) if name else ""}
            for name, message in (errors or {}).items()
        ],
    }
    exported = {"deployment": {"resources": [state(name, {}) for name in PROGRAM]}}
    deployed = {f"assistant:{key}": old for key, (old, _) in changed.items()}
    unfilled = Report(stack, "a" * 40, "2026-11-25T10:00:00Z", "deployed")
    return plan.report(unfilled, document, exported, lambda _: 3_140_000, deployed)


def code(new: str = "b") -> dict[str, Any]:
    old = {"package_hash": "a" * 64, "package_path": ".build/a.zip"}
    return step(
        "update", "deployed-code", old, {"package_hash": new * 64, "package_path": f".build/{new}.zip"}
    )


def app_settings(**settings: str) -> dict[str, Any]:
    listed = [{"name": name, "value": value} for name, value in settings.items()]
    return {"siteConfig": {"appSettings": listed}, "functionAppConfig": {"scaleAndConcurrency": SCALE}}


def replaced() -> list[dict[str, Any]]:
    """The steps after `nameSuffix` is changed."""
    names = {
        "group": "resourceGroupName",
        "log-workspace": "workspaceName",
        "openai-account": "accountName",
        "storage-account": "accountName",
        "function-app": "name",
    }
    guard = step(
        "update", "replacement-guard", {"resource_group": "rg-a@eastus2"}, {"resource_group": "rg-b@eastus2"}
    )
    with_group = [
        name
        for name in PROGRAM
        if name not in {"storage", "function-host", "replacement-guard", "deletion-guard"}
    ]
    return [
        guard,
        *(
            step(
                "replace",
                name,
                {names.get(name, "scope"): f"{name}-a"},
                {names.get(name, "scope"): f"{name}-b" if name in names else UNKNOWN},
                *([names[name]] if name == "group" else []),
            )
            for name in with_group
        ),
    ]


SUFFIX = {"nameSuffix": ("", "b2")}
REFUSED = (
    "pulumi-python:dynamic/infra:ReplacementGuard resource 'replacement-guard' has a problem: Stack prod "
    "exists, and this change would replace:\n  resource group rg-a@eastus2 by rg-b@eastus2\n"
    "The stack is protected. To allow it, first run with the values of the last `pulumi up`:\n"
    "  pulumi config set deletionProtection false --stack prod"
)
HOSTILE = "`x` | @octocat <img src=x onerror=alert(1)> </details>\n\n# title\n::error::x \u202e #1"

PROPERTIES = [f"property{number}" for number in range(40)]
LONG = "x" * 400

CASES: dict[str, list[Report]] = {
    "no-change": [report(stack) for stack in ("dev", "test", "prod")],
    "code-only": [report(stack, code()) for stack in ("dev", "test", "prod")],
    "one-setting": [
        report(
            "dev",
            step(
                "update",
                "function-app",
                app_settings(CHAT_MODEL_TEMPERATURE="0.5", CHAT_PAGE="true"),
                app_settings(CHAT_MODEL_TEMPERATURE="1.0", CHAT_PAGE="true"),
            ),
            settings={"modelTemperature": ("0.5", "1.0")},
        ),
        report("test"),
        report("prod"),
    ],
    "replaced": [report(stack, *replaced(), settings=SUFFIX) for stack in ("dev", "test")],
    "prod-protected": [
        report("dev", *replaced(), settings=SUFFIX),
        report(
            "prod",
            settings=SUFFIX,
            errors={"replacement-guard": REFUSED, "": "Resource monitor has terminated, shutting down"},
        ),
    ],
    "three-environments": [
        report(
            "dev",
            step("update", "chat-model", {"sku": {"capacity": 50}}, {"sku": {"capacity": 10}}),
            step("delete", "todos", {"tableName": "Todos"}, {}),
            step("delete", "leases", {"tableName": "AssistantLeases"}, {}),
            code(),
            settings={"modelCapacity": ("50", "10")},
        ),
        report("test", code("c"), step("update", "group", {"tags": {"a": "1"}}, {"tags": {}})),
        report(
            "prod",
            step("update", "log-workspace", {"retentionInDays": 90}, {"retentionInDays": 30}),
            step(
                "update",
                "function-app",
                app_settings(EXPOSE_INSTRUCTIONS="false", LEASE_TABLE="a"),
                app_settings(EXPOSE_INSTRUCTIONS="true", LEASE_TABLE="b"),
            ),
            settings={"logRetentionDays": ("90", "30"), "exposeInstructions": ("false", "true")},
        ),
    ],
    "hostile-names": [
        report(
            "dev",
            step(
                "replace",
                HOSTILE,
                {HOSTILE: "a", "b": 1},
                {HOSTILE: HOSTILE, "b": "AccountKey=s3cret"},
                HOSTILE,
            ),
            settings={HOSTILE: ("old", HOSTILE), "tags": ("{}", '{"owner": "@octocat"}')},
        ),
        report("test", errors={"function-app": HOSTILE}),
    ],
    "65000-characters": [
        report(
            stack,
            *(
                step("update", f"t{number}", dict.fromkeys(PROPERTIES, LONG), dict.fromkeys(PROPERTIES, ""))
                for number in range(20)
            ),
            step("delete", "chat-state", {}, {}),
        )
        for stack in ("dev", "test", "prod")
    ],
}  # fmt: skip


def check(name: str, content: str) -> None:
    path = EXAMPLES / name
    if "WRITE_EXAMPLES" in os.environ:
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{content}\n")
    assert f"{content}\n" == path.read_text()


@pytest.mark.parametrize("name", CASES)
def test_a_comment_is_as_in_its_example(name: str) -> None:
    markdown = comment(CASES[name], room=ROOM, run_url=RUN_URL)
    assert len(markdown.encode()) <= ROOM
    assert "s3cret" not in markdown
    check(f"{name}.md", markdown)


@pytest.mark.parametrize("name", ["replaced", "three-environments", "hostile-names"])
def test_a_terminal_has_the_same_words(name: str) -> None:
    check(f"{name}.txt", text(CASES[name]))
    coloured = text(CASES[name], COLOURED)
    assert coloured.replace("\033[1m", "").replace("\033[1;31m", "").replace("\033[0m", "") == text(
        CASES[name]
    )
