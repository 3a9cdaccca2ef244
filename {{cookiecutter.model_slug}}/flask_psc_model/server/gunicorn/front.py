"""The front: no connection holds a thread before its request has arrived.

The loop of the web process looks at what has arrived without reading it, and the kernel
wakes it only once there is more. A thread gets a request when its head is complete, and
its body, too, if that has at most `MAX_BODY` bytes. A larger body is read in the thread,
at a pace that the client has to keep.
"""

import re
import select
import socket
import time
from typing import Any, Dict, Optional

from ...logs import set_request_id

#: Seconds for the head of a request, and for a body beyond those for its size.
RECEIVE_SECONDS = 15

#: Bytes of a body for which its client gets one second more.
BYTES_PER_SECOND = 64 * 1024

#: A larger head or body is read in a thread, before it has arrived completely.
MAX_HEAD = MAX_BODY = 64 * 1024

#: Bytes to look at first: of most requests, there are no more.
FIRST_LOOK = 8 * 1024

#: The longest line with the size of a chunk.
MAX_CHUNK_LINE = 256

#: Digits of a body's length; Python refuses to read thousands.
MAX_DIGITS = 18

_FIELDS = re.compile(
    rb"\r\n(content-length|transfer-encoding|expect)[ \t]*:[ \t]*([^\r\n]*)", re.I
)

_SIZE = re.compile(rb"([0-9a-f]+)[ \t]*(?:;.*)?", re.I)


class Arrival:
    """How much of a request has arrived.

    Attributes:
        deadline: for what is awaited now, of `time.monotonic()`.
        seen: bytes that have arrived.
        is_complete: whether all of it has arrived.
        expects_continue: whether the client waits for "100 Continue".
    """

    def __init__(self) -> None:
        self.deadline = time.monotonic() + RECEIVE_SECONDS
        self.seen = 0
        self.is_complete = False
        self.expects_continue = False
        self._body = 0
        self._end: Optional[int] = None
        self._chunk = 0

    def look(self, data: bytes) -> int:
        """Return how many bytes to wait for; 0 where a thread can handle the request.

        A thread also gets what it will refuse: a malformed request, or one too long.

        Args:
            data: all that has arrived.
        """
        self.seen = len(data)
        if not self._body:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                return len(data) + 1 if len(data) < MAX_HEAD else 0
            self._read_head(data, end)
        if self._end is None:
            return self._walk(data)
        self.is_complete = len(data) >= self._end
        is_large = self._end - self._body > MAX_BODY
        return 0 if self.is_complete or is_large else self._end

    def _read_head(self, data: bytes, end: int) -> None:
        found = _FIELDS.findall(data, 0, end)
        fields = {name.lower(): value for name, value in found}
        self._body = self._chunk = end + 4
        self.expects_continue = fields.get(b"expect", b"").lower() == b"100-continue"
        if b"transfer-encoding" not in fields:
            length = fields.get(b"content-length", b"0")
            is_length = length.isdigit() and len(length) <= MAX_DIGITS
            self._end = self._body + (int(length) if is_length else 0)
        if found:
            self.deadline = time.monotonic() + RECEIVE_SECONDS + 1

    def _walk(self, data: bytes) -> int:
        """Go from chunk to chunk; a broken one ends the request."""
        while self._chunk - self._body <= MAX_BODY:
            end = data.find(b"\r\n", self._chunk)
            if end < 0 and len(data) - self._chunk < MAX_CHUNK_LINE:
                return max(len(data), self._chunk) + 1
            found = _SIZE.fullmatch(data, self._chunk, max(end, self._chunk))
            if not found:
                self.is_complete = True
                return 0
            size = int(found.group(1), 16)
            if size == 0:
                # trailers may follow
                self.is_complete = data.find(b"\r\n\r\n", end) >= 0
                is_large = len(data) - self._body > MAX_BODY
                return 0 if self.is_complete or is_large else len(data) + 1
            self._chunk = end + 2 + size + 2
        return 0


class PacedSocket:
    """A socket from which a thread reads a large request, with a time limit."""

    def __init__(self, sock: socket.socket) -> None:
        """Start the time limit."""
        self._sock = sock
        self._started = time.monotonic()
        self._received = 0

    def recv(self, size: int) -> bytes:
        """Return some of what the client has sent.

        Raises:
            OSError: the client is too slow.
        """
        seconds = RECEIVE_SECONDS + self._received / BYTES_PER_SECOND
        left = self._started + seconds - time.monotonic()
        if left <= 0 or not is_readable(self._sock, left):
            raise socket.timeout("the client sends too slowly")
        data = self._sock.recv(size)
        self._received += len(data)
        return data


def can_peek(sock: Any) -> bool:
    """Return whether one can look at what has arrived: not with TLS.

    The kernel wakes nobody by a count of bytes but for TCP.
    """
    families = (socket.AF_INET, socket.AF_INET6)
    return type(sock) is socket.socket and sock.family in families


def peek(sock: socket.socket) -> Optional[bytes]:
    """Return what has arrived and was not read; None if nothing has.

    Returns:
        No bytes where the client sends no more.

    Raises:
        OSError: the connection is broken.
    """
    size = FIRST_LOOK
    while True:
        try:
            data = sock.recv(size, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        if len(data) < size or size > MAX_HEAD + MAX_BODY:
            return data
        size = MAX_HEAD + MAX_BODY + 1


def get_socket(environ: Dict[str, Any]) -> Optional[socket.socket]:
    """Return the socket of a request, by its WSGI environment; None where it is unknown."""
    return environ.get("gunicorn.socket")


def has_left(sock: Optional[socket.socket]) -> bool:
    """Return whether the client of a connection has closed its end, as far as known."""
    try:
        return sock is not None and can_peek(sock) and peek(sock) == b""
    except OSError:
        return True


def is_readable(sock: socket.socket, seconds: float) -> bool:
    """Wait for a socket, for some seconds at most; return whether it can be read."""
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    return bool(poller.poll(seconds * 1000))


def wake_at(sock: socket.socket, count: int) -> None:
    """Have the kernel report a socket as readable only with so many bytes."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)


def format_response(status_code: int, message: str) -> bytes:
    """Return the response object as a whole HTTP response, which ends its connection."""
    # imported here: Flask loads while the model processes start
    from ..responses import MessageResponse

    response = MessageResponse(status_code, message)
    response.headers["Connection"] = "close"
    response.headers["X-Request-ID"] = set_request_id(None)
    if status_code == 503:
        response.headers["Retry-After"] = "1"
    head = f"HTTP/1.1 {response.status}\r\n{response.headers}"
    return head.encode("latin-1") + response.get_data()
