"""Ends the children of the daemon when the daemon has ended or was killed.

Run as `python -I -S orphan_reaper.py`, with a pipe of the daemon as standard input: a line `+PID` adds a
process group, `-PID` removes it, and the end of the pipe means that the daemon is gone. Linux has this in the
kernel (PR_SET_PDEATHSIG), macOS has not.
"""

import os
import signal
import sys
import time

GRACE_PERIOD = 3.0
"""Seconds between SIGTERM and SIGKILL."""


def main() -> None:
    groups: set[int] = set()
    for line in sys.stdin:
        if line.startswith("+"):
            groups.add(int(line[1:]))
        else:
            groups.discard(int(line[1:]))
    left = [group for group in groups if _signal(group, signal.SIGTERM)]
    deadline = time.monotonic() + GRACE_PERIOD
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
