"""Gunicorn's thread worker, faster for a client that sends one request after another.

Before version 24, `handle` returns a pair: there nothing changes.
"""

import contextlib
import select
import socket
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from .hooks import put_first

#: Milliseconds that a thread waits for its client's next request.
LINGER = 5


class WebWorker(ThreadWorker):  # type: ignore[misc]
    """Keeps a busy client on one thread, and closes its connection there."""

    def __init__(self, *args: Any) -> None:
        """Create the worker; Gunicorn's arbiter does so before it forks."""
        super().__init__(*args)
        put_first(self.cfg)

    def handle(self, conn: Any) -> Any:
        """Handle a request and those that follow at once on its connection."""
        keep = super().handle(conn)
        while keep is True and self._has_time() and _has_more(conn):
            keep = super().handle(conn)
        if keep is False:
            # from version 26 on, Gunicorn waits up to 2 s for the client to close, on
            # the one thread that accepts connections (`util.close_graceful`)
            conn.close(graceful=True)
            conn.close = _do_nothing
        return keep

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Handle a request; send the headers and the body of its response together."""
        # such a client waits for "100 Continue" before it sends its body
        if any(name == "EXPECT" for name, _ in req.headers):
            return super().handle_request(req, conn)
        _cork(conn.sock, True)
        try:
            return super().handle_request(req, conn)
        finally:
            _cork(conn.sock, False)

    def _has_time(self) -> bool:
        """Return whether no other client can be waiting for this thread."""
        return bool(self.alive and self.nr_conns <= self.cfg.threads)


def _has_more(conn: Any) -> bool:
    """Return whether the client sends more within `LINGER`."""
    poller = select.poll()
    poller.register(conn.sock, select.POLLIN)
    return bool(poller.poll(LINGER))


def _cork(sock: socket.socket, on: bool) -> None:
    """Hold back data that is sent, or flush it; see tcp(7)."""
    # other sockets than TCP refuse this
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, on)


def _do_nothing(graceful: bool = False) -> None:
    """Replace `close` of a connection that is closed."""
