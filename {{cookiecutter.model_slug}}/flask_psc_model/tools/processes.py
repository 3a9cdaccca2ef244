"""A process and what it has started, from /proc."""

import contextlib
import os
import signal
from typing import Dict, List, Set


def list_tree(pid: int) -> List[int]:
    """Return the process ids of a process and of its descendants."""
    children: Dict[int, List[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            children.setdefault(_find_parent(name), []).append(int(name))
    tree = [pid]
    for each in tree:
        tree += children.get(each, [])
    return tree


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


def _find_parent(pid: str) -> int:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            # the program's name is in parentheses, and may contain some
            return int(file.read().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0
