"""Gunicorn's thread worker behind the front (see `front`), on Gunicorn 21.2 and later.

The loop and the keep-alive are Gunicorn's. Overridden are its steps: accept a connection,
hand a request to a thread (`enqueue_req`), handle it there, and close what is overdue
(`murder_keepalived`, once in each round of the loop, at least once a second).
"""

import collections
import contextlib
import logging
import selectors
import socket
import sys
import time
from functools import partial
from typing import Any, Deque, Dict, Set

from gunicorn.http import errors
from gunicorn.workers.gthread import TConn, ThreadWorker

from . import front
from .hooks import put_first
from .threads import ThreadPool

#: Seconds that a thread waits for its client's next request.
LINGER = 0.005

#: Seconds that a server which stops waits for the first bytes of new connections.
LAST_SECONDS = 0.2

#: Seconds for which no connection is accepted when the system can open none.
PAUSE = 1.0

#: Seconds between two looks at what is overdue.
SWEEP_SECONDS = 0.5

#: The statuses of requests that Gunicorn refuses.
STATUS_CODES = {errors.LimitRequestLine: 414, errors.LimitRequestHeaders: 431}

#: Before version 24, those of a broken chunk are no `ParseException`.
BROKEN_CHUNK = (errors.InvalidChunkSize, errors.ChunkMissingTerminator)
BROKEN_REQUEST = (errors.ParseException,) + BROKEN_CHUNK

log = logging.getLogger(__name__)


