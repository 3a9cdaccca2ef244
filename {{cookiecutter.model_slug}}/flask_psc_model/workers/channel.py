"""Messages between the process that answers and a model process: lines of JSON.

Each message of a model process carries the number of its job and the process's own id, so
that a stray line, or a copy of the process that the model forked, cannot answer for
another job.
"""

import json
import os
import threading
import time
from typing import Any, Dict, List

#: Bytes of a line, its end included.
MAX_LINE = 65536

#: Seconds between the begin of a line and its end.
LINE_SECONDS = 1.0

Message = Dict[str, Any]


class BrokenChannel(Exception):
    """What arrived is no message; the text says what it is."""


class Channel:
    """The end of the process that answers: nothing that is done here waits."""

    def __init__(self, read_fd: int, write_fd: int) -> None:
        self.read_fd = read_fd
        self.write_fd = write_fd
        for fd in (read_fd, write_fd):
            os.set_blocking(fd, False)
        self._received = b""
        self._line_since = 0.0
        self._unsent = b""
        self._is_closed = False
        self._lock = threading.Lock()

    def put(self, message: Message) -> None:
        """Add a message to what `flush` sends."""
        line = encode(message)
        with self._lock:
            self._unsent += line

    def flush(self) -> None:
        """Send what was put here, as far as the pipe takes it."""
        with self._lock:
            if self._unsent and not self._is_closed:
                try:
                    sent = os.write(self.write_fd, self._unsent)
                    self._unsent = self._unsent[sent:]
                except BlockingIOError:
                    pass
                except OSError:
                    # nobody reads any more: the process has ended, as its end tells
                    self._unsent = b""

    @property
    def is_full(self) -> bool:
        """Whether the pipe has not taken all that was put here."""
        return bool(self._unsent)

    def receive(self) -> List[Message]:
        """Return the messages that have arrived.

        Raises:
            BrokenChannel: something else has.
            EOFError: the other end is closed.
        """
        try:
            chunk = os.read(self.read_fd, MAX_LINE)
            if not chunk:
                raise EOFError("the other end of the pipe is closed")
        except BlockingIOError:
            chunk = b""
        now = time.monotonic()
        if not self._received:
            self._line_since = now
        *lines, self._received = (self._received + chunk).split(b"\n")
        if lines:
            self._line_since = now
        is_late = now - self._line_since > LINE_SECONDS
        if self._received and is_late or len(self._received) >= MAX_LINE:
            raise BrokenChannel(f"a line without end: {self._received[:80]!r}")
        return [decode(line) for line in lines]

    def close(self) -> None:
        """Close both pipes."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                os.close(self.read_fd)
                os.close(self.write_fd)


class ModelChannel:
    """The end of a model process: it waits for what there is to do."""

    def __init__(self, read_fd: int, write_fd: int) -> None:
        self._lines = os.fdopen(read_fd, "rb")
        self._write_fd = write_fd

    def receive(self) -> Message:
        """Wait for one message.

        Raises:
            EOFError: the other end is closed.
        """
        line = self._lines.readline()
        if not line:
            raise EOFError("the other end of the pipe is closed")
        return decode(line)

    def send(self, message: Message) -> None:
        """Send one message.

        Raises:
            OSError: the other end is closed.
        """
        line = encode(message)
        while line:
            line = line[os.write(self._write_fd, line) :]


def encode(message: Message) -> bytes:
    """Return a message as a line."""
    return json.dumps(message).encode("ascii") + b"\n"


def decode(line: bytes) -> Message:
    """Return the message of a line.

    Raises:
        BrokenChannel: it holds none.
    """
    try:
        message = json.loads(line.decode("ascii"))
        if isinstance(message, dict):
            return message
    except (ValueError, RecursionError):
        pass
    raise BrokenChannel(f"a line that is no message: {line[:80]!r}")
