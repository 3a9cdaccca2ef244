"""A tiny HTTP client: its own cost must be small beside that of the servers.

Run as a program, in a process of its own, it reads a load as JSON from standard input and writes what it
measured as JSON to standard output.
"""

import json
import selectors
import socket
import sys
import time
from typing import Any, NamedTuple

HOST = "127.0.0.1"


class BadAnswer(Exception):
    """The server answered something else than a success."""


class Answer(NamedTuple):
    """An HTTP answer: its status and its body."""

    status: int
    body: bytes


class Connection:
    """One connection, with one request that is sent over and over.

    It is kept alive between requests unless the server closes it.

    Attributes:
        sock: the socket, or None while there is no connection.
        sent: when the last request was started, before connecting if it had to connect; in seconds of
            `time.perf_counter`.
    """

    def __init__(self, port: int, method: str, path: str, content: Any = None) -> None:
        """Prepare the request.

        Args:
            port: where the server listens on this host.
            method: an HTTP method.
            path: the path of the URL.
            content: the body, which is sent as JSON; None for no body.
        """
        self.port = port
        self.sock: socket.socket | None = None
        self.sent = 0.0
        self._received = bytearray()
        body = b"" if content is None else json.dumps(content).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self._request = head.encode() + b"\r\n" + body

    def send(self, timeout: float | None = None) -> socket.socket:
        """Send the request, connecting first where there is no connection.

        Args:
            timeout: seconds that connecting, sending or receiving may wait; None for ever.

        Returns:
            The socket on which the answer will arrive.
        """
        self.sent = time.perf_counter()
        if self.sock is None:
            self.sock = socket.create_connection((HOST, self.port), timeout)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.settimeout(timeout)
        self.sock.sendall(self._request)
        return self.sock

    def receive(self) -> Answer | None:
        """Read what has arrived.

        Returns:
            The answer, or None while a part of it is missing.

        Raises:
            BadAnswer: the server closed the connection, or its response has no length.
        """
        assert self.sock is not None
        chunk = self.sock.recv(65536)
        if not chunk:
            raise BadAnswer("the server closed the connection without an answer")
        self._received += chunk
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return None
        status_line, *lines = head.decode("latin-1").lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        if "content-length" not in headers:
            raise BadAnswer(f"the response has no length: {bytes(self._received[:500])!r}")
        if len(body) < int(headers["content-length"]):
            return None
        self._received.clear()
        if headers.get("connection") == "close":
            self.close()
        return Answer(int(status_line.split()[1]), bytes(body))

    def exchange(self, timeout: float) -> Answer:
        """Send the request and wait for the answer.

        Args:
            timeout: seconds to wait.

        Raises:
            OSError: there is no connection, or no answer in time.
            BadAnswer: the answer cannot be read.
        """
        try:
            self.send(timeout)
            while not (answer := self.receive()):
                pass
        except BaseException:
            self.close()
            raise
        return answer

    def close(self) -> None:
        """Close the connection."""
        if self.sock is not None:
            self.sock.close()
            self.sock = None
        self._received.clear()


def drive(port: int, jobs: list[dict[str, str]], seconds: float, warm_up: float = 0.0) -> tuple[list[float], int]:
    """Send jobs for a while, one client a job: each sends its next request when it has its answer.

    Args:
        port: where the server listens.
        jobs: the body that each client sends to `/run`.
        seconds: how long jobs count: those that end in this window, which follows the warm-up.
        warm_up: how long jobs are sent before, in seconds.

    Returns:
        The time that each job in the window took, in seconds, and the number of all jobs.

    Raises:
        BadAnswer: an answer is not 200.
    """
    selector = selectors.DefaultSelector()
    latencies: list[float] = []
    count = 0
    opens = time.perf_counter() + warm_up
    closes = opens + seconds
    connections = [Connection(port, "POST", "/run", job) for job in jobs]
    for connection in connections:
        selector.register(connection.send(), selectors.EVENT_READ, connection)
    while selector.get_map():
        for key, _ in selector.select():
            connection = key.data
            answer = connection.receive()
            if answer is None:
                continue
            now = time.perf_counter()
            count += 1
            if opens <= now <= closes:
                latencies.append(now - connection.sent)
            if answer.status != 200:
                raise BadAnswer(f"a job was answered {answer.status}: {answer.body[:500]!r}")
            sock = connection.send() if now < closes else None
            if sock is not key.fileobj:
                selector.unregister(key.fileobj)
                if sock:
                    selector.register(sock, selectors.EVENT_READ, connection)
    for connection in connections:
        connection.close()
    return latencies, count


if __name__ == "__main__":
    json.dump(drive(**json.load(sys.stdin)), sys.stdout)
