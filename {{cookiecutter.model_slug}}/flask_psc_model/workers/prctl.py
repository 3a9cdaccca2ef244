"""Ties between processes: nobody outlives its parent, and no orphan is lost.

The calls are those of prctl(2), which Python has no names for.
"""

import ctypes
import os
import signal

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when the thread that started it ends.

    Args:
        parent: process id of the parent. Where the parent has died before this
            call, the process ends at once.
    """
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans(is_on: bool = True) -> None:
    """Become the parent of orphans further down, in place of process 1, or no longer.

    Gunicorn before 27, as process 1 of a container, takes an orphan that exits with
    code 3 or 4 for one of its own workers and stops the whole server.
    """
    _prctl(PR_SET_CHILD_SUBREAPER, int(is_on))


def _prctl(option: int, value: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(option, value, 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"prctl: {os.strerror(error)}")
