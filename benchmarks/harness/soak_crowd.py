"""Clients that harm a server without meaning to: slow ones, and ones that break off."""

import contextlib
import json
import random
import socket
import struct
import threading
import time

from .client import HOST

SLOW_CLIENTS = 300
RESETS_A_SECOND = 50

#: Seconds between two bytes of a slow client.
PACE = 3.0

HEAD = b"POST /run HTTP/1.1\r\nHost: x\r\n"

#: How requests of slow clients begin; they never end.
BEGINNINGS = [
    b"",
    b"GET /status HTTP/1.1\r\nX: ",
    HEAD + b"Content-Length: 1000\r\n\r\n{",
    HEAD + b"Content-Length: 1000000\r\n\r\n{",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\nfff\r\n{",
]


class Crowd:
    """Slow clients and resets beside the honest clients, within a `with` statement."""

    def __init__(self, port: int, seed: int) -> None:
        """Prepare the clients.

        Args:
            port: of the server.
            seed: of the choice of their requests.
        """
        self._port = port
        self._random = random.Random(seed)
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> "Crowd":
        self._stopped.clear()
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._drip, self._reset)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _drip(self) -> None:
        """Send a byte on each slow connection now and then; open those again that the server has closed."""
        connections: list[socket.socket | None] = [None] * SLOW_CLIENTS
        while not self._stopped.is_set():
            for number, connection in enumerate(connections):
                connections[number] = self._send_byte(connection, BEGINNINGS[number % len(BEGINNINGS)])
                if self._stopped.wait(PACE / SLOW_CLIENTS):
                    break
        for connection in connections:
            if connection:
                connection.close()

    def _send_byte(self, connection: socket.socket | None, beginning: bytes) -> socket.socket | None:
        try:
            if connection is None:
                connection = socket.create_connection((HOST, self._port), timeout=1)
                connection.sendall(beginning)
            elif beginning:
                connection.sendall(b"1")
            return connection
        except OSError:
            if connection:
                connection.close()
            return None

    def _reset(self) -> None:
        """Break off requests that are half sent, jobs that wait, and answers that arrive."""
        job = json.dumps({"type": "file", "input": "/nonexistent", "output": "/nonexistent"}).encode()
        whole = HEAD + b"Content-Length: %d\r\n\r\n" % len(job) + job
        requests = [b"", HEAD, whole[:-1], whole, b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n"]
        while not self._stopped.wait(1 / RESETS_A_SECOND):
            with contextlib.suppress(OSError), socket.create_connection((HOST, self._port), timeout=1) as connection:
                connection.sendall(self._random.choice(requests))
                time.sleep(self._random.choice((0, 0, 0.005)))
                # closed now, it sends a reset in place of an end
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
