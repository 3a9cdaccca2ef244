"""Processes as `/proc` shows them: who started whom, and how much memory each holds."""

import os
from pathlib import Path
from typing import NamedTuple

MEGABYTE = 1_000_000


class Process(NamedTuple):
    """A process at one moment.

    Attributes:
        pid: its id.
        parent: the id of the process that started it.
        group: the id of its process group.
        started: when, in clock ticks since boot; with the id it names the process even if the id is used again.
        depth: how many generations it is below the root of its tree.
    """

    pid: int
    parent: int
    group: int
    started: int
    depth: int = 0

    def is_alive(self) -> bool:
        """Return whether the process, and not another with its id, still runs."""
        try:
            return _read(self.pid).started == self.started
        except OSError:
            return False

    def resident(self) -> float:
        """Return the resident set size in MB (10^6 bytes): all pages in memory, shared ones in full."""
        return self._memory("Rss")

    def proportional(self) -> float:
        """Return the proportional set size in MB (10^6 bytes): shared pages divided by their sharers."""
        return self._memory("Pss")

    def cpu(self) -> float:
        """Return the CPU time in seconds that the process has used; 0 if it has ended."""
        try:
            fields = _read_fields(self.pid)
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _memory(self, key: str) -> float:
        for line in Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024 / MEGABYTE
        raise OSError(f"process {self.pid} shows no {key}")


def find_family(root: int) -> list[Process]:
    """Return a process, all that descend from it, and all others of its process group.

    Args:
        root: the id of the process, which leads its process group.

    Returns:
        Parents before children.
    """
    everyone = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            everyone.append(_read(int(name)))
        except OSError:
            continue  # it ended meanwhile
    tree = [process for process in everyone if process.pid == root]
    for parent in tree:  # grows while it is walked
        tree += [child._replace(depth=parent.depth + 1) for child in everyone if child.parent == parent.pid]
    known = {process.pid for process in tree}
    strays = [process for process in everyone if process.group == root and process.pid not in known]
    return tree + [process._replace(depth=1) for process in strays]


def _read_fields(pid: int) -> list[str]:
    # The second field is the program's name in parentheses, which may hold anything.
    return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()


def _read(pid: int) -> Process:
    fields = _read_fields(pid)
    if fields[0] in "ZX":
        raise ProcessLookupError(f"process {pid} has ended")
    return Process(pid, int(fields[1]), int(fields[2]), int(fields[19]))
