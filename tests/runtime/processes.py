"""The processes of a server, from /proc."""

import os
import time


def wait_until(condition, seconds=20):
    """Wait until a condition holds and return its value; fail if it never does."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError("it did not come true within {} s".format(seconds))


def read_stat(pid):
    """Return the state and the parent of a process, or None where it is gone."""
    try:
        with open("/proc/{}/stat".format(pid)) as file:
            fields = file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return fields[0], int(fields[1])


def is_alive(pid):
    """Return whether a process runs; a zombie does not."""
    stat = read_stat(pid)
    return stat is not None and stat[0] not in "ZX"


def list_children(pid, zombies=False):
    """Return the process ids of the children of a process."""
    children = []
    for name in os.listdir("/proc"):
        stat = read_stat(name) if name.isdigit() else None
        if stat and stat[1] == pid and (zombies or stat[0] not in "ZX"):
            children.append(int(name))
    return sorted(children)


def list_tree(pid):
    """Return the process ids of a process and of all that it has started."""
    tree = [pid]
    for child in list_children(pid):
        tree += list_tree(child)
    return tree


def count_files(pid):
    """Return how many files a process has open."""
    return len(os.listdir("/proc/{}/fd".format(pid)))


def measure_memory(pid):
    """Return the resident memory of a process in bytes."""
    with open("/proc/{}/statm".format(pid)) as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def find_web_process(server):
    """Return the process id of the web process, the arbiter's only child."""
    [pid] = wait_until(lambda: list_children(server.process.pid))
    return pid


def find_model_process(server):
    """Return the process id of the one model process, the web process's only child."""
    [pid] = wait_until(lambda: list_children(find_web_process(server)))
    return pid
