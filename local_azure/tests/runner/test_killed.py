"""A run that ends at any point, and the next one, which completes it: nothing twice, nothing left."""

import errno
import os
from pathlib import Path

import pytest
from pulumi.runtime.proto import resource_pb2

from local_azure import whole_file
from local_azure.cli.output import CommandError
from local_azure.runner.record import Record
from local_azure.tests.runner.fakes import GROUP, FakeProvider, account, change, dynamic, group, urn

Requests = list[resource_pb2.RegisterResourceRequest]

IN_GROUP = urn(GROUP, "rg")
FIRST: Requests = [group(), account("a", IN_GROUP), account("old", IN_GROUP), dynamic("code", hash="1")]
CHANGED: Requests = [
    group(),
    account("a", IN_GROUP, tags={"x": "1"}),
    account("b", IN_GROUP),
    dynamic("code", hash="2"),
]


class KilledError(BaseException):
    """Like SIGKILL, it is handled nowhere."""


class Killer:
    """Raises `error` at a point of the run: before and after each change and each write of the record."""

    def __init__(self, error: BaseException) -> None:
        self.error, self.remaining = error, -1

    def __call__(self) -> None:
        self.remaining -= 1
        if self.remaining == 0:
            raise self.error


@pytest.fixture(
    params=[KilledError("killed"), OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "record")],
    ids=["killed", "full disk"],
)
def killer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Killer:
    killer, write = Killer(request.param), whole_file.write

    def killed_write(file: Path, content: bytes) -> None:
        killer()
        write(file, content)
        killer()

    monkeypatch.setattr(whole_file, "write", killed_write)
    return killer


@pytest.mark.parametrize(
    ("before", "ended", "following"),
    [([], FIRST, FIRST), ([], FIRST, []), (FIRST, CHANGED, CHANGED), (FIRST, [], [])],
    ids=["up", "up, then down", "change", "down"],
)
def test_a_run_that_ended_at_any_point_is_completed_by_the_next(
    tmp_path: Path, killer: Killer, before: Requests, ended: Requests, following: Requests
) -> None:
    expected = FakeProvider()
    change(tmp_path / "expected.json", expected, *before)
    complete, _ = change(tmp_path / "expected.json", expected, *following)

    for point in range(1, 100):
        file, provider = tmp_path / f"{point}.json", FakeProvider(killer)
        change(file, provider, *before)
        killer.remaining = point
        try:
            change(file, provider, *ended)
        except (KilledError, CommandError) as error:
            message = str(error)
        else:
            assert point > 4 * 4
            return
        killer.remaining = -1
        assert message == "killed" or "No space left on device: 'record'" in message
        change(file, provider, *following)
        if not following:  # as with the CLI, a dynamic resource has no id until its creation ends
            provider.resources.pop("code", None)
        assert provider.resources == expected.resources
        assert Record(file).entries == complete.entries
    pytest.fail("the run did not end after 100 points")
