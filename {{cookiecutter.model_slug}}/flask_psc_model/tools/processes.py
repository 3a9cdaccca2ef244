"""A process and what it has started."""

import contextlib
import os
import signal
from contextlib import contextmanager
from typing import Iterator, List, Set

from ..procfs import list_children, list_descendants
from ..workers.prctl import adopt_orphans


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


@contextmanager
def ending_children() -> Iterator[None]:
    """At the end, kill all that was started within, and wait until it has ended.

    A process that has lost its parent is one of them, whatever its session.
    """
    known = set(list_children(os.getpid()))
    adopt_orphans(True)
    try:
        yield
    finally:
        started = set(list_children(os.getpid())) - known
        while started:
            for pid in started:
                kill_tree(pid)
                with contextlib.suppress(ChildProcessError, PermissionError):
                    # one of another user may never end
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
            known |= started
            # the children of those that were killed
            started = set(list_children(os.getpid())) - known
        adopt_orphans(False)


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
