"""When local Azure counts as ready."""

import os
from pathlib import Path

import pytest

from local_azure import run_state
from local_azure.home import Home
from local_azure.run_state import LockHeldError, Run

RUN = Run(pid=4711, started=1.0, provider_port=1, gateway_port=2, new_ports=["gateway"])


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_a_daemon_is_found_when_it_says_that_it_is_ready(home: Home) -> None:
    lock = run_state.hold(home)
    assert (run_state.is_held(home), run_state.find(home)) == (True, None)
    ready = run_state.write(home, RUN)
    assert run_state.find(home) == RUN
    os.close(ready)
    os.close(lock)
    assert not run_state.is_held(home)


def test_what_a_killed_daemon_left_does_not_count_for_the_next_one(home: Home) -> None:
    """The next one holds the lock a moment before it removes the file."""
    lock = run_state.hold(home)
    os.close(run_state.write(home, RUN))
    assert home.run_file.exists()
    assert run_state.find(home) is None
    os.close(lock)


def test_a_second_daemon_is_refused(home: Home) -> None:
    lock = run_state.hold(home)
    with pytest.raises(LockHeldError, match=f"process {os.getpid()}"):
        run_state.hold(home)
    os.close(lock)
