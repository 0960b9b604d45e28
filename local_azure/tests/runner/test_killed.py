"""A run that is killed at any point, and what the next one makes of it: nothing twice, nothing left."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pulumi.runtime.proto import resource_pb2

from local_azure import whole_file
from local_azure.cli.output import CommandError
from local_azure.runner.record import Record
from local_azure.tests.runner.fakes import GROUP, FakeProvider, account, change, dynamic, group, urn

Requests = list[resource_pb2.RegisterResourceRequest]


class KilledError(BaseException):
    """Nothing catches it, as nothing catches SIGKILL."""


class Killer:
    """Ends the run at the point of this number; points lie before and after each change and each note."""

    def __init__(self) -> None:
        self.left = -1
        self.error: BaseException = KilledError()

    def __call__(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise self.error


@pytest.fixture
def killer(monkeypatch: pytest.MonkeyPatch) -> Killer:
    killer, write = Killer(), whole_file.write

    def killed_write(file: Path, content: bytes, mode: int) -> None:
        killer()
        write(file, content, mode)
        killer()

    monkeypatch.setattr(whole_file, "write", killed_write)
    return killer


def first() -> Requests:
    return [
        group(),
        account("a", urn(GROUP, "rg")),
        account("old", urn(GROUP, "rg")),
        dynamic("code", hash="1"),
    ]


def second() -> Requests:
    """Changes `a` and `code`, adds `b`, removes `old`."""
    changed = account("a", urn(GROUP, "rg"), tags={"x": "1"})
    return [group(), changed, account("b", urn(GROUP, "rg")), dynamic("code", hash="2")]


def at_each_point(killer: Killer, run: Callable[[int], None], go_on: Callable[[int], None]) -> int:
    """Kills `run` at its first point, second, ..., each time followed by `go_on`; how many there were."""
    number = 0
    while True:
        number += 1
        killer.left = number
        try:
            run(number)
        except (KilledError, CommandError):
            killer.left = -1
            go_on(number)
        else:
            killer.left = -1
            return number - 1


def test_an_up_that_was_killed_at_any_point_is_completed_by_the_next(tmp_path: Path, killer: Killer) -> None:
    worlds: dict[int, FakeProvider] = {}

    def run(number: int) -> None:
        worlds[number] = FakeProvider(killer)
        change(tmp_path / f"{number}.json", worlds[number], *first())

    def go_on(number: int) -> None:
        change(tmp_path / f"{number}.json", worlds[number], *first())
        assert len(worlds[number].resources) == 4
        assert not any(entry.pending for entry in Record(tmp_path / f"{number}.json").entries.values())

    assert at_each_point(killer, run, go_on) >= 4 * 6


def test_an_up_that_met_a_full_disk_at_any_note_names_it_and_is_completed_by_the_next(
    tmp_path: Path, killer: Killer
) -> None:
    worlds: dict[int, FakeProvider] = {}
    killer.error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "record")

    def run(number: int) -> None:
        worlds[number] = FakeProvider()
        try:
            change(tmp_path / f"{number}.json", worlds[number], *first())
        except CommandError as error:
            assert "No space left on device: 'record'" in str(error)  # noqa: PT017 # at most points
            raise

    def go_on(number: int) -> None:
        change(tmp_path / f"{number}.json", worlds[number], *first())
        assert len(worlds[number].resources) == 4

    assert at_each_point(killer, run, go_on) >= 4 * 4


def test_an_up_that_was_killed_at_any_point_can_be_taken_down(tmp_path: Path, killer: Killer) -> None:
    worlds: dict[int, FakeProvider] = {}

    def run(number: int) -> None:
        worlds[number] = FakeProvider(killer)
        change(tmp_path / f"{number}.json", worlds[number], *first())

    def go_on(number: int) -> None:
        change(tmp_path / f"{number}.json", worlds[number])
        # A dynamic resource has no id before its creation ends, so it cannot be deleted: as with the CLI.
        assert [name for name in worlds[number].resources if name != "code"] == []
        assert not Record(tmp_path / f"{number}.json").entries

    assert at_each_point(killer, run, go_on) >= 4 * 6


def test_a_change_that_was_killed_at_any_point_is_completed_by_the_next(
    tmp_path: Path, killer: Killer
) -> None:
    worlds: dict[int, FakeProvider] = {}
    expected = FakeProvider()
    change(tmp_path / "expected.json", expected, *first())
    change(tmp_path / "expected.json", expected, *second())

    def run(number: int) -> None:
        killer.left, point = -1, killer.left
        worlds[number] = FakeProvider(killer)
        change(tmp_path / f"{number}.json", worlds[number], *first())
        killer.left = point
        change(tmp_path / f"{number}.json", worlds[number], *second())

    def go_on(number: int) -> None:
        change(tmp_path / f"{number}.json", worlds[number], *second())
        assert worlds[number].resources == expected.resources

    assert at_each_point(killer, run, go_on) >= 4 * 6


def test_a_down_that_was_killed_at_any_point_is_completed_by_the_next(tmp_path: Path, killer: Killer) -> None:
    worlds: dict[int, FakeProvider] = {}

    def run(number: int) -> None:
        killer.left, point = -1, killer.left
        worlds[number] = FakeProvider(killer)
        change(tmp_path / f"{number}.json", worlds[number], *first())
        killer.left = point
        change(tmp_path / f"{number}.json", worlds[number])

    def go_on(number: int) -> None:
        change(tmp_path / f"{number}.json", worlds[number])
        assert not worlds[number].resources
        assert not Record(tmp_path / f"{number}.json").entries

    assert at_each_point(killer, run, go_on) >= 4 * 4
