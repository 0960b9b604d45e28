"""The rules on previews and states that Pulumi prints, and the policy pack in Pulumi."""

import json
import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from policy import check
from tests.workspace import PROJECT, Workspace

pytestmark = pytest.mark.cli
PACK = PROJECT / "policy"
without_pack = pytest.mark.skipif(
    not (PACK / ".venv").exists(), reason="there is no policy/.venv: make policy-setup"
)


def test_production_as_committed_breaks_no_rule_and_without_protection_one(stack: Workspace) -> None:
    stack.run("pulumi", "stack", "init", "prod", "--no-select")
    document = stack.run("pulumi", "preview", "--json", "--stack", "prod").stdout
    done = subprocess.run(
        [str(PROJECT / ".venv" / "bin" / "python"), "-m", "policy", "check", "-"],
        cwd=PROJECT,
        input=document,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "0 violations" in done.stdout

    path = stack.root / "Pulumi.prod.yaml"
    unprotected = re.sub(r'deletionProtection: "?true"?', "deletionProtection: false", path.read_text())
    assert unprotected != path.read_text()
    path.write_text(unprotected)
    preview = stack.run("pulumi", "preview", "--json", "--stack", "prod").stdout
    violations = check.check(json.loads(preview)).violations
    tables = {"chat-state", "todos", "leases"}
    assert {violation.resource for violation in violations} == {
        "group",
        "storage-account",
        "openai-account",
        *tables,
    }
    assert {violation.rule for violation in violations} == {"protected-production"}


def test_what_stands_breaks_no_rule_when_every_value_is_known(stack: Workspace) -> None:
    judged = check.check({"deployment": {"resources": stack.resources()}})

    assert [f"{violation.rule}: {violation}" for violation in judged.violations] == []
    assert judged.resources > 20


@without_pack
def test_the_policy_pack_passes_the_program_and_stops_one_that_breaks_rules(stack: Workspace) -> None:
    shutil.copytree(PACK, stack.root / "policy", ignore=shutil.ignore_patterns(".venv", "__pycache__"))
    (stack.root / "policy" / ".venv").symlink_to((PACK / ".venv").resolve())

    passed = stack.pulumi("up", "--yes", "--skip-preview", "--policy-pack", "policy")
    spoil(stack.root)
    before = stack.arm()
    stopped = stack.pulumi("preview", "--policy-pack", "policy", check=False)
    refused = stack.pulumi("up", "--yes", "--skip-preview", "--policy-pack", "policy", check=False)

    assert "mandatory" not in passed.stdout
    assert stopped.returncode != 0
    for rule in ("keyless-storage", "no-secret-settings", "exact-roles"):
        assert f"[mandatory]  {rule}" in stopped.stdout, stopped.stdout
    assert "hunter2" not in stopped.stdout + stopped.stderr
    assert refused.returncode != 0
    account = "storage-account: allowSharedKeyAccess is true; it must be false"
    assert account in refused.stdout
    # A waiver turns the refusal into advice.
    assert "[advisory]" not in stopped.stdout
    waive(stack.root, "keyless-storage", "storage-account")
    advised = stack.pulumi("preview", "--policy-pack", "policy", check=False).stdout
    assert "[advisory]  waived" in advised
    assert "because the test says so" in advised
    assert "[mandatory]  keyless-storage" not in advised
    assert stack.arm() == before


def spoil(root: Path) -> None:
    """Shared keys, a password in the settings, and a role too few."""
    for name, old, new in (
        ("components/storage", "allow_shared_key_access=False", "allow_shared_key_access=True"),
        (
            "app_settings",
            '"LEASE_TABLE": ',
            '"MY_PASSWORD": pulumi.Output.secret("hunter2"),\n        "LEASE_TABLE": ',
        ),
        ("components/identity", "for role in APP_ROLES\n", "for role in APP_ROLES[1:]\n"),
    ):
        path = root / "infra" / f"{name}.py"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


def waive(root: Path, rule: str, resource: str) -> None:
    lines = (
        "[[waiver]]",
        f'rule = "{rule}"',
        f'resource = "{resource}"',
        'project = "assistant"',
        'stacks = ["local"]',
        'reason = "because the test says so"',
        'owner = "the test"',
        f"until = {check.waivers.today() + timedelta(days=1)}\n",
    )
    with (root / "policy" / "waivers.toml").open("a") as file:
        file.write("\n".join(lines))
