"""Where the log goes: whole lines on standard error, without a wait for its reader.

`LineWriter` writes lines. `LineStream` turns what is printed into lines, and `Records`
joins the lines of a traceback, or of a dump of stacks, to one record.
"""

import collections
import io
import os
import re
import select
import stat
import threading
import time
from typing import Any, Callable, Deque, Iterable, Iterator, List

#: Bytes that may wait for the reader of standard error.
MAX_WAITING = 4 * 1024 * 1024

#: Bytes of one printed line: a longer one is split.
MAX_LINE = 64 * 1024

#: Lines of one record: a longer one is split.
MAX_RECORD = 1000

#: Seconds for the last lines at the end of a process.
FLUSH_SECONDS = 1.0

#: A pipe that is writable takes so many bytes at once; see pipe(7).
PIPE_BUF = select.PIPE_BUF

#: How a traceback begins: with a line before it, by itself, or after another one.
_HEADER = re.compile(r"Exception (in thread |ignored (in|while))")
_TRACEBACK = re.compile(
    r"Traceback \(most recent call|  \+ Exception Group Traceback "
    r"|During handling of the above exception|The above exception was the direct cause"
)
#: What faulthandler writes: how a dump begins, and how it goes on.
_DUMP = re.compile(r"Fatal Python error: |(Current thread|Thread|Timeout) \(?0[x:]")
_DUMP_GOES_ON = re.compile(
    r"$|  |(Current thread|Thread) 0x|Current thread's C |Extension modules: "
    r"|Python runtime state: |<"
)


class LineWriter:
    """Writes lines to a descriptor, at once where it has room for them.

    Other lines wait, up to `MAX_WAITING` bytes, for a thread or for the next line;
    beyond that they are dropped. A forked child begins with an empty queue.

    Attributes:
        dropped: number of lines that were dropped.
        prefix: before each line, such as what clears the line of a terminal.
    """

    def __init__(self, fd: int) -> None:
        """Set the descriptor."""
        self.prefix = b""
        self._fd = fd
        self._reset()

    def _reset(self) -> None:
        self.dropped = 0
        self._pid = os.getpid()
        self._waiting: Deque[bytes] = collections.deque()
        self._size = 0
        self._has_thread = False
        # the handler of a signal may write while its thread writes
        self._changing, self._writing = threading.RLock(), threading.Lock()
        self._wake = threading.Event()

    def start(self) -> None:
        """Start the thread that waits for room, unless it runs."""
        self._check_fork()
        with self._changing:
            if not self._has_thread:
                threading.Thread(target=self._run, daemon=True).start()
                self._has_thread = True

    def put(self, line: bytes) -> None:
        """Write a line, or several that belong together, with the end of the last."""
        self._check_fork()
        line = self.prefix + line
        with self._changing:
            if self._waiting and self._size + len(line) > MAX_WAITING:
                self.dropped += 1
            else:
                self._waiting.append(line)
                self._size += len(line)
        self._write_without_waiting()
        if self._waiting and self._has_thread:
            self._wake.set()

    def flush(self, seconds: float = FLUSH_SECONDS) -> None:
        """Wait until all is written, for some seconds at most."""
        self._check_fork()
        deadline = time.monotonic() + seconds
        while self._waiting and time.monotonic() < deadline:
            self._write_without_waiting()
            self._wake.set()
            time.sleep(0.002)

    def _check_fork(self) -> None:
        # what another thread of the parent held stays locked in a child
        if os.getpid() != self._pid:
            self._reset()

    def _write_without_waiting(self) -> None:
        # false: another thread writes, and it may wait
        while self._waiting and self._writing.acquire(False):
            try:
                while self._waiting and self._write_first():
                    pass
                if self._waiting:
                    return
            finally:
                self._writing.release()

    def _write_first(self) -> bool:
        """Write the first line if that needs no wait; return whether it did."""
        line = self._waiting[0]
        if not _has_room(self._fd):
            return False
        if len(line) > PIPE_BUF and not stat.S_ISREG(os.fstat(self._fd).st_mode):
            if self._has_thread:
                return False
            line = line[:PIPE_BUF]
        return self._write(line)

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            with self._writing:
                while self._waiting:
                    if not self._write(self._waiting[0]):
                        select.select([], [self._fd], [])

    def _write(self, line: bytes) -> bool:
        """Write the beginning of the first line; `_writing` is held."""
        try:
            count = os.write(self._fd, line)
        except BlockingIOError:
            return False
        except OSError:
            # nobody will ever read it
            count = len(self._waiting[0])
        with self._changing:
            self._size -= count
            rest = self._waiting.popleft()[count:]
            if rest:
                self._waiting.appendleft(rest)
        return True


