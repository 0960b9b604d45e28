"""The bootstrap project on local Azure, by its own commands, from a clone of its own."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_azure import run_state
from local_azure.cli.environment import pulumi_environment
from local_azure.core.store import Store
from ops import state
from ops.engine import Pulumi
from tests.workspace import PROJECT, STACK, Workspace, workspace

pytestmark = pytest.mark.cli


def command(clone: Workspace, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """`python -m bootstrap WORDS` as on a machine whose `pulumi` and Azure are local Azure's."""
    return clone.run("exec", "--", sys.executable, "-m", "bootstrap", *words, "--stack", STACK, check=check)


def move(clone: Workspace, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    to = ("--to", f"file://{container(clone)}", "--secrets-provider", "passphrase")
    return command(clone, "move", *to, *words, check=check)


def local_state(clone: Workspace) -> Path:
    return clone.root / ".bootstrap" / ".pulumi" / "stacks" / "bootstrap" / f"{STACK}.json"


def stack_file(clone: Workspace) -> Path:
    return clone.root / "bootstrap" / f"Pulumi.{STACK}.yaml"


def container(clone: Workspace) -> Path:
    return clone.root / "container"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """The bootstrap came up from nothing, on this machine's state."""
    with workspace(tmp_path_factory.mktemp("bootstrap")) as clone:
        nothing = move(clone, check=False)
        assert (nothing.returncode, "make bootstrap" in nothing.stderr) == (1, True)
        assert "would make the stack" in command(clone, "up", "--dry-run").stdout
        assert Store(clone.home.store_file).list() == []
        command(clone, "up")
        yield clone


@pytest.fixture
def unmoved(clone: Workspace, tmp_path: Path) -> Iterator[Workspace]:
    """The same, with an empty container beside it; the state and the stack file are put back."""
    shutil.copytree(clone.root / ".bootstrap", tmp_path / "kept")
    committed = stack_file(clone).read_text()
    container(clone).mkdir()
    yield clone
    stack_file(clone).write_text(committed)
    for folder in (clone.root / ".bootstrap", container(clone)):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(tmp_path / "kept", clone.root / ".bootstrap")


def test_a_second_up_and_a_refresh_change_nothing_and_the_outputs_name_what_was_created(
    clone: Workspace,
) -> None:
    assert "38 unchanged" in command(clone, "up").stderr
    command(clone, "pulumi", "refresh", "--yes", "--skip-preview", "--expect-no-changes")

    lines = command(clone, "variables").stdout.splitlines()
    assert len(lines) == 7
    assert all(line.startswith("gh variable set ") for line in lines)
    assert all("--repo example/assistants" in line for line in lines)
    resources = Store(clone.home.store_file).list()
    names = {resource["name"] for resource in resources}
    named = re.findall(
        r"azblob://state\?storage_account=(\w+)|azurekeyvault://([\w-]+)\.vault\.azure\.net", "\n".join(lines)
    )
    assert {"".join(name) for name in named} | {"state", "packages"} <= names
    assert len(named) == 2
    clients = {str(resource.get("properties", {}).get("clientId")) for resource in resources} - {"None"}
    assert sum(any(client in line for client in clients) for line in lines) == 2

    text = local_state(clone).read_text()
    assert "ciphertext" not in text
    assert not re.search(r"AccountKey=|SharedAccessSignature|sig=[A-Za-z0-9%]{20,}|eyJ[\w-]{10,}\.", text)
    for path in (stack_file(clone), clone.root / "bootstrap" / "Pulumi.yaml"):
        assert path.read_text() == (PROJECT / "bootstrap" / path.name).read_text()


def test_the_container_takes_a_state_from_a_user_who_signs_in_and_has_no_key(clone: Workspace) -> None:
    """Pulumi's own azblob backend on the account that was created. A preview there is not for local Azure."""
    run = run_state.find(clone.home)
    assert run is not None
    outputs = json.loads(command(clone, "pulumi", "stack", "output", "--json").stdout)
    address = outputs["packagesUrl"].split("/")[2]
    environment = {
        **pulumi_environment(clone.home, run, clone.environment),
        # Azure has the account's name in front of a domain; local Azure has it in the path.
        "PULUMI_BACKEND_URL": f"{outputs['backendUrl']}&domain={address}",
        "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
    }
    target = Pulumi(folder=clone.root / "bootstrap", environment=environment)
    exported = command(clone, "pulumi", "stack", "export").stdout
    (clone.root / "exported.json").write_text(exported)

    assert target.stacks() == []
    target.run("stack", "init", STACK, "--no-select")
    target.run("stack", "import", "--stack", STACK, "--file", str(clone.root / "exported.json"))

    assert state.entries(target.export(STACK)) == state.entries(json.loads(exported))


def test_the_state_moves_once_and_is_used_there_also_if_the_move_was_killed(
    unmoved: Workspace, tmp_path: Path
) -> None:
    before = json.loads(local_state(unmoved).read_text())["checkpoint"]["latest"]["resources"]
    committed = stack_file(unmoved).read_text()
    move(unmoved, "--dry-run")
    assert local_state(unmoved).is_file()
    assert list(container(unmoved).iterdir()) == []
    move(unmoved)
    # As if it was killed when the copy was there, and the stack file did not name the container yet.
    shutil.copytree(tmp_path / "kept", unmoved.root / ".bootstrap")
    stack_file(unmoved).write_text(committed)

    move(unmoved)

    moved = container(unmoved) / ".pulumi" / "stacks" / "bootstrap" / f"{STACK}.json"
    assert json.loads(moved.read_text())["checkpoint"]["latest"]["resources"] == before
    assert not (unmoved.root / ".bootstrap").exists()
    assert "38 unchanged" in command(unmoved, "up").stderr
    assert "gh variable set" in command(unmoved, "variables").stdout
    # As if it was killed when the file named the container, and the copy on this machine was still there.
    shutil.copytree(tmp_path / "kept", unmoved.root / ".bootstrap")
    move(unmoved)
    assert not (unmoved.root / ".bootstrap").exists()


def test_a_move_never_replaces_another_state_unasked_and_never_removes_an_unproven_one(
    unmoved: Workspace,
) -> None:
    shutil.copytree(unmoved.root / ".bootstrap" / ".pulumi", container(unmoved) / ".pulumi")
    path = stack_file(unmoved)
    path.write_text(path.read_text().replace("environment: local", "environment: changed"))
    command(unmoved, "up")

    refused = move(unmoved, check=False)

    assert refused.returncode == 1
    assert "--overwrite" in refused.stderr
    path.write_text(path.read_text().replace("environment: changed", "environment: again"))
    unproven = move(unmoved, "--overwrite", check=False)
    assert unproven.returncode == 1
    assert local_state(unmoved).is_file()
    path.write_text(path.read_text().replace("environment: again", "environment: local"))
    command(unmoved, "up")
    move(unmoved, "--overwrite")
    assert not (unmoved.root / ".bootstrap").exists()
