"""Messages between the web process and a model process: one line of JSON each."""

import json
import os
import select
import time
from typing import Any, Callable, Optional

CHUNK = 65536


class Channel:
    """One end of a pair of pipes."""

    def __init__(self, read_fd: int, write_fd: int) -> None:
        self.read_fd = read_fd
        self.write_fd = write_fd
        self._buffer = b""

    def send(self, message: Any) -> None:
        """Send one message.

        Raises:
            OSError: the other end is closed.
        """
        data = memoryview(json.dumps(message).encode("ascii") + b"\n")
        while data:
            data = data[os.write(self.write_fd, data) :]

    def receive(self) -> Any:
        """Wait for one message.

        Raises:
            EOFError: the other end is closed.
        """
        while b"\n" not in self._buffer:
            self._fill()
        line, _, self._buffer = self._buffer.partition(b"\n")
        return json.loads(line.decode("ascii"))

    def wait(
        self, deadline: Optional[float], interval: float, stop: Callable[[], bool]
    ) -> bool:
        """Wait until a message has begun to arrive.

        Args:
            deadline: of `time.monotonic()`, or None to wait for ever.
            interval: seconds between two calls of `stop`.
            stop: ends the wait when it is true.

        Returns:
            Whether there is something to receive.
        """
        poller = select.poll()
        poller.register(self.read_fd, select.POLLIN)
        while not self._buffer:
            left = interval
            if deadline is not None:
                left = min(interval, deadline - time.monotonic())
            if left <= 0:
                return False
            if poller.poll(left * 1000):
                return True
            if stop():
                return bool(poller.poll(0))
        return True

    def close(self) -> None:
        """Close both pipes."""
        os.close(self.read_fd)
        os.close(self.write_fd)

    def _fill(self) -> None:
        chunk = os.read(self.read_fd, CHUNK)
        if not chunk:
            raise EOFError("the other end of the pipe is closed")
        self._buffer += chunk
