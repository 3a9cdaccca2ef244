"""The peak memory of a container, or of a process with all its descendants."""

import os
import re
import threading
from functools import partial
from typing import Any, Callable, Dict, Iterator, List

from ...model.units import parse_size
from ..containers.container import Container
from ..containers.engine import EngineError
from ..processes import list_tree

#: The folder of a cgroup and the file with its usage, by the controller in
#: /proc/PID/cgroup whose line names the folder: version 2, then version 1.
CGROUPS = {
    "": ("/sys/fs/cgroup{}", "memory.current"),
    "memory": ("/sys/fs/cgroup/memory{}", "memory.usage_in_bytes"),
}

#: Seconds between two samples of processes; of a cgroup, which is read in microseconds.
SAMPLE_SECONDS = 0.05
CGROUP_SECONDS = 0.01

#: The first column of `stats` that holds two sizes: the memory and its limit.
_STATS = re.compile(r"([\d.]+ ?[kKMGT]?i?B) / ")


class Memory:
    """A context manager that samples memory in a thread, and keeps the peak.

    Attributes:
        source: where the figures come from, in words.
    """

    def __init__(
        self, read: Callable[[], int], source: str, interval: float = SAMPLE_SECONDS
    ) -> None:
        """Choose where the figures come from.

        Args:
            read: returns the bytes used now, 0 if they are unknown.
            source: what that is, in words.
            interval: seconds between two samples.
        """
        self.source = source
        self._read = read
        self._interval = interval
        self._peak = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._ended.set()
        self._thread.join()

    def read_peak(self) -> int:
        """Return the largest sample so far, including one taken now."""
        return max(self._peak, self._read())

    def _sample(self) -> None:
        while not self._ended.wait(self._interval):
            self._peak = max(self._peak, self._read())


def watch_container(container: Container) -> Memory:
    """Return the memory of a running container that the kernel cannot drop."""
    for read in _list_readers(container):
        try:
            read()
        except (EngineError, OSError, ValueError):
            continue
        source = "sampled from its cgroup"
        return Memory(partial(_read_or_0, read), source, CGROUP_SECONDS)
    read = partial(_read_stats, container)
    source = f"samples of {container.engine.command} stats"
    return Memory(partial(_read_or_0, read), source)


def watch_processes(pid: int) -> Memory:
    """Return the memory of a process and its descendants."""
    return Memory(lambda: measure_tree(pid), "sampled from its processes")


def _list_readers(container: Container) -> Iterator[Callable[[], int]]:
    for paths in find_cgroup_files(container.inspect()):
        yield partial(_read_outside, paths)
    # the processes of an engine in a virtual machine are not this machine's
    for folder, usage in CGROUPS.values():
        paths = _list_paths(folder.format(""), usage)
        yield partial(_read_inside, container, paths)


def _read_outside(paths: List[str]) -> int:
    return count_used("".join(map(_read_text, paths)))


def _read_inside(container: Container, paths: List[str]) -> int:
    return count_used(container.engine.call("exec", container.name, "cat", *paths))


def _read_stats(container: Container) -> int:
    return parse_stats(container.engine.call("stats", "--no-stream", container.name))


def _read_or_0(read: Callable[[], int]) -> int:
    try:
        return read()
    except (EngineError, OSError, ValueError):
        return 0


def _list_paths(folder: str, usage: str) -> List[str]:
    return [f"{folder}/{usage}", f"{folder}/memory.stat"]


def find_cgroup_files(state: Dict[str, Any]) -> List[List[str]]:
    """List the files of this machine that may hold the memory of a container.

    Args:
        state: what `docker inspect` reports. Its process id may be that of a virtual
            machine, so only a folder with the container's id in its name counts.

    Returns:
        The usage and the statistics of each cgroup.
    """
    try:
        lines = _read_text(f"/proc/{state['State']['Pid']}/cgroup").splitlines()
    except OSError:
        return []
    files = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            if controller in CGROUPS and state["Id"] in path:
                folder, usage = CGROUPS[controller]
                files.append(_list_paths(folder.format(path), usage))
    return files


def count_used(text: str) -> int:
    """Return the bytes of a cgroup without those of files that are only cached.

    The kernel drops cached files when memory runs short. It could drop files that are
    mapped, too, but a model reads its weights from them.

    Args:
        text: the usage, then the lines of `memory.stat`.

    Raises:
        ValueError: it is something else.
    """
    usage, *lines = text.splitlines() or [""]
    figures = {key: int(value) for key, value in map(str.split, lines)}
    # version 1 counts the cgroups below by keys of their own
    cached = max(
        sum(figures.get(key, 0) for key in ("active_file", "inactive_file"))
        - figures.get("file_mapped", 0),
        sum(figures.get("total_" + key, 0) for key in ("active_file", "inactive_file"))
        - figures.get("total_mapped_file", 0),
        0,
    )
    return int(usage) - cached - figures.get("slab_reclaimable", 0)


def parse_stats(text: str) -> int:
    """Return the bytes in the table of `docker stats` or `podman stats`, 0 if none.

    Raises:
        ValueError: the size is malformed.
    """
    match = _STATS.search(text)
    return parse_size(match.group(1)) if match else 0


def measure_tree(pid: int) -> int:
    """Return the memory of a process and its descendants, in bytes.

    Shared memory counts once (`Pss` of Linux 4.14 and later); without `Pss`, it counts
    for each process.
    """
    return sum(map(measure_process, list_tree(pid)))


def measure_process(pid: int) -> int:
    """Return the memory of a process in bytes, 0 if it has ended."""
    try:
        rollup = _read_text(f"/proc/{pid}/smaps_rollup")
        shares = re.search(r"^Pss:\s*(\d+) kB", rollup, re.MULTILINE)
        if shares:
            return int(shares.group(1)) * 1024
    except OSError:
        pass
    try:
        pages = int(_read_text(f"/proc/{pid}/statm").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def _read_text(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()
