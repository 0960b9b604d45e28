"""The rules on previews and states that Pulumi prints, and the policy pack in Pulumi."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from policy import check
from tests.workspace import PROJECT, Workspace, workspace

pytestmark = pytest.mark.cli
STACK_FILES = sorted(path.name for path in PROJECT.glob("Pulumi.*.yaml"))
PACK = PROJECT / "policy"
without_pack = pytest.mark.skipif(
    not (PACK / ".venv").exists(), reason="there is no policy/.venv: make policy-setup"
)


@pytest.fixture(scope="module")
def unused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A clone on local Azure in which nothing is up."""
    with workspace(tmp_path_factory.mktemp("policy")) as made:
        yield made


@pytest.fixture(scope="module")
def standing(unused: Workspace) -> Workspace:
    """The same clone, with its stack `local` up."""
    unused.up()
    return unused


def stack_of(file_name: str) -> str:
    name = file_name.removeprefix("Pulumi.").removesuffix(".yaml")
    return "pr-7" if name == "pr" else name


def previewed(made: Workspace, stack: str) -> dict[str, Any]:
    if stack != "local":
        made.run("pulumi", "stack", "init", stack, "--no-select", check=False)
    return json.loads(made.run("pulumi", "preview", "--json", "--stack", stack).stdout)


def told(judged: check.Judgement) -> list[str]:
    return [f"{violation.rule}: {violation}" for violation in judged.violations]


@pytest.mark.parametrize("file_name", STACK_FILES)
def test_a_preview_with_the_committed_configuration_breaks_no_rule(unused: Workspace, file_name: str) -> None:
    before = {path: path.read_bytes() for path in unused.root.glob("Pulumi.*.yaml")}

    judged = check.check(previewed(unused, stack_of(file_name)))

    for path, content in before.items():
        path.write_bytes(content)  # `stack init` adds its salt
    assert told(judged) == []
    assert judged.notes == []
    assert judged.resources > 20


def test_a_preview_of_production_without_protection_is_found(unused: Workspace) -> None:
    path = unused.root / "Pulumi.prod.yaml"
    before = path.read_bytes()
    try:
        path.write_text(path.read_text().replace("deletionProtection: true", "deletionProtection: false"))
        found = check.check(previewed(unused, "prod")).violations
    finally:
        path.write_bytes(before)

    tables = {"chat-state", "todos", "leases"}
    assert {one.resource for one in found} == {"group", "storage-account", "openai-account", *tables}
    assert {one.rule for one in found} == {"protected-production"}


def test_the_command_judges_a_preview_through_a_pipe(unused: Workspace) -> None:
    document = json.dumps(previewed(unused, "local"))

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


def test_what_stands_breaks_no_rule_when_every_value_is_known(standing: Workspace) -> None:
    judged = check.check({"deployment": {"resources": standing.resources()}})

    assert told(judged) == []
    assert judged.resources > 20


@without_pack
def test_the_policy_pack_passes_the_program_and_stops_one_that_breaks_rules(standing: Workspace) -> None:
    shutil.copytree(PACK, standing.root / "policy", ignore=shutil.ignore_patterns(".venv", "__pycache__"))
    (standing.root / "policy" / ".venv").symlink_to((PACK / ".venv").resolve())

    passed = standing.pulumi("up", "--yes", "--skip-preview", "--policy-pack", "policy")
    spoil(standing.root)
    before = standing.arm()
    stopped = standing.pulumi("preview", "--policy-pack", "policy", check=False)
    refused = standing.pulumi("up", "--yes", "--skip-preview", "--policy-pack", "policy", check=False)

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
    waive(standing.root, "keyless-storage", "storage-account")
    advised = standing.pulumi("preview", "--policy-pack", "policy", check=False).stdout
    assert "[advisory]  waived" in advised
    assert "because the test says so" in advised
    assert "[mandatory]  keyless-storage" not in advised
    assert standing.arm() == before


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
