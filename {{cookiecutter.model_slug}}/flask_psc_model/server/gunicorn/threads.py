"""The threads and connections of the web process, within the limits of the system."""

import collections
import functools
import os
import resource
import threading
from concurrent.futures import Future
from typing import Any, Callable, Deque, Iterator, List, Optional, Tuple

from ...procfs import list_pids

#: Threads of the web process where nothing limits them, and the fewest it can work with.
MAX_THREADS, MIN_THREADS = 256, 16

#: Threads and processes for the arbiter, the supervisors, and whatever a user runs in
#: the container; and for each model process beside its own threads.
RESERVE, RESERVE_EACH = 24, 16

#: The soft limit of descriptors is raised up to this one: some programs try to close
#: as many as there may be.
MAX_DESCRIPTORS = 65536

#: Descriptors that are no connections, beside two for each thread.
RESERVED_DESCRIPTORS = 64


@functools.lru_cache(maxsize=None)
def count_threads(processes: int, cpus: Optional[float]) -> int:
    """Return how many threads the web process may have.

    The first call decides: at a reload the old web process still has its threads.

    Args:
        processes: number of model processes.
        cpus: of all of them together; None for all that the machine has.

    Raises:
        ValueError: there is no room for `MIN_THREADS`.
    """
    count = min(cpus or os.cpu_count() or 1, os.cpu_count() or 1)
    reserve = RESERVE + processes * (max(int(count), 2) + 2 * int(count) + RESERVE_EACH)
    rooms = list(_find_rooms())
    if not rooms:
        return MAX_THREADS
    room, limit, name = min(rooms)
    threads = room - reserve
    if threads < MIN_THREADS:
        raise ValueError(
            f"{name} is {limit}: the server needs at least"
            f" {limit - threads + MIN_THREADS} processes and threads here, and"
            f" {limit - threads + MAX_THREADS} for all of its own; raise the limit, for"
            " example with docker run --pids-limit"
        )
    return min(threads, MAX_THREADS)


def raise_descriptor_limit() -> int:
    """Raise the soft limit of open descriptors to the hard one, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else hard
    most = min(most, MAX_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return MAX_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft


def count_connections(threads: int, descriptors: int) -> int:
    """Return how many connections may be open at once.

    Args:
        threads: of the web process.
        descriptors: that it may have open.
    """
    return max(descriptors - RESERVED_DESCRIPTORS - 2 * threads, descriptors // 2)


def _find_rooms() -> Iterator[Tuple[int, int, str]]:
    """Return the room below each limit of processes, the limit, and its name."""
    for folder in _list_cgroups():
        limit = _read_number(os.path.join(folder, "pids.max"))
        used = _read_number(os.path.join(folder, "pids.current"))
        if limit is not None and used is not None:
            yield limit - used, limit, os.path.join(folder, "pids.max")
    limit, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    # the system lets root start more than that
    if limit != resource.RLIM_INFINITY and os.getuid():
        yield limit - _count_own_threads(), limit, "the user's limit (ulimit -u)"


def _list_cgroups() -> List[str]:
    """Return the folders of this process's control group and of those around it."""
    try:
        with open("/proc/self/cgroup") as file:
            lines = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        return []
    folders = []
    for _, controllers, path in lines:
        # the one hierarchy of version 2, or that of version 1
        if controllers in ("", "pids"):
            root = "/sys/fs/cgroup" + (controllers and "/pids")
            names = path.strip("/").split("/")
            for end in range(len(names) + 1):
                folders.append(os.path.join(root, *names[:end]))
    return folders


def _read_number(path: str) -> Optional[int]:
    try:
        with open(path) as file:
            return int(file.read())
    # there is no such file, or no limit: "max"
    except (OSError, ValueError):
        return None


def _count_own_threads() -> int:
    count = 0
    for pid in list_pids():
        try:
            if os.stat(f"/proc/{pid}").st_uid == os.getuid():
                count += len(os.listdir(f"/proc/{pid}/task"))
        except OSError:
            continue
    return count


class ThreadPool:
    """Threads that are started in advance, so that a busy system cannot refuse them.

    The thread that became idle last gets the next call: with few clients, few threads
    ever do something.
    """

    def __init__(self, size: int) -> None:
        """Choose the number of threads, without starting them."""
        self.size = size
        self.count = 0
        self._lock = threading.Lock()
        self._idle: List[_Thread] = []
        self._calls: Deque[Tuple[Any, ...]] = collections.deque()

    @property
    def is_busy(self) -> bool:
        """Whether a call waits for a thread."""
        return bool(self._calls)

    def grow(self) -> bool:
        """Start the threads that are missing, as far as the system lets us.

        Returns:
            Whether all of them run.
        """
        while self.count < self.size:
            try:
                _Thread(self._work).start()
            except RuntimeError:
                return False
            self.count += 1
        return True

    def submit(self, function: Callable[..., Any], *args: Any) -> "Future[Any]":
        """Call a function in a thread, at once or as soon as one is idle."""
        future: "Future[Any]" = Future()
        call = (future, function, args)
        with self._lock:
            if not self._idle:
                self._calls.append(call)
                return future
            thread = self._idle.pop()
        thread.call = call
        thread.wake.release()
        return future

    def shutdown(self, wait: bool = True) -> None:
        """Do nothing: the threads end with the process."""

    def _work(self, thread: "_Thread") -> None:
        while True:
            _call(*self._wait_for_call(thread))

    def _wait_for_call(self, thread: "_Thread") -> Tuple[Any, ...]:
        with self._lock:
            if self._calls:
                return self._calls.popleft()
            self._idle.append(thread)
        thread.wake.acquire()
        # an idle thread keeps nothing of a request
        call, thread.call = thread.call, ()
        return call


def _call(future: "Future[Any]", function: Callable[..., Any], args: Any) -> None:
    try:
        future.set_result(function(*args))
    except BaseException as error:
        future.set_exception(error)


class _Thread(threading.Thread):
    """A thread that waits for calls."""

    def __init__(self, work: Callable[["_Thread"], None]) -> None:
        super().__init__(target=work, args=(self,), daemon=True)
        self.call: Tuple[Any, ...] = ()
        self.wake = threading.Lock()
        self.wake.acquire()
