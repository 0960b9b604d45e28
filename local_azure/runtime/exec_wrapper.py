"""Starts a child only after the daemon has registered it with the orphan reaper.

Run as `python -I -S exec_wrapper.py PROGRAM ARGUMENT…`, with a pipe of the daemon as standard input:
`NAME=VALUE` entries, each ended by a NUL, then an empty entry. A pipe that ends before that means that the
daemon is gone, and nothing starts.

The environment comes through the pipe because programs in between change it: sh drops names with `.` or `-`,
and Python adds LC_CTYPE (PEP 538).
"""

import os
import signal
import sys


def main() -> None:
    entries = sys.stdin.buffer.read().split(b"\0")
    if entries[-2:] != [b"", b""]:
        return
    environment = dict(entry.split(b"=", 1) for entry in entries[:-2])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    # Python ignores these signals, and the program would inherit that.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    try:
        os.execvpe(sys.argv[1], sys.argv[1:], environment)  # noqa: S606 # a shell would change the environment
    except OSError as error:
        sys.exit(f"{sys.argv[1]} does not start: {error.strerror}")


if __name__ == "__main__":
    main()
