"""When local Azure counts as ready."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_azure import run_state
from local_azure.home import Home, HomeError
from local_azure.run_state import LockHeldError, Run

RUN = Run(pid=4711, started=1.0, provider_port=1, gateway_port=2, new_ports=["gateway"])


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def lock(home: Home) -> Iterator[int]:
    lock = run_state.hold(home)
    yield lock
    os.close(lock)


@pytest.mark.usefixtures("lock")
def test_a_daemon_is_ready_from_its_write_until_it_ends(home: Home) -> None:
    assert (run_state.is_held(home), run_state.find(home)) == (True, None)
    ready = run_state.write(home, RUN)
    assert run_state.find(home) == RUN
    os.close(ready)
    # The next daemon holds the lock for a moment before it removes the file of a killed one.
    assert home.run_file.exists()
    assert run_state.find(home) is None


@pytest.mark.parametrize("content", ["{", "[]", '{"pid": 1}'])
def test_a_damaged_file_of_a_daemon_that_is_ready_is_named(home: Home, content: str) -> None:
    ready = run_state.write(home, RUN)
    home.run_file.write_text(content)
    with pytest.raises(HomeError, match=r"run\.json is damaged .*local_azure stop`, then start"):
        run_state.find(home)
    os.close(ready)


def test_a_home_is_held_by_one_daemon_as_long_as_it_lives(home: Home) -> None:
    assert not run_state.is_held(home)
    lock = run_state.hold(home)
    with pytest.raises(LockHeldError, match=f"process {os.getpid()}"):
        run_state.hold(home)
    os.close(lock)
    assert not run_state.is_held(home)


def test_a_daemon_does_not_hold_a_home_that_was_removed_or_made_again(home: Home, lock: int) -> None:
    assert run_state.still_holds(home, lock)
    home.lock_file.unlink()
    assert not run_state.still_holds(home, lock)
    home.lock_file.touch()
    assert not run_state.still_holds(home, lock)
