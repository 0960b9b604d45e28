"""`python -m ops drift` against a stack that somebody edits in the portal: each edit is found, nothing else.

Every test puts the stack back with the command that drift names, and finds nothing then.
tests/unit/ops/test_drift.py has what counts as drift, test_drift_command the exit codes.
"""

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from delivery.package import HASH_FILE, content_hash, zip_bytes
from tests.workspace import PROJECT, STACK, Workspace

pytestmark = pytest.mark.cli
SECRET = "s3cret-of-the-portal"
BY_HAND = "11111111-2222-4333-8444-555555555555"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"


def ops(stack: Workspace, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return stack.run("exec", "--", sys.executable, "-m", "ops", *words, check=False, **environment)


def drift(stack: Workspace) -> set[tuple[str, str, str]]:
    """Kind and name of each finding, and each change, or what went along."""
    done = ops(stack, "drift", "--stack", STACK, "--json")
    assert done.returncode in (0, 3), done.stderr
    (report,) = json.loads(done.stdout)
    assert (done.returncode == 3) == bool(report["findings"])
    assert SECRET not in done.stdout + done.stderr
    return {
        (finding["kind"], finding["name"], change)
        for finding in report["findings"]
        for change in (
            [f"{change['kind']} {change['path']}" for change in finding["changes"]]
            or ["with " + " ".join(sorted(finding["goneWith"]))]
        )
    }


def edit(stack: Workspace, *edits: tuple[str, str, Any]) -> None:
    environment = {**stack.environment, "PYTHONPATH": f"{stack.root}:{PROJECT}"}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "local_azure", "exec", "--"),
            *(sys.executable, str(PROJECT / "tests" / "portal.py")),
        ],
        cwd=stack.root,
        env=environment,
        input=json.dumps(edits),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def id_of(stack: Workspace, name: str) -> str:
    (resource_id,) = (
        resource["id"]
        for resource in stack.resources()
        if resource["urn"].endswith(f"::{name}") and resource.get("id")
    )
    return resource_id


def settings(stack: Workspace) -> dict[str, str]:
    (site,) = (resource for resource in stack.resources() if resource["urn"].endswith("::function-app"))
    return {setting["name"]: setting["value"] for setting in site["inputs"]["siteConfig"]["appSettings"]}


def other_package(stack: Workspace) -> Path:
    """The package that runs, with one more line in it."""
    with zipfile.ZipFile(stack.root / ".build" / "function_app.zip") as archive:
        entries = {name: archive.read(name) for name in archive.namelist() if name != HASH_FILE}
    entries["function_app.py"] += b"\n# somebody's own\n"
    path = stack.root / "other.zip"
    path.write_bytes(zip_bytes(entries))
    path.write_bytes(zip_bytes({**entries, HASH_FILE: content_hash(path).encode()}))
    return path


def test_each_edit_of_the_portal_is_found_and_nothing_else(stack: Workspace) -> None:
    state, arm = stack.state_file().read_bytes(), stack.arm()
    assert drift(stack) == set()
    assert (stack.state_file().read_bytes(), stack.arm()) == (state, arm), "a check changes nothing"

    account, site = id_of(stack, "storage-account"), id_of(stack, "function-app")
    deployed = settings(stack)
    changed = {**deployed, "CHAT_MODEL_DEPLOYMENT_NAME": SECRET, "ADDED_BY_HAND": SECRET}
    del changed["HTTP_AUTH_LEVEL"]
    principal = next(
        resource["outputs"]["principalId"]
        for resource in stack.resources()
        if resource["urn"].endswith("::app-identity")
    )
    role = f"/providers/Microsoft.Authorization/roleDefinitions/{READER}"
    grant = {"principalId": principal, "roleDefinitionId": role, "principalType": "ServicePrincipal"}
    tags = {"project": "assistant", "stack": STACK, "environment": STACK}
    less = {key: value for key, value in tags.items() if key != "stack"}

    edit(
        stack,
        ("publish", "", str(other_package(stack))),  # first: the site cannot reach a closed account
        ("patch", account, {"properties": {"minimumTlsVersion": "TLS1_0", "allowSharedKeyAccess": True}}),
        ("patch", account, {"properties": {"publicNetworkAccess": "Disabled"}}),
        ("patch", account, {"properties": {"isLocalUserEnabled": True, "supportsHttpsTrafficOnly": False}}),
        ("patch", id_of(stack, "log-workspace"), {"tags": {**tags, "by-hand": "yes"}}),
        ("patch", id_of(stack, "app-insights"), {"tags": {**tags, "environment": "mine"}}),
        ("patch", id_of(stack, "plan"), {"tags": less}),
        ("patch", id_of(stack, "chat-model"), {"sku": {"name": "GlobalStandard", "capacity": 1}}),
        (
            "put",
            f"{account}/providers/Microsoft.Authorization/roleAssignments/{BY_HAND}",
            {"properties": grant},
        ),
        ("settings", site, changed),
    )

    assert drift(stack) == {
        ("changed", "storage-account", "changed minimumTlsVersion"),
        ("changed", "storage-account", "changed allowSharedKeyAccess"),
        ("changed", "storage-account", "changed publicNetworkAccess"),
        ("changed", "storage-account", "changed enableHttpsTrafficOnly"),
        ("changed", "storage-account", "added isLocalUserEnabled"),  # of which the program says nothing
        ("changed", "log-workspace", "added tags.by-hand"),
        ("changed", "app-insights", "changed tags.environment"),
        ("changed", "plan", "removed tags.stack"),
        ("changed", "chat-model", "changed sku.capacity"),
        ("added", BY_HAND, f"added role {READER} for ServicePrincipal {principal} on {account}"),
        ("changed", "function-app", "changed siteConfig.appSettings.CHAT_MODEL_DEPLOYMENT_NAME"),
        ("changed", "function-app", "added siteConfig.appSettings.ADDED_BY_HAND"),
        ("changed", "function-app", "removed siteConfig.appSettings.HTTP_AUTH_LEVEL"),
        ("changed", "deployed-code", "changed package_hash"),
    }

    stack.up("--refresh")
    edit(stack, ("delete", f"{account}/providers/Microsoft.Authorization/roleAssignments/{BY_HAND}", None))
    assert {name for _, name, _ in drift(stack)} <= {"function-app"}
    assert ops(stack, "drift", "--stack", STACK, "--restore-app-settings").returncode == 0
    assert drift(stack) == set()


def test_what_was_deleted_is_found_with_its_children(stack: Workspace) -> None:
    names = ("chat-state", "metrics-publisher", "function-app")

    edit(stack, *(("delete", id_of(stack, name), None) for name in names))

    assert drift(stack) == {
        ("gone", "chat-state", "with "),
        ("gone", "metrics-publisher", "with "),
        ("gone", "function-app", "with deployed-code no-ftp-password no-scm-password"),
    }
    stack.up("--refresh")
    assert drift(stack) == set()
    assert stack.put("back-again").status == 202
