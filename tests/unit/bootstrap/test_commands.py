"""Where the state is, when it may move, and what waits for new roles; the whole runs in tests/stack."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from bootstrap.__main__ import main
from bootstrap.backend import StateLocation
from bootstrap.commands import is_encrypted_by, retry_until
from ops.engine import PulumiError
from ops.output import OpsError

VAULT = "azurekeyvault://kv.vault.azure.net/keys/pulumi-state"


@pytest.fixture
def location(tmp_path: Path) -> StateLocation:
    (tmp_path / "bootstrap").mkdir()
    environment = {"PATH": "", "PULUMI_BACKEND_URL": "azblob://of-the-main-project"}
    return StateLocation("shared", root=tmp_path, environment=environment)


def checkpoint(location: StateLocation) -> Path:
    path = location.folder / ".pulumi" / "stacks" / "bootstrap" / "shared.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    return path


def test_from_nothing_the_state_is_on_this_machine_whatever_the_shell_says(location: StateLocation) -> None:
    environment = location.pulumi().environment
    assert environment["PULUMI_BACKEND_URL"] == f"file://{location.root}/.bootstrap"
    assert environment["PULUMI_CONFIG_PASSPHRASE"] == ""
    assert location.folder.stat().st_mode & 0o077 == 0


def test_any_folder_can_hold_the_checkout(tmp_path: Path) -> None:
    location = StateLocation("shared", root=tmp_path / "a%20b #1?")
    assert unquote(urlsplit(location.local_url).path) == str(location.folder)


def test_the_callers_passphrase_stays(location: StateLocation) -> None:
    for given in ({"PULUMI_CONFIG_PASSPHRASE": "secret"}, {"PULUMI_CONFIG_PASSPHRASE_FILE": "/file"}):
        environment = StateLocation("shared", root=location.root, environment=given).pulumi().environment
        assert {name: environment[name] for name in environment if "PASSPHRASE" in name} == given


def test_once_moved_every_clone_finds_it_there_also_where_a_copy_was_left(location: StateLocation) -> None:
    location.stack_file.write_text("config:\n  state:backendUrl: azblob://state?storage_account=st\n")
    checkpoint(location)
    assert location.pulumi().environment["PULUMI_BACKEND_URL"] == "azblob://state?storage_account=st"


def test_a_sealed_state_that_is_nowhere_to_be_found_is_not_begun_anew(location: StateLocation) -> None:
    location.stack_file.write_text(f"secretsprovider: {VAULT}\nencryptedkey: abc\n")
    with pytest.raises(OpsError, match="not on this machine"):
        location.pulumi()
    checkpoint(location)  # killed between sealing and copying: it is here
    assert location.pulumi().environment["PULUMI_BACKEND_URL"] == location.local_url


def test_the_last_stack_takes_the_folder_along_and_no_other_does(location: StateLocation) -> None:
    path = checkpoint(location)
    other = path.with_name("other.json")
    other.write_text("{}")
    path.unlink()
    location.forget_local()
    assert other.is_file()
    other.unlink()
    location.forget_local()
    assert not location.folder.exists()


@pytest.mark.parametrize(
    ("found", "sealed"),
    [
        ({"type": "cloud", "state": {"url": VAULT, "encryptedkey": "abc"}}, True),
        ({"type": "cloud", "state": {"url": f"{VAULT}2"}}, False),
        ({"type": "passphrase", "state": {"salt": "v1:"}}, False),
        (None, False),
    ],
)
def test_a_state_says_what_seals_it(found: Any, sealed: bool) -> None:
    assert is_encrypted_by(VAULT, {"deployment": {"secrets_providers": found}}) is sealed


class Refusing:
    """Fails with each of the outputs in turn, then answers."""

    def __init__(self, *outputs: str) -> None:
        self.outputs = list(outputs)

    def __call__(self) -> str:
        if self.outputs:
            raise PulumiError(("stack", "ls"), 255, self.outputs.pop(0))
        return "done"


def test_a_right_that_is_on_its_way_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    refusing = Refusing(
        "RESPONSE 403: 403 Forbidden\nERROR CODE: ForbiddenByRbac", "AuthorizationPermissionMismatch"
    )
    assert retry_until(refusing, timeout=60, pause=0) == "done"
    assert capsys.readouterr().err.count("not allowed yet") == 2


def test_another_failure_is_told_at_once_and_patience_has_an_end() -> None:
    with pytest.raises(PulumiError, match="no such host"):
        retry_until(Refusing("no such host"), timeout=60, pause=0)
    with pytest.raises(PulumiError, match="403"):
        retry_until(Refusing("403", "403"), timeout=0, pause=1)


@pytest.mark.parametrize("words", [("up",), ("move",), ("variables",), ("pulumi", "stack", "ls")])
def test_without_pulumi_or_state_a_command_says_what_is_missing(
    words: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path))  # in ~/.pulumi there may be one
    (tmp_path / "bootstrap").mkdir()
    monkeypatch.setattr("bootstrap.__main__.StateLocation", lambda stack: StateLocation(stack, root=tmp_path))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    assert main([*words]) == 1
    assert re.search(r"install it|make bootstrap", capsys.readouterr().err)