class WebWorker(ThreadWorker):  # type: ignore[misc]
    """Hands to its threads what has arrived, and keeps a busy client on one of them."""

    def __init__(self, *args: Any) -> None:
        """Create the worker; Gunicorn's arbiter does so before it forks."""
        super().__init__(*args)
        put_first(self.cfg)
        # before version 24, Gunicorn's loop serves nobody once it is full
        self._max_connections: int = self.cfg.worker_connections
        self.worker_connections = sys.maxsize
        self._arriving: Dict[Any, front.Arrival] = {}
        # connections whose requests threads read, and those that wait for such a thread
        self._receiving: Set[Any] = set()
        self._large: Deque[Any] = collections.deque()
        self._paused_until = 0.0
        self._next_sweep = 0.0

    def get_thread_pool(self) -> ThreadPool:
        """Return the threads, which `run` starts: the model process comes first."""
        return ThreadPool(self.cfg.threads)

    def run(self) -> None:
        """Serve until the worker is stopped."""
        if not self.tpool.grow():
            log.warning(
                "only %d of %d threads can be started: raise the limit of processes",
                self.tpool.count,
                self.tpool.size,
            )
        super().run()
        # before version 24, the loop ends while requests are arriving
        self._refuse_all()

    def accept(self, *args: Any) -> None:
        """Accept a connection; pause where the system can open none."""
        # before version 24, there is another argument before it
        listener = args[-1]
        try:
            sock, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            log.warning("no connection can be accepted for %g s: %s", PAUSE, error)
            self._pause()
            return
        self.nr_conns += 1
        conn = TConn(self.cfg, sock, address, listener.getsockname())
        conn.can_peek = not self.cfg.is_ssl and front.can_peek(sock)
        self.enqueue_req(conn)
        if self.nr_conns >= self._max_connections:
            self._make_room()

    def enqueue_req(self, conn: Any) -> None:
        """Hand a request to a thread once it has arrived."""
        if conn.can_peek:
            self._look(conn, front.Arrival())
        else:
            super().enqueue_req(conn)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Start or stop to accept connections, from version 24 on."""
        self._resume()
        super().set_accept_enabled(enabled)
        if not self.alive:
            # its clients would wait until the last job has ended, and get no answer
            for listener in self.sockets:
                listener.close()

    def murder_keepalived(self, *args: Any, **options: Any) -> None:
        """Close the connections that are idle, or send, for too long."""
        super().murder_keepalived(*args, **options)
        if not self.alive:
            self._refuse_all()
        now = time.monotonic()
        if now < self._next_sweep:
            return
        self._next_sweep = now + SWEEP_SECONDS
        for conn, arrival in list(self._arriving.items()):
            if now >= arrival.deadline:
                self._refuse(conn, 408, "the request did not arrive in time")
        while self._large and self._has_room():
            self._receive(self._large.popleft())
        if self._paused_until and now >= self._paused_until:
            if self.nr_conns < self._max_connections:
                self._resume()
        self.tpool.grow()

    def handle(self, conn: Any) -> Any:
        """Handle a request and those that have arrived behind it on its connection."""
        while True:
            result = self._handle_one(conn)
            # before version 24, it is a pair
            keep = result[0] if isinstance(result, tuple) else result
            if keep is not True or not self._has_next(conn):
                break
        if keep is False and not isinstance(result, tuple):
            # from version 26 on, Gunicorn waits up to 2 s for the client to close, on
            # the one thread that accepts connections (`util.close_graceful`)
            conn.close(graceful=True)
            conn.close = _do_nothing
        return result

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Handle a request; send the headers and the body of its response together.

        Raises:
            InvalidHeader: the length of its body is ambiguous, or no number.
        """
        headers = dict(req.headers)
        if len(headers.get("CONTENT-LENGTH", "")) > front.MAX_DIGITS:
            # a newer Python reads no such number, and Gunicorn refuses it before
            raise errors.InvalidHeader("CONTENT-LENGTH", req=req)
        if "TRANSFER-ENCODING" in headers:
            # before version 22, Gunicorn lets this pass: a proxy may read it otherwise
            if "CONTENT-LENGTH" in headers:
                raise errors.InvalidHeader("CONTENT-LENGTH", req=req)
            req.body.reader = _ChunkReader(req)
        if "EXPECT" in headers:
            if not conn.can_peek:
                # Gunicorn sends "100 Continue" at once
                return super().handle_request(req, conn)
            # the front has sent it
            req.headers[:] = [each for each in req.headers if each[0] != "EXPECT"]
            req._expected_100_continue = False
        _cork(conn.sock, True)
        try:
            return super().handle_request(req, conn)
        finally:
            _cork(conn.sock, False)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Any) -> None:
        """Answer what is no request, or what Gunicorn refuses, as the routes would."""
        is_broken = isinstance(exc, BROKEN_REQUEST)
        status_code = STATUS_CODES.get(type(exc), 400) if is_broken else 500
        message = str(exc) if is_broken else "the request cannot be handled"
        response = front.format_response(status_code, message)
        if is_broken:
            log.warning("a request from %s is refused: %s", addr and addr[0], exc)
        else:
            log.error("a request cannot be handled", exc_info=exc)
        try:
            client.sendall(response)
        except OSError as error:
            log.debug("the client has left: %s", error)

    def _look(self, conn: Any, arrival: front.Arrival) -> None:
        """Look at what has arrived, and hand it over or wait for more."""
        held = _get_held(conn)
        try:
            found = front.peek(conn.sock)
        except OSError:
            self._drop(conn)
            return
        data = held + (found or b"")
        has_ended = found is not None and len(data) <= arrival.seen
        if has_ended and not data:
            self._drop(conn)
            return
        wanted = 0 if has_ended else arrival.look(data)
        if arrival.expects_continue and not arrival.is_complete:
            arrival.expects_continue = False
            _send(conn.sock, b"HTTP/1.1 100 Continue\r\n\r\n")
        if wanted:
            front.wake_at(conn.sock, wanted - len(held))
            self.poller.register(
                conn.sock, selectors.EVENT_READ, partial(self._on_more, conn)
            )
            # in the order of their first bytes
            self._arriving[conn] = arrival
            return
        self._arriving.pop(conn, None)
        if arrival.is_complete or has_ended:
            self._submit(conn)
        elif self._has_room():
            self._receive(conn)
        else:
            self._large.append(conn)

    def _on_more(self, conn: Any, sock: socket.socket) -> None:
        if conn not in self._arriving:
            # to make room, it was closed in this round of the loop
            return
        self.poller.unregister(sock)
        front.wake_at(sock, 1)
        self._look(conn, self._arriving[conn])

    def _submit(self, conn: Any) -> None:
        # from version 24 on, the thread would wait for it
        conn.data_ready = True
        super().enqueue_req(conn)

    def _has_room(self) -> bool:
        """Return whether another thread may read a request that is still arriving."""
        return len(self._receiving) < max(self.tpool.size // 4, 1)

    def _receive(self, conn: Any) -> None:
        self._receiving.add(conn)
        self._submit(conn)

    def _refuse_all(self) -> None:
        """Refuse what has not arrived when the server stops."""
        end = time.monotonic() + LAST_SECONDS
        for conn in [*self._arriving, *self._large]:
            front.is_readable(conn.sock, max(end - time.monotonic(), 0))
            self._refuse(conn, 503, "the server is shutting down")
        self._large.clear()

    def _refuse(self, conn: Any, status_code: int, message: str) -> None:
        """Close a connection whose request has not arrived, with a response to it."""
        # that of a large request is not registered
        with contextlib.suppress(KeyError):
            self.poller.unregister(conn.sock)
        with contextlib.suppress(OSError):
            data = front.peek(conn.sock)
            if data or _get_held(conn):
                _send(conn.sock, front.format_response(status_code, message))
                # with bytes unread, the kernel would drop the response
                conn.sock.recv(len(data or b""), socket.MSG_DONTWAIT)
        self._drop(conn)

    def _drop(self, conn: Any) -> None:
        self._arriving.pop(conn, None)
        self.nr_conns -= 1
        conn.close()

    def _make_room(self) -> None:
        """Close the connection that has been sending longest, or accept no other one."""
        if self._arriving:
            oldest = next(iter(self._arriving))
            self._refuse(oldest, 503, "there are too many connections")
        else:
            self._pause()

    def _pause(self) -> None:
        if not self._paused_until:
            for listener in self.sockets:
                self.poller.unregister(listener)
        self._paused_until = time.monotonic() + PAUSE

    def _resume(self) -> None:
        if self._paused_until:
            self._paused_until = 0.0
            for listener in self.sockets:
                self.poller.register(listener, selectors.EVENT_READ, self.accept)

    def _handle_one(self, conn: Any) -> Any:
        if conn.can_peek:
            conn.init()
            if hasattr(conn.parser, "unreader"):
                is_arriving = conn in self._receiving
                sock = front.PacedSocket(conn.sock) if is_arriving else conn.sock
                conn.parser.unreader.sock = sock
        try:
            result = super().handle(conn)
            if result == (True, conn):
                # before version 24, this is done when the next request is read
                while conn.parser.mesg.body.read(front.FIRST_LOOK):
                    pass
            return result
        except (OSError,) + BROKEN_REQUEST:
            return (False, conn)
        finally:
            self._receiving.discard(conn)

    def _has_next(self, conn: Any) -> bool:
        """Return whether the client's next request has arrived, or does within `LINGER`."""
        if not conn.can_peek:
            return False
        held = _get_held(conn)
        # no other client may be waiting for this thread
        has_time = self.alive and not self.tpool.is_busy
        if not held and not (has_time and front.is_readable(conn.sock, LINGER)):
            return False
        arrival = front.Arrival()
        try:
            wanted = arrival.look(held + (front.peek(conn.sock) or b""))
            if wanted and has_time:
                # many clients send the head and the body one after the other
                front.wake_at(conn.sock, wanted - len(held))
                front.is_readable(conn.sock, LINGER)
                front.wake_at(conn.sock, 1)
                arrival.look(held + (front.peek(conn.sock) or b""))
        except OSError:
            return False
        return arrival.is_complete


class _ChunkReader:
    """Reads a chunked body; a broken one is the client's mistake."""

    def __init__(self, req: Any) -> None:
        self._req = req
        self._reader = req.body.reader

    def read(self, size: int) -> Any:
        """Return some bytes.

        Raises:
            BadRequest: a chunk is malformed.
        """
        # imported here: Flask loads while the model processes start
        from werkzeug.exceptions import BadRequest

        try:
            return self._reader.read(size)
        except BROKEN_REQUEST as error:
            # nobody knows where the next request begins
            self._req.headers.append(("CONNECTION", "close"))
            raise BadRequest(f"the body has a broken chunk: {error}") from error


def _get_held(conn: Any) -> bytes:
    """Return what was read with the request before."""
    unreader = getattr(conn.parser, "unreader", None)
    return bytes(unreader.buf.getvalue()) if unreader else b""


def _send(sock: socket.socket, data: bytes) -> None:
    """Send a few bytes without waiting, to a client that may have left."""
    with contextlib.suppress(OSError):
        sock.send(data, socket.MSG_DONTWAIT)


def _cork(sock: socket.socket, on: bool) -> None:
    """Hold back data that is sent, or flush it; see tcp(7)."""
    # other sockets than TCP refuse this
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, on)


def _do_nothing(graceful: bool = False) -> None:
    """Replace `close` of a connection that is closed."""
