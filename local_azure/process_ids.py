"""Whether a process of some id runs here."""

import psutil


def runs(pid: int) -> bool:
    """False for a zombie, too: in a container without an init nobody waits for an orphan that was killed.

    (`docker run` has none unless it is told `--init`; a signal 0 still reaches a zombie.)
    """
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # somebody else's
        return True
