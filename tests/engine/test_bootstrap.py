"""The bootstrap project on local Azure, from a clone of its own."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bootstrap.commands import resources_of
from local_azure import run_state
from local_azure.arm.store import Resource, Store
from local_azure.cli.environment import pulumi_environment
from ops.engine import Pulumi
from tests.workspace import STACK, Workspace, workspace

pytestmark = pytest.mark.cli
DELETED_VAULT = "Microsoft.KeyVault/locations/deletedVaults"


class Bootstrap:
    """What a test does to the bootstrap of a workspace, from the checkout's folder."""

    def __init__(self, made: Workspace) -> None:
        self.made = made

    def pulumi(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.made.run("pulumi", "-C", "bootstrap", *words, "--stack", STACK, check=check)

    def up(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.pulumi("up", "--yes", "--skip-preview", *words, check=check)

    def state(self) -> str:
        return (self.made.home.backend / ".pulumi" / "stacks" / "bootstrap" / f"{STACK}.json").read_text()

    def arm(self) -> list[Resource]:
        return Store(self.made.home.store_file).list()

    def set(self, line: str) -> None:
        """Append one line of config, such as `nameSuffix: "2"`."""
        path = self.made.root / "bootstrap" / f"Pulumi.{STACK}.yaml"
        path.write_text(path.read_text().replace("config:\n", f"config:\n  bootstrap:{line}\n", 1))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bootstrap]:
    with workspace(tmp_path_factory.mktemp("bootstrap")) as made:
        found = Bootstrap(made)
        found.up()
        yield found


def test_a_second_up_and_a_refresh_change_nothing(stack: Bootstrap) -> None:
    stack.up("--expect-no-changes")
    stack.pulumi("refresh", "--yes", "--expect-no-changes")
    stack.up("--expect-no-changes")


def test_the_outputs_lead_to_what_was_made(stack: Bootstrap) -> None:
    outputs = json.loads(stack.pulumi("stack", "output", "--json").stdout)
    names = {one["name"] for one in stack.arm()}
    account = re.fullmatch(r"azblob://state\?storage_account=(\w+)", outputs["backendUrl"])
    vault = re.fullmatch(
        r"azurekeyvault://([\w-]+)\.vault\.azure\.net/keys/pulumi-state", outputs["secretsProvider"]
    )
    assert account is not None
    assert vault is not None
    assert {account[1], vault[1], "state", "packages"} <= names
    clients = {one.get("properties", {}).get("clientId") for one in stack.arm()}
    assert {outputs["readerClientId"], outputs["deployerClientId"]} <= clients


def test_nothing_in_the_state_is_a_secret(stack: Bootstrap) -> None:
    state = stack.state()
    assert "ciphertext" not in state
    assert not re.search(r"AccountKey=|SharedAccessSignature|sig=[A-Za-z0-9%]{20,}|eyJ[\w-]{10,}\.", state)


def test_the_stack_files_stay_as_they_are_in_git(stack: Bootstrap) -> None:
    for name in ("Pulumi.yaml", f"Pulumi.{STACK}.yaml"):
        committed = Path(__file__).resolve().parents[2] / "bootstrap" / name
        assert (stack.made.root / "bootstrap" / name).read_text() == committed.read_text()


def test_after_a_destroy_only_the_vaults_name_is_left_and_a_suffix_gets_round_it(tmp_path: Path) -> None:
    with workspace(tmp_path / "destroyed") as made:
        stack = Bootstrap(made)
        stack.up()

        stack.pulumi("destroy", "--yes")

        assert [one["type"] for one in stack.arm()] == [DELETED_VAULT]
        assert json.loads(stack.state())["checkpoint"]["latest"].get("resources", []) == []
        refused = stack.up(check=False)
        assert refused.returncode != 0
        assert "already exists in deleted state" in refused.stdout + refused.stderr
        stack.pulumi("destroy", "--yes")
        stack.set('nameSuffix: "2"')
        stack.up()
        stack.up("--expect-no-changes")


def test_what_is_protected_stays_whole_when_somebody_destroys_it(tmp_path: Path) -> None:
    with workspace(tmp_path / "protected") as made:
        stack = Bootstrap(made)
        path = made.root / "bootstrap" / f"Pulumi.{STACK}.yaml"
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
        assert [one["type"] for one in stack.arm()] == [DELETED_VAULT]


# The commands


def command(made: Workspace, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """`python -m bootstrap WORDS` as on a machine whose `pulumi` and Azure are local Azure's."""
    return made.run("exec", "--", sys.executable, "-m", "bootstrap", *words, "--stack", STACK, check=check)


def local_state(made: Workspace) -> Path:
    return made.root / ".bootstrap" / ".pulumi" / "stacks" / "bootstrap" / f"{STACK}.json"


def test_it_comes_up_from_nothing_on_this_machines_state_and_tells_github(tmp_path: Path) -> None:
    with workspace(tmp_path / "zero") as made:
        assert "would make the stack" in command(made, "up", "--dry-run").stdout
        assert Store(made.home.store_file).list() == []

        command(made, "up")
        again = command(made, "up")

        assert "38 unchanged" in again.stderr
        assert local_state(made).is_file()
        told = command(made, "variables").stdout.splitlines()
        assert len(told) == 7
        account = re.search(r"storage_account=(\w+)", told[0])
        assert account is not None
        assert account[1] in {one["name"] for one in Store(made.home.store_file).list()}
        assert all(line.startswith("gh variable set ") for line in told)
        assert all("--repo example/assistants" in line for line in told)


def test_the_state_moves_when_a_preview_finds_it_whole_and_can_be_used_there(tmp_path: Path) -> None:
    with workspace(tmp_path / "move") as made:
        target = made.root / "container"
        target.mkdir()
        to = ("--to", f"file://{target}", "--secrets-provider", "passphrase")
        nothing = command(made, "move", *to, check=False)
        assert (nothing.returncode, "make bootstrap" in nothing.stderr) == (1, True)
        command(made, "up")
        before = json.loads(local_state(made).read_text())["checkpoint"]["latest"]["resources"]

        command(made, "move", *to, "--dry-run")
        assert local_state(made).is_file()
        assert list(target.iterdir()) == []

        command(made, "move", *to)

        moved = target / ".pulumi" / "stacks" / "bootstrap" / f"{STACK}.json"
        assert json.loads(moved.read_text())["checkpoint"]["latest"]["resources"] == before
        assert not (made.root / ".bootstrap").exists()
        assert "38 unchanged" in command(made, "up").stderr
        assert not (made.root / ".bootstrap").exists()
        command(made, "move", *to)
        assert "gh variable set" in command(made, "variables").stdout


def test_a_move_that_was_killed_after_the_copy_goes_on(tmp_path: Path) -> None:
    with workspace(tmp_path / "killed") as made:
        target = made.root / "container"
        target.mkdir()
        to = ("--to", f"file://{target}", "--secrets-provider", "passphrase")
        command(made, "up")
        kept = tmp_path / "kept"
        shutil.copytree(made.root / ".bootstrap", kept)
        stack_file = made.root / "bootstrap" / f"Pulumi.{STACK}.yaml"
        unmoved = stack_file.read_text()
        command(made, "move", *to)
        # As it was when the copy was there and the stack file did not say so yet.
        shutil.copytree(kept, made.root / ".bootstrap")
        stack_file.write_text(unmoved)

        command(made, "move", *to)

        assert not (made.root / ".bootstrap").exists()
        # And as it was when the file said so, and the copy on this machine had not gone yet.
        shutil.copytree(kept, made.root / ".bootstrap")
        command(made, "move", *to)
        assert not (made.root / ".bootstrap").exists()


def test_a_move_never_replaces_another_state_unasked_and_never_removes_an_unproven_one(
    tmp_path: Path,
) -> None:
    with workspace(tmp_path / "other") as made:
        target = made.root / "container"
        target.mkdir()
        to = ("--to", f"file://{target}", "--secrets-provider", "passphrase")
        command(made, "up")
        shutil.copytree(made.root / ".bootstrap" / ".pulumi", target / ".pulumi")
        path = made.root / "bootstrap" / f"Pulumi.{STACK}.yaml"
        path.write_text(path.read_text().replace("environment: local", "environment: changed"))
        command(made, "up")

        refused = command(made, "move", *to, check=False)

        assert refused.returncode == 1
        assert "--overwrite" in refused.stderr
        path.write_text(path.read_text().replace("environment: changed", "environment: again"))
        unproven = command(made, "move", *to, "--overwrite", check=False)
        assert unproven.returncode == 1
        assert local_state(made).is_file()
        command(made, "up")
        command(made, "move", *to, "--overwrite")
        assert not (made.root / ".bootstrap").exists()


def test_the_container_takes_a_state_from_somebody_who_signs_in_and_has_no_key(tmp_path: Path) -> None:
    """Pulumi's own azblob backend on the account that was made. A preview there is not for local Azure."""
    with workspace(tmp_path / "container") as made:
        stack = Bootstrap(made)
        stack.up()
        run = run_state.find(made.home)
        assert run is not None
        outputs = json.loads(stack.pulumi("stack", "output", "--json").stdout)
        address = outputs["packagesUrl"].split("/")[2]
        environment = {
            **pulumi_environment(made.home, run, os.environ),
            # Azure has the account's name in front of a domain; local Azure has it in the path.
            "PULUMI_BACKEND_URL": f"{outputs['backendUrl']}&domain={address}",
            "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
        }
        there = Pulumi(folder=made.root / "bootstrap", environment=environment)
        exported = stack.pulumi("stack", "export").stdout
        (made.root / "exported.json").write_text(exported)

        assert there.stacks() == []
        there.run("stack", "init", STACK, "--no-select")
        there.run("stack", "import", "--stack", STACK, "--file", str(made.root / "exported.json"))

        assert resources_of(there.export(STACK)) == resources_of(json.loads(exported))
