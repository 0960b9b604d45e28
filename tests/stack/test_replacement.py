"""A wrong value deletes nothing, a replacement has to be allowed, and what was killed can be run again."""

import os
import signal
import subprocess
import sys
import time

import pytest

from infra.dynamic.replacement_guard import REPLACE_VARIABLE
from tests.workspace import Workspace

pytestmark = pytest.mark.cli
DEADLINE = 120.0


def replace(stack: Workspace, output: str, region: str) -> None:
    """`pulumi up` that may replace the resource whose name an output has."""
    allowed = f"{stack.outputs()[output]}@{region}"
    stack.run("pulumi", "up", "--yes", "--skip-preview", "--stack", "local", ASSISTANT_REPLACE=allowed)


def kill_when_the_account_is_deleted(stack: Workspace, *words: str, **environment: str) -> None:
    """Run `pulumi WORDS`, and kill all of it when the model account is gone from Azure."""
    account = f"/accounts/{stack.outputs()['openaiAccountName']}".lower()
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "local_azure",
            "pulumi",
            *words,
            "--yes",
            "--skip-preview",
            "--stack",
            "local",
        ],
        cwd=stack.root,
        env={**stack.environment, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        end = time.monotonic() + DEADLINE
        while f'{account}"' in stack.home.store_file.read_text().lower():
            assert process.poll() is None, "it ended without deleting the account"
            assert time.monotonic() < end, "the account was not deleted"
            time.sleep(0.02)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("location", "swedencentral", f"{REPLACE_VARIABLE}=rg-"),
        ("openaiLocation", "westus3", f"{REPLACE_VARIABLE}=oai-"),
    ],
)
def test_preview_and_up_refuse_it_and_nothing_is_deleted(
    stack: Workspace, key: str, value: str, reason: str
) -> None:
    before = stack.arm()
    stack.config(key, value)

    preview = stack.pulumi("preview", check=False)
    up = stack.up(check=False)

    for run in (preview, up):
        assert run.returncode != 0
        assert reason in run.stdout + run.stderr
        assert "Traceback" not in run.stdout + run.stderr
    assert stack.arm() == before


def test_an_account_that_was_deleted_in_the_portal_is_made_again(stack: Workspace) -> None:
    account = stack.outputs()["openaiAccountName"]
    stack.run("portal", "delete", f"accounts/{account}/deployments/gpt-5.4-mini")
    stack.run("portal", "delete", f"accounts/{account}")

    stack.up("--refresh")

    assert stack.put("again").status == 202
    stack.up("--expect-no-changes")


def test_an_allowed_model_region_is_replaced_account_last_and_keeps_the_conversations(
    stack: Workspace,
) -> None:
    assert stack.put("kept").status == 202
    stack.config("openaiLocation", "westus3")

    replace(stack, "openaiAccountName", "eastus2")

    assert "kept" in stack.run("rows", "ChatState").stdout
    assert stack.put("moved").status == 202
    stack.up("--expect-no-changes")
    stack.config("openaiLocation", None)
    replace(stack, "openaiAccountName", "westus3")


def test_an_allowed_region_purges_the_account_that_keeps_its_name_and_a_killed_up_is_continued(
    stack: Workspace,
) -> None:
    """The account is soft-deleted with the group and created again in the same `up`."""
    stack.config("openaiLocation", "eastus2")
    stack.config("location", "swedencentral")
    replace(stack, "resourceGroupName", "eastus2")
    assert stack.put("moved-with-everything").status == 202
    stack.up("--expect-no-changes")

    stack.config("location", "eastus2")
    group = stack.outputs()["resourceGroupName"]
    kill_when_the_account_is_deleted(stack, "up", **{REPLACE_VARIABLE: f"{group}@swedencentral"})
    stack.up()

    assert stack.put("after-a-killed-up").status == 202
    stack.up("--expect-no-changes")


def test_a_killed_destroy_is_continued_by_up(stack: Workspace) -> None:
    kill_when_the_account_is_deleted(stack, "destroy")

    stack.up("--refresh")  # the state does not know that the delete was done

    assert stack.put("after-a-killed-destroy").status == 202
