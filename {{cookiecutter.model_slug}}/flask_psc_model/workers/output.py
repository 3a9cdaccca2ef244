"""What a model process prints and logs, on its way to the log of this process.

The process, and all that it starts, write to one pipe. Its own log, and what Python prints
there, arrive as frames: lines that are formatted already. Everything else is a raw line:
of C code, of a child process, of faulthandler.
"""

import os
import select
import threading
from typing import Callable, List

from ..log_output import MAX_LINE, MAX_WAITING, Records, decode_line, split_long
from ..logs import NO_CONTEXT, WRITER, Context, PrintedLines

#: The begin and the end of a frame, and what stands for the ends of lines in it. No line
#: that is formatted contains them.
BEGIN, END, NEWLINE = b"\x1e", b"\x1d", b"\x1f"

#: Bytes that are read at once, and how often in a row.
CHUNK, CHUNKS = 64 * 1024, 16

#: Seconds between two looks at whether the pipe is closed, and until a traceback to which
#: nothing is added is written.
IDLE_SECONDS, RECORD_SECONDS = 1.0, 0.1


class ModelOutput:
    """The pipe from a model process, and the thread that reads it.

    Attributes:
        pid: of the process.
        write_fd: the end of the process, which whoever starts it closes here.
        find_context: returns the context of raw lines.
    """

    def __init__(self) -> None:
        """Make the pipe."""
        self.pid = 0
        self.find_context: Callable[[], Context] = lambda: NO_CONTEXT
        self._fd, self.write_fd = os.pipe()
        os.set_blocking(self._fd, False)
        self._is_open = True
        self._begun = b""
        self._lock = threading.Lock()
        self._records = Records(self._put)
        self._lines = PrintedLines("output", WRITER.put, lambda: self.find_context())

    def start(self) -> None:
        """Start the thread; it ends with the last process that writes, or after `close`.

        Raises:
            OSError: the system starts no more.
        """
        try:
            threading.Thread(target=self._run, daemon=True).start()
        except RuntimeError as error:
            raise OSError(str(error)) from None

    def read(self) -> None:
        """Log what has arrived; never waits."""
        with self._lock:
            for _ in range(CHUNKS):
                if not self._is_open or not self._read_chunk():
                    return

    def close(self) -> None:
        """Log what has arrived and close the pipe; the thread ends a little later."""
        self.read()
        with self._lock:
            self._end()

    def _run(self) -> None:
        poller = select.poll()
        poller.register(self._fd, select.POLLIN)
        while self._is_open:
            seconds = RECORD_SECONDS if self._records else IDLE_SECONDS
            if poller.poll(seconds * 1000):
                self.read()
                continue
            with self._lock:
                self._records.finish()

    def _read_chunk(self) -> bool:
        """Log a chunk; return whether there was one."""
        try:
            data = os.read(self._fd, CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self._end()
            return False
        *lines, self._begun = (self._begun + data).split(b"\n")
        limit = MAX_WAITING if self._begun.startswith(BEGIN) else MAX_LINE
        if len(self._begun) > limit:
            lines.append(self._begun)
            self._begun = b""
        for line in lines:
            self._log(line)
        return True

    def _log(self, line: bytes) -> None:
        raw, _, frame = line.partition(BEGIN)
        if not frame.endswith(END):
            raw, frame = line, b""
        if raw or not frame:
            for part in split_long([raw]):
                self._records.add(decode_line(part))
        if frame:
            self._records.finish()
            WRITER.put(frame[:-1].replace(NEWLINE, b"\n") + b"\n")

    def _end(self) -> None:
        """Log what is left, and close the pipe; `_lock` is held."""
        if self._is_open:
            self._is_open = False
            if self._begun:
                self._log(self._begun)
            self._records.finish()
            os.close(self._fd)

    def _put(self, lines: List[str]) -> None:
        self._lines.pid = self.pid
        self._lines.put(lines)


class FrameWriter:
    """Writes lines of the log to the pipe, in the model process."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._pid = os.getpid()
        # the handler of a signal may write while its thread writes
        self._lock = threading.RLock()

    def put(self, line: bytes) -> None:
        """Write a line, or several that belong together, with the end of the last."""
        frame = BEGIN + line[:-1].replace(b"\n", NEWLINE) + END + b"\n"
        if os.getpid() != self._pid:
            # another thread of the parent may have held the lock at the fork
            self._pid, self._lock = os.getpid(), threading.RLock()
        with self._lock:
            while frame:
                frame = frame[os.write(self._fd, frame) :]
