"""Processes as proc(5) describes them: by an id and a start, one is named for good."""

import contextlib
import hashlib
import os
import socket
from functools import lru_cache
from typing import List


def find_start(pid: int) -> int:
    """Return when a process started, in clock ticks; 0 where there is none.

    One that has ended, and for which nobody has waited yet, is none: it has -1.
    """
    fields = _read_stat(pid)
    if not fields:
        return 0
    return -1 if fields[0] in (b"Z", b"X") else int(fields[19])


def is_alive(pid: int, start: int) -> bool:
    """Return whether a process that started then still runs."""
    # without a free descriptor its start cannot be read
    return find_start(pid) in (start, 0) and os.path.exists(f"/proc/{pid}")


def list_pids() -> List[int]:
    """Return the ids of all processes."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def list_children(parent: int) -> List[int]:
    """Return the ids of the children of a process."""
    return [pid for pid in list_pids() if _find_parent(pid) == parent]


def list_descendants(ancestor: int) -> List[int]:
    """Return the ids of the children of a process, of their children and so on."""
    parents = {pid: _find_parent(pid) for pid in list_pids()}
    found = [ancestor]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found[1:]


def read_environ(pid: int) -> List[bytes]:
    """Return the variables with which a program was started, as `name=value`.

    There are none of one that is ending, or between two programs, or another user's.
    """
    variables = _read(pid, "environ")
    return variables.split(b"\0") if variables else []


@lru_cache(maxsize=None)
def find_host() -> str:
    """Return what names this machine, or this container, among those that share files.

    A process id means nothing beyond its namespace, which is part of the name.
    """
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts.append(os.readlink("/proc/self/ns/pid"))
    # a container may have no id of the machine; the other one changes when it boots
    for path in ("/etc/machine-id", "/proc/sys/kernel/random/boot_id"):
        with contextlib.suppress(OSError), open(path) as file:
            parts.append(file.read())
        if len(parts) > 2 and parts[-1].strip():
            break
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _find_parent(pid: int) -> int:
    fields = _read_stat(pid)
    return int(fields[1]) if fields else 0


def _read_stat(pid: int) -> List[bytes]:
    """Return the fields of `/proc/PID/stat` from the third, the state, on."""
    return _read(pid, "stat").rpartition(b")")[2].split()


def _read(pid: int, name: str) -> bytes:
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""
