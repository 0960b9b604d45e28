"""Where the state is, when it may move, and waiting for new roles; the commands run in tests/stack."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from bootstrap.__main__ import main
from bootstrap.backend import StateLocation
from bootstrap.commands import is_encrypted_by, retry_until_permitted
from ops.engine import PulumiError
from ops.output import OpsError

VAULT = "azurekeyvault://kv.vault.azure.net/keys/pulumi-state"
CONTAINER = "azblob://state?storage_account=st"


@pytest.fixture
def location(tmp_path: Path) -> StateLocation:
    (tmp_path / "bootstrap").mkdir()
    environment = {"PATH": "", "PULUMI_BACKEND_URL": "azblob://of-the-main-project"}
    return StateLocation("shared", root=tmp_path, environment=environment)


def write_state(location: StateLocation, stack: str = "shared") -> Path:
    path = location.folder / ".pulumi" / "stacks" / "bootstrap" / f"{stack}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")
    return path


def backend(location: StateLocation) -> str:
    return location.pulumi().environment["PULUMI_BACKEND_URL"]


def test_the_first_state_is_on_this_machine_whatever_the_shells_backend_is(location: StateLocation) -> None:
    assert backend(location) == f"file://{location.root}/.bootstrap"
    assert location.folder.stat().st_mode & 0o077 == 0


def test_any_folder_can_hold_the_checkout(tmp_path: Path) -> None:
    location = StateLocation("shared", root=tmp_path / "a%20b #1?")
    assert unquote(urlsplit(location.local_url).path) == str(location.folder)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"PULUMI_CONFIG_PASSPHRASE": ""}),
        ({"PULUMI_CONFIG_PASSPHRASE": "secret"}, {"PULUMI_CONFIG_PASSPHRASE": "secret"}),
        ({"PULUMI_CONFIG_PASSPHRASE_FILE": "/file"}, {"PULUMI_CONFIG_PASSPHRASE_FILE": "/file"}),
    ],
)
def test_the_passphrase_is_the_callers_or_empty(
    location: StateLocation, given: dict[str, str], expected: dict[str, str]
) -> None:
    own = StateLocation("shared", root=location.root, environment=given)
    environment = own.pulumi().environment
    assert {name: value for name, value in environment.items() if "PASSPHRASE" in name} == expected
    assert "PASSPHRASE" not in repr(own)


def test_a_moved_state_is_in_the_container_even_if_a_copy_is_left(location: StateLocation) -> None:
    location.stack_file.write_text(f"config:\n  state:backendUrl: {CONTAINER}\n")
    write_state(location)
    assert backend(location) == CONTAINER


def test_an_encrypted_state_that_is_not_here_is_not_replaced_by_a_new_one(location: StateLocation) -> None:
    location.stack_file.write_text(f"secretsprovider: {VAULT}\nencryptedkey: abc\n")
    with pytest.raises(OpsError, match="not on this machine"):
        location.pulumi()
    write_state(location)  # killed between encrypting and copying: it is here
    assert backend(location) == location.local_url


def test_the_folder_is_removed_with_the_state_of_the_last_stack(location: StateLocation) -> None:
    other = write_state(location, "other")
    location.forget_local()
    assert other.is_file()
    other.unlink()
    location.forget_local()
    assert not location.folder.exists()


@pytest.mark.parametrize(
    ("providers", "is_encrypted"),
    [
        ({"type": "cloud", "state": {"url": VAULT, "encryptedkey": "abc"}}, True),
        ({"type": "cloud", "state": {"url": f"{VAULT}2"}}, False),
        ({"type": "passphrase", "state": {"salt": "v1:"}}, False),
        (None, False),
    ],
)
def test_a_state_names_its_secrets_provider(providers: Any, is_encrypted: bool) -> None:
    assert is_encrypted_by(VAULT, {"deployment": {"secrets_providers": providers}}) is is_encrypted


class Refusing:
    """Fails with each of the outputs in turn, then answers."""

    def __init__(self, *outputs: str) -> None:
        self.outputs = list(outputs)

    def __call__(self) -> str:
        if self.outputs:
            raise PulumiError(("stack", "ls"), 255, self.outputs.pop(0))
        return "done"


def test_a_role_that_has_no_effect_yet_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    refusing = Refusing("RESPONSE 403: 403 Forbidden", "AuthorizationPermissionMismatch", "ForbiddenByRbac")
    assert retry_until_permitted(refusing, timeout=60, pause=0) == "done"
    assert capsys.readouterr().err.count("not allowed yet") == 3


@pytest.mark.parametrize(("outputs", "timeout"), [(["no such host"], 60), (["403", "404"], 0)])
def test_another_failure_and_the_end_of_the_time_are_errors(outputs: list[str], timeout: float) -> None:
    with pytest.raises(PulumiError, match=outputs[0]):
        retry_until_permitted(Refusing(*outputs), timeout=timeout, pause=1)


@pytest.mark.parametrize("words", [["up"], ["move"], ["variables"], ["pulumi", "stack", "ls"]])
def test_without_pulumi_or_state_a_command_names_what_is_missing(
    words: list[str],
    location: StateLocation,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("PULUMI_HOME", str(location.root))  # ~/.pulumi may contain a CLI
    monkeypatch.setattr(
        "bootstrap.__main__.StateLocation",
        lambda stack: StateLocation(stack, root=location.root),  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    )
    assert main(words) == 1
    assert re.search(r"install it|make bootstrap", capsys.readouterr().err)
