"""Which process ids count as running."""

import os
import subprocess
from collections.abc import Callable

import pytest

from local_azure import process_ids
from ops.locks import locks


@pytest.mark.parametrize("runs", [process_ids.runs, locks.process_runs], ids=["local_azure", "ops"])
def test_a_process_runs_until_it_ends_also_as_a_zombie(runs: Callable[[int], bool]) -> None:
    """A killed command stays a zombie in a container whose first process waits for no orphans."""
    assert runs(os.getpid())
    assert runs(1)
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not runs(child.pid)  # a zombie
    child.wait()
    assert not runs(child.pid)
