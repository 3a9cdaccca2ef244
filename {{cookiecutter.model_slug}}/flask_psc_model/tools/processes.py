"""A process and what it has started."""

import contextlib
import os
import signal
from typing import List, Set

from ..procfs import list_descendants


def list_tree(pid: int) -> List[int]:
    """Return the process ids of a process and of its descendants."""
    return [pid, *list_descendants(pid)]


def kill_tree(pid: int) -> None:
    """Kill a process with its descendants, those in sessions of their own included."""
    stopped: Set[int] = set()
    while True:
        # what is stopped starts nothing more
        running = set(list_tree(pid)) - stopped
        if not running:
            break
        for each in running:
            _send(each, signal.SIGSTOP)
        stopped |= running
    for each in stopped:
        _send(each, signal.SIGKILL)


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
