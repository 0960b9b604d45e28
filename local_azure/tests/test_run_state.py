"""Which processes run, and when local Azure counts as ready."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from local_azure import process_ids, run_state
from local_azure.home import Home, HomeError
from local_azure.run_state import LockHeldError, Run

RUN = Run(pid=os.getpid(), started=1.0, provider_port=1, gateway_port=2, new_ports=["gateway"])


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def zombie() -> "subprocess.Popen[bytes]":
    """A process that has ended, and that nobody has waited for."""
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    return child


def test_a_process_runs_until_it_ends_also_as_a_zombie(zombie: "subprocess.Popen[bytes]") -> None:
    """A killed command stays a zombie in a container whose first process waits for no orphans."""
    assert process_ids.runs(os.getpid())
    assert process_ids.runs(1)
    assert not process_ids.runs(zombie.pid)
    zombie.wait()
    assert not process_ids.runs(zombie.pid)


def test_a_daemon_is_ready_from_its_write_until_it_ends(
    home: Home, zombie: "subprocess.Popen[bytes]"
) -> None:
    assert run_state.find(home) is None
    with run_state.hold(home):
        assert (run_state.is_held(home), run_state.find(home)) == (True, None)
        run_state.write(home, RUN)
        assert run_state.find(home) == RUN
    assert home.run_file.exists()
    assert run_state.find(home) is None
    run_state.write(home, replace(RUN, pid=zombie.pid))
    with run_state.hold(home):  # the next daemon, which has not removed the file of a killed one yet
        assert run_state.find(home) is None


@pytest.mark.parametrize("content", ["{", "[]", '{"pid": 1}'])
def test_a_damaged_file_of_a_daemon_that_is_ready_is_named(home: Home, content: str) -> None:
    home.run_file.write_text(content)
    with (
        run_state.hold(home),
        pytest.raises(HomeError, match=r"run\.json is damaged .*local_azure stop`, then start"),
    ):
        run_state.find(home)


def test_a_home_is_held_by_one_daemon_as_long_as_it_lives_and_the_home_is_there(home: Home) -> None:
    assert not run_state.is_held(home)
    with run_state.hold(home):
        with pytest.raises(LockHeldError, match=f"process {os.getpid()}"):
            run_state.hold(home)
        assert run_state.holder(home) == os.getpid()
        assert home.lock_file.stat().st_mode & 0o777 == 0o600
        home.lock_file.unlink()
        assert run_state.holder(home) is None
        home.lock_file.touch()  # made again by another local Azure
        assert run_state.holder(home) is None
    assert not run_state.is_held(home)
