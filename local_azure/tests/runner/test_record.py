"""The minimal runner's record of a stack, and whose a stack is."""

from pathlib import Path

import pytest

from local_azure.cli.pulumi_state import cli_resources, state_file
from local_azure.home import Home
from local_azure.runner.record import Entry, Record, record_file, runner_resources


def test_a_record_is_read_as_it_was_written_and_only_by_its_owner(tmp_path: Path) -> None:
    entry = Entry("id", {"a": [1]}, {"b": None}, ["urn:x"], protect=True, pending=True)
    Record(tmp_path / "r.json").note("urn:y", entry)

    assert Record(tmp_path / "r.json").entries == {"urn:y": entry}
    assert (tmp_path / "r.json").stat().st_mode & 0o777 == 0o600


def test_a_stack_is_the_runners_while_it_has_a_resource(tmp_path: Path) -> None:
    file = record_file(Home(tmp_path), "shop", "local")
    file.parent.mkdir()
    for entry, expected in ((None, False), (Entry(), False), (Entry("id"), True), (None, False)):
        Record(file).note("urn", entry)
        assert bool(runner_resources(Home(tmp_path), "shop", "local")) is expected
        assert not runner_resources(Home(tmp_path), "shop", "test")


@pytest.mark.parametrize(
    ("latest", "expected"),
    [
        ("null", False),
        ("{}", False),
        ('{"resources": null}', False),
        ('{"resources": [{"type": "pulumi:pulumi:Stack"}]}', False),
        (
            '{"resources": [{"type": "azure-native:resources:ResourceGroup", "custom": true, "urn": "u"}]}',
            True,
        ),
        ("{", True),  # cut off when the CLI was killed
    ],
)
def test_a_stack_is_the_clis_while_its_state_has_a_resource(
    tmp_path: Path, latest: str, expected: bool
) -> None:
    home = Home(tmp_path)
    assert not cli_resources(home, "shop", "local")
    file = state_file(home.backend, "shop", "local")
    file.parent.mkdir(parents=True)
    file.write_text(f'{{"version": 3, "checkpoint": {{"stack": "s", "latest": {latest}}}}}')

    assert bool(cli_resources(home, "shop", "local")) is expected
