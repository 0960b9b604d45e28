"""What the minimal runner keeps of a stack, and whose a stack is."""

import json
from pathlib import Path
from typing import Any

import pytest

from local_azure.home import Home
from local_azure.runner.record import Entry, Record, cli_resources, record_file, runner_resources


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_a_record_is_read_as_it_was_noted_by_its_owner_only(tmp_path: Path) -> None:
    entry = Entry("id", {"a": [1]}, {"b": None}, ["urn:x"], protect=True, pending=True)
    Record(tmp_path / "r.json").note("urn:y", entry)

    assert Record(tmp_path / "r.json").entries == {"urn:y": entry}
    assert (tmp_path / "r.json").stat().st_mode & 0o777 == 0o600


def test_a_stack_is_the_runners_while_something_in_it_exists(home: Home) -> None:
    assert not runner_resources(home, "shop", "local")
    file = record_file(home, "shop", "local")
    file.parent.mkdir()
    record = Record(file)
    record.note("component", Entry())
    assert not runner_resources(home, "shop", "local")

    record.note("resource", Entry("id"))
    assert runner_resources(home, "shop", "local")
    assert not runner_resources(home, "shop", "test")

    record.note("resource", None)
    assert not runner_resources(home, "shop", "local")


@pytest.mark.parametrize(
    ("latest", "expected"),
    [
        (None, False),
        ({}, False),
        ({"resources": None}, False),
        ({"resources": [{"type": "pulumi:pulumi:Stack"}]}, False),
        ({"resources": [{"type": "azure-native:resources:ResourceGroup", "custom": True}]}, True),
    ],
)
def test_a_stack_is_the_clis_while_its_state_has_resources(home: Home, latest: Any, expected: bool) -> None:
    assert not cli_resources(home, "shop", "local")
    file = home.backend / ".pulumi" / "stacks" / "shop" / "local.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"version": 3, "checkpoint": {"stack": "s", "latest": latest}}))

    assert cli_resources(home, "shop", "local") is expected


def test_a_state_that_a_killed_cli_cut_off_is_the_clis(home: Home) -> None:
    file = home.backend / ".pulumi" / "stacks" / "shop" / "local.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"version": 3, "check')

    assert cli_resources(home, "shop", "local")
