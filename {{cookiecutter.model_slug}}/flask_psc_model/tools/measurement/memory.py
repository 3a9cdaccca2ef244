"""The peak memory of a container, or of a process with all its descendants."""

import os
import re
import threading
from functools import partial
from typing import Any, Callable, Dict, Iterator, List, Tuple

from ...model.units import parse_size
from ..containers.container import Container
from ..containers.engine import EngineError

#: The kernel's own record of the peak, by the controller in /proc/PID/cgroup whose line
#: names the folder: version 2 (Linux 5.19 and later), then version 1.
CGROUP_FILES = {
    "": "/sys/fs/cgroup{}/memory.peak",
    "memory": "/sys/fs/cgroup/memory{}/memory.max_usage_in_bytes",
}

#: Seconds between two samples of processes; one `stats` of an engine takes 2 s.
SAMPLE_SECONDS = 0.05

#: The first column of `stats` that holds two sizes: the memory and its limit.
_STATS = re.compile(r"([\d.]+ ?[kKMGT]?i?B) / ")


class Memory:
    """A context manager that knows the peak memory while it is entered.

    Attributes:
        source: where the figures come from, in words.
    """

    def __init__(self, read: Callable[[], int], source: str) -> None:
        """Choose where the figures come from.

        Args:
            read: returns the most bytes used so far.
            source: what that is, in words.
        """
        self.source = source
        self._read = read

    def __enter__(self) -> "Memory":
        return self

    def __exit__(self, *_: Any) -> None:
        pass

    def read_peak(self) -> int:
        """Return the most bytes used so far."""
        return self._read()


class SampledMemory(Memory):
    """Keeps the peak of samples that a thread takes."""

    def __init__(self, read: Callable[[], int], source: str) -> None:
        """Choose where the figures come from.

        Args:
            read: returns the bytes used now, 0 if they are unknown.
            source: what that is, in words.
        """
        super().__init__(read, source)
        self._peak = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> "SampledMemory":
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._ended.set()
        self._thread.join()

    def read_peak(self) -> int:
        """Return the largest sample so far, including one taken now."""
        return max(self._peak, self._read())

    def _sample(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            self._peak = max(self._peak, self._read())


def watch_container(container: Container) -> Memory:
    """Return the memory of a running container, including cached files."""
    for path, read in _list_records(container):
        try:
            read()
        except (EngineError, OSError, ValueError):
            continue
        return Memory(read, f"{os.path.basename(path)} of its cgroup")
    engine = container.engine
    return SampledMemory(
        lambda: _sample_stats(container), f"samples of {engine.command} stats"
    )


def watch_processes(pid: int) -> Memory:
    """Return the memory of a process and its descendants."""
    return SampledMemory(lambda: measure_tree(pid), "sampled from its processes")


def _list_records(container: Container) -> Iterator[Tuple[str, Callable[[], int]]]:
    for pattern in CGROUP_FILES.values():
        path = pattern.format("")
        yield path, partial(_read_inside, container, path)
    # an image may lack `cat`
    for path in find_cgroup_files(container.inspect()):
        yield path, partial(_read_outside, path)


def _read_inside(container: Container, path: str) -> int:
    return int(container.engine.call("exec", container.name, "cat", path))


def _read_outside(path: str) -> int:
    return int(_read_text(path))


def _sample_stats(container: Container) -> int:
    engine = container.engine
    try:
        return parse_stats(engine.call("stats", "--no-stream", container.name))
    except (EngineError, ValueError):
        return 0


def find_cgroup_files(state: Dict[str, Any]) -> List[str]:
    """List the files of this machine that may hold the peak of a container.

    Args:
        state: what `docker inspect` reports. Its process id may be that of a virtual
            machine, so only a folder with the container's id in its name counts.
    """
    try:
        lines = _read_text(f"/proc/{state['State']['Pid']}/cgroup").splitlines()
    except OSError:
        return []
    files = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            if controller in CGROUP_FILES and state["Id"] in path:
                files.append(CGROUP_FILES[controller].format(path))
    return files


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
    children: Dict[int, List[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            children.setdefault(_find_parent(name), []).append(int(name))
    total, left = 0, [pid]
    while left:
        each = left.pop()
        total += measure_process(each)
        left += children.get(each, [])
    return total


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


def _find_parent(pid: str) -> int:
    try:
        # the program's name is in parentheses, and may contain some
        return int(_read_text(f"/proc/{pid}/stat").rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def _read_text(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()
