"""Ends what the daemon started when the daemon is gone, however it went.

Run as `python -I -S orphan_reaper.py`, with a pipe of the daemon as standard input: a
line `+PID` names a process group, `-PID` takes it back, and the end of the pipe
means that no daemon is left. Linux could ask the kernel for this
(PR_SET_PDEATHSIG), macOS cannot.
"""

import os
import signal
import sys
import time

PATIENCE = 3.0
"""Seconds between asking and killing."""


def main() -> None:
    groups: set[int] = set()
    for line in sys.stdin:
        if line.startswith("+"):
            groups.add(int(line[1:]))
        else:
            groups.discard(int(line[1:]))
    left = [group for group in groups if _signal(group, signal.SIGTERM)]
    deadline = time.monotonic() + PATIENCE
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = [group for group in left if _signal(group, 0)]
    for group in left:
        _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> bool:
    """False when the group is no longer there."""
    try:
        os.killpg(group, number)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
