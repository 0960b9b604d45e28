"""Which process ids count as running."""

import os
import subprocess
from collections.abc import Callable

import pytest

from local_azure import process_ids
from ops.locks import locks


@pytest.fixture(params=[process_ids.runs, locks.process_runs], ids=["local_azure", "ops"])
def runs(request: pytest.FixtureRequest) -> Callable[[int], bool]:
    return request.param


def test_this_process_and_the_first_one_run(runs: Callable[[int], bool]) -> None:
    assert runs(os.getpid())
    assert runs(1)


def test_a_process_that_was_waited_for_does_not_run(runs: Callable[[int], bool]) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    assert not runs(ended.pid)


def test_a_zombie_does_not_run(runs: Callable[[int], bool]) -> None:
    """As a killed command stays in a container whose first process waits for nobody's orphans."""
    zombie = subprocess.Popen(["true"])
    try:
        os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
        assert not runs(zombie.pid)
    finally:
        zombie.wait()
