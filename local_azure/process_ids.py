"""Whether a process with a given id runs on this machine."""

import psutil


def runs(pid: int) -> bool:
    """False for a zombie, too, which a killed orphan stays in a container without an init process.

    (`docker run` starts one only with `--init`. A signal 0 still reaches a zombie.)
    """
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # another user's process
        return True
