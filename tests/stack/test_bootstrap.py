"""The bootstrap project on local Azure, from a clone of its own."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bootstrap.commands import resources_of
from local_azure import run_state
from local_azure.cli.environment import pulumi_environment
from local_azure.core.store import Resource, Store
from ops.engine import Pulumi
from tests.workspace import STACK, Workspace, workspace

pytestmark = pytest.mark.cli
DELETED_VAULT = "Microsoft.KeyVault/locations/deletedVaults"


class Bootstrap:
    """What a test does to the bootstrap of a workspace, from the checkout's folder."""

    def __init__(self, clone: Workspace) -> None:
        self.clone = clone

    def pulumi(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.clone.run("pulumi", "-C", "bootstrap", *words, "--stack", STACK, check=check)

    def up(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.pulumi("up", "--yes", "--skip-preview", *words, check=check)

    def state(self) -> str:
        return (self.clone.home.backend / ".pulumi" / "stacks" / "bootstrap" / f"{STACK}.json").read_text()

    def arm(self) -> list[Resource]:
        return Store(self.clone.home.store_file).list()

    def set(self, line: str) -> None:
        """Append one line of config, such as `nameSuffix: "2"`."""
        path = self.clone.root / "bootstrap" / f"Pulumi.{STACK}.yaml"
        path.write_text(path.read_text().replace("config:\n", f"config:\n  bootstrap:{line}\n", 1))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bootstrap]:
    with workspace(tmp_path_factory.mktemp("bootstrap")) as clone:
        stack = Bootstrap(clone)
        stack.up()
        yield stack


def test_a_second_up_and_a_refresh_change_nothing(stack: Bootstrap) -> None:
    stack.pulumi("refresh", "--yes", "--expect-no-changes")
    stack.up("--expect-no-changes")


def test_the_outputs_lead_to_what_was_made(stack: Bootstrap) -> None:
    outputs = json.loads(stack.pulumi("stack", "output", "--json").stdout)
    names = {resource["name"] for resource in stack.arm()}
    account = re.fullmatch(r"azblob://state\?storage_account=(\w+)", outputs["backendUrl"])
    vault = re.fullmatch(
        r"azurekeyvault://([\w-]+)\.vault\.azure\.net/keys/pulumi-state", outputs["secretsProvider"]
    )
    assert account is not None
    assert vault is not None
    assert {account[1], vault[1], "state", "packages"} <= names
    clients = {resource.get("properties", {}).get("clientId") for resource in stack.arm()}
    assert {outputs["readerClientId"], outputs["deployerClientId"]} <= clients


def test_nothing_in_the_state_is_a_secret(stack: Bootstrap) -> None:
    state = stack.state()
    assert "ciphertext" not in state
    assert not re.search(r"AccountKey=|SharedAccessSignature|sig=[A-Za-z0-9%]{20,}|eyJ[\w-]{10,}\.", state)


def test_the_stack_files_stay_as_they_are_in_git(stack: Bootstrap) -> None:
    for name in ("Pulumi.yaml", f"Pulumi.{STACK}.yaml"):
        committed = Path(__file__).resolve().parents[2] / "bootstrap" / name
        assert (stack.clone.root / "bootstrap" / name).read_text() == committed.read_text()


def test_a_protected_one_stays_whole_and_a_destroyed_one_leaves_only_the_vaults_name(tmp_path: Path) -> None:
    with workspace(tmp_path / "destroyed") as clone:
        stack = Bootstrap(clone)
        path = clone.root / "bootstrap" / f"Pulumi.{STACK}.yaml"
        path.write_text(path.read_text().replace("deletionProtection: false", "deletionProtection: true"))
        stack.up()
        before = stack.arm()

        refused = stack.pulumi("destroy", "--yes", check=False)

        assert refused.returncode != 0
        assert "protected" in refused.stdout + refused.stderr
        assert stack.arm() == before

        path.write_text(path.read_text().replace("deletionProtection: true", "deletionProtection: false"))
        stack.up()
        stack.pulumi("destroy", "--yes")

        assert [resource["type"] for resource in stack.arm()] == [DELETED_VAULT]
        assert json.loads(stack.state())["checkpoint"]["latest"].get("resources", []) == []

        # A suffix gets round the name that is taken.
        taken = stack.up(check=False)
        assert taken.returncode != 0
        assert "already exists in deleted state" in taken.stdout + taken.stderr
        stack.pulumi("destroy", "--yes")
        stack.set('nameSuffix: "2"')
        stack.up()
        stack.up("--expect-no-changes")


def test_the_container_takes_a_state_from_somebody_who_signs_in_and_has_no_key(stack: Bootstrap) -> None:
    """Pulumi's own azblob backend on the account that was made. A preview there is not for local Azure."""
    clone = stack.clone
    run = run_state.find(clone.home)
    assert run is not None
    outputs = json.loads(stack.pulumi("stack", "output", "--json").stdout)
    address = outputs["packagesUrl"].split("/")[2]
    environment = {
        **pulumi_environment(clone.home, run, clone.environment),
        # Azure has the account's name in front of a domain; local Azure has it in the path.
        "PULUMI_BACKEND_URL": f"{outputs['backendUrl']}&domain={address}",
        "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
    }
    there = Pulumi(folder=clone.root / "bootstrap", environment=environment)
    exported = stack.pulumi("stack", "export").stdout
    (clone.root / "exported.json").write_text(exported)

    assert there.stacks() == []
    there.run("stack", "init", STACK, "--no-select")
    there.run("stack", "import", "--stack", STACK, "--file", str(clone.root / "exported.json"))

    assert resources_of(there.export(STACK)) == resources_of(json.loads(exported))


# The commands


def command(clone: Workspace, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """`python -m bootstrap WORDS` as on a machine whose `pulumi` and Azure are local Azure's."""
    return clone.run("exec", "--", sys.executable, "-m", "bootstrap", *words, "--stack", STACK, check=check)


def local_state(clone: Workspace) -> Path:
    return clone.root / ".bootstrap" / ".pulumi" / "stacks" / "bootstrap" / f"{STACK}.json"


def container(clone: Workspace) -> Path:
    return clone.root / "container"


def move(clone: Workspace, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    to = ("--to", f"file://{container(clone)}", "--secrets-provider", "passphrase")
    return command(clone, "move", *to, *words, check=check)


@pytest.fixture(scope="module")
def own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A clone in which the bootstrap came up from nothing, on this machine's state."""
    with workspace(tmp_path_factory.mktemp("own-state")) as clone:
        nothing = move(clone, check=False)
        assert (nothing.returncode, "make bootstrap" in nothing.stderr) == (1, True)
        assert "would make the stack" in command(clone, "up", "--dry-run").stdout
        assert Store(clone.home.store_file).list() == []
        command(clone, "up")
        yield clone


@pytest.fixture
def unmoved(own_state: Workspace, tmp_path: Path) -> Iterator[Workspace]:
    """The same, with an empty container beside it; the state and the stack file are put back."""
    shutil.copytree(own_state.root / ".bootstrap", tmp_path / "kept")
    stack_file = own_state.root / "bootstrap" / f"Pulumi.{STACK}.yaml"
    committed = stack_file.read_text()
    container(own_state).mkdir()
    yield own_state
    stack_file.write_text(committed)
    for folder in (own_state.root / ".bootstrap", container(own_state)):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(tmp_path / "kept", own_state.root / ".bootstrap")


def test_a_second_up_on_this_machines_state_changes_nothing_and_the_variables_are_commands_for_github(
    own_state: Workspace,
) -> None:
    again = command(own_state, "up")

    assert "38 unchanged" in again.stderr
    assert local_state(own_state).is_file()
    lines = command(own_state, "variables").stdout.splitlines()
    assert len(lines) == 7
    account = re.search(r"storage_account=(\w+)", lines[0])
    assert account is not None
    assert account[1] in {resource["name"] for resource in Store(own_state.home.store_file).list()}
    assert all(line.startswith("gh variable set ") for line in lines)
    assert all("--repo example/assistants" in line for line in lines)


def test_the_state_moves_when_a_preview_finds_it_whole_and_can_be_used_there(unmoved: Workspace) -> None:
    before = json.loads(local_state(unmoved).read_text())["checkpoint"]["latest"]["resources"]

    move(unmoved, "--dry-run")
    assert local_state(unmoved).is_file()
    assert list(container(unmoved).iterdir()) == []

    move(unmoved)

    moved = container(unmoved) / ".pulumi" / "stacks" / "bootstrap" / f"{STACK}.json"
    assert json.loads(moved.read_text())["checkpoint"]["latest"]["resources"] == before
    assert not (unmoved.root / ".bootstrap").exists()
    assert "38 unchanged" in command(unmoved, "up").stderr
    assert not (unmoved.root / ".bootstrap").exists()
    move(unmoved)
    assert "gh variable set" in command(unmoved, "variables").stdout


def test_a_move_that_was_killed_after_the_copy_goes_on(unmoved: Workspace, tmp_path: Path) -> None:
    stack_file = unmoved.root / "bootstrap" / f"Pulumi.{STACK}.yaml"
    committed = stack_file.read_text()
    move(unmoved)
    # As it was when the copy was there and the stack file did not say so yet.
    shutil.copytree(tmp_path / "kept", unmoved.root / ".bootstrap")
    stack_file.write_text(committed)

    move(unmoved)

    assert not (unmoved.root / ".bootstrap").exists()
    # And as it was when the file said so, and the copy on this machine had not gone yet.
    shutil.copytree(tmp_path / "kept", unmoved.root / ".bootstrap")
    move(unmoved)
    assert not (unmoved.root / ".bootstrap").exists()


def test_a_move_never_replaces_another_state_unasked_and_never_removes_an_unproven_one(
    unmoved: Workspace,
) -> None:
    shutil.copytree(unmoved.root / ".bootstrap" / ".pulumi", container(unmoved) / ".pulumi")
    path = unmoved.root / "bootstrap" / f"Pulumi.{STACK}.yaml"
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