def _has_room(fd: int) -> bool:
    poller = select.poll()
    poller.register(fd, select.POLLOUT)
    return bool(poller.poll(0))


class Records:
    """Joins lines to records: most lines are one, a traceback or a dump is one, too."""

    def __init__(self, emit: Callable[[List[str]], None]) -> None:
        """Begin without lines.

        Args:
            emit: called with the lines of each record.
        """
        self._emit = emit
        self._lines: List[str] = []
        self._is_dump = False
        #: Whether the last line was that of the exception.
        self.is_complete = False

    def __bool__(self) -> bool:
        """Return whether a record has begun."""
        return bool(self._lines)

    def add(self, line: str, goes_on: bool = False) -> None:
        """Add a line.

        Args:
            line: without its end.
            goes_on: whether it was written together with the line before.
        """
        is_full = len(self._lines) == MAX_RECORD
        if is_full or self._lines and not self._belongs(line, goes_on):
            self.finish()
        if not self._lines and not (_begins(line) or _DUMP.match(line)):
            if line.strip():
                self._emit([line])
            return
        if not self._lines:
            self._is_dump = bool(_DUMP.match(line))
        elif _begins(line):
            self.is_complete = False
        elif not self._is_dump and line[:1] not in ("", " "):
            self.is_complete = True
        self._lines.append(line)

    def finish(self) -> None:
        """End the record that has begun."""
        lines, self._lines = self._lines, []
        self.is_complete = False
        while lines and not lines[-1].strip():
            lines.pop()
        if lines:
            self._emit(lines)

    def _belongs(self, line: str, goes_on: bool) -> bool:
        if self._is_dump:
            return bool(_DUMP_GOES_ON.match(line))
        if self.is_complete:
            return goes_on or not line or bool(_TRACEBACK.match(line))
        is_header = len(self._lines) == 1 and _HEADER.match(self._lines[0])
        return not is_header or _begins(line)


def _begins(line: str) -> bool:
    return bool(_TRACEBACK.match(line) or _HEADER.match(line))


def decode_line(line: bytes) -> str:
    """Return a printed line as a terminal shows it: what a return overwrites is gone."""
    visible = line.rstrip(b"\r").rpartition(b"\r")[2]
    return visible.decode("utf-8", "backslashreplace")


def split_long(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield lines, those that are longer than `MAX_LINE` in parts."""
    for line in lines:
        for start in range(0, max(len(line), 1), MAX_LINE):
            yield line[start : start + MAX_LINE]


class LineStream(io.TextIOWrapper):
    """A stream like `sys.stdout` of which each thread's lines stay whole."""

    def __init__(self, name: str, fd: int, emit: Callable[[List[str]], None]) -> None:
        """Begin without lines.

        Args:
            name: such as `<stdout>`.
            fd: the descriptor that libraries get, for C code and child processes.
            emit: called with the lines of each record.
        """
        self._lines = _Lines(name, fd, emit)
        super().__init__(
            # a raw stream does for this: nothing is buffered
            self._lines,  # type: ignore[arg-type]
            encoding="utf-8",
            errors="backslashreplace",
            newline="\n",
            write_through=True,
        )

    def finish(self) -> None:
        """Write what this thread has printed of a line."""
        self._lines.finish()


class _Lines(io.RawIOBase):
    """The bytes of a `LineStream`."""

    def __init__(self, name: str, fd: int, emit: Callable[[List[str]], None]) -> None:
        self.name = name
        self._fd = fd
        self._emit = emit
        self._threads = threading.local()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def write(self, data: Any) -> int:
        data = bytes(data)
        self._begun().add(data)
        return len(data)

    def finish(self) -> None:
        self._begun().finish()

    def _begun(self) -> "_BegunLine":
        begun = getattr(self._threads, "begun", None)
        if not isinstance(begun, _BegunLine):
            begun = self._threads.begun = _BegunLine(self._emit)
        return begun


class _BegunLine:
    """What a thread has printed of a line, and of a traceback."""

    def __init__(self, emit: Callable[[List[str]], None]) -> None:
        self._begun = b""
        self._records = Records(emit)

    def add(self, data: bytes) -> None:
        *lines, self._begun = (self._begun + data).split(b"\n")
        if len(self._begun) > MAX_LINE:
            lines.append(self._begun)
            self._begun = b""
        for number, line in enumerate(split_long(lines)):
            self._records.add(decode_line(line), goes_on=number > 0)
        # the process may end at once: what is known to be whole is written
        if self._records.is_complete:
            self._records.finish()

    def finish(self) -> None:
        if self._begun:
            self.add(b"\n")
        self._records.finish()

    def __del__(self) -> None:
        """Write the rest when the thread has ended."""
        if self._begun or self._records:
            self.finish()
