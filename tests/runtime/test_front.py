"""What the front of the server decides, without a server."""

import socket
import threading

import pytest
from flask_psc_model.server.gunicorn import front, threads
from hypothesis import given
from hypothesis import strategies as st

HEAD = b"POST /run HTTP/1.1\r\nHost: x\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

#: Whole requests, each of them to be handed over with its last byte.
WHOLE = [
    b"GET / HTTP/1.1\r\n\r\n",
    HEAD + b"Content-Length: 5\r\n\r\n12345",
    HEAD + b"content-length:0\r\n\r\n",
    CHUNKED + b"5\r\n12345\r\n0\r\n\r\n",
    CHUNKED + b"2;a=b\r\n\r\n\r\nA\r\n0123456789\r\n00\r\nTrailer: x\r\n\r\n",
]


@given(data=st.sampled_from(WHOLE), cuts=st.sets(st.integers(1, 200)))
def test_a_request_is_handed_over_with_its_last_byte(data, cuts):
    arrival = front.Arrival()
    for cut in sorted(cut for cut in cuts if cut < len(data)):
        wanted = arrival.look(data[:cut])
        assert cut < wanted <= len(data)
        assert not arrival.is_complete
    assert arrival.look(data) == 0
    assert arrival.is_complete


@given(name=st.sampled_from([b"Content-Length", b"Expect", b"A"]), value=st.binary())
def test_whatever_a_client_sends_is_no_error_of_the_loop(name, value):
    head = HEAD + name + b": " + value * 300 + b"\r\n\r\n"
    assert front.Arrival().look(head + value) >= 0
    assert front.Arrival().look(CHUNKED + value * 300) >= 0


@pytest.mark.parametrize(
    "data",
    [
        CHUNKED + b"xyz\r\n",
        CHUNKED + b"5\r\n12345\r\n-1\r\n",
        CHUNKED + b"5" * 300,
        HEAD + b"Content-Length: -1\r\n\r\n",
        pytest.param(
            HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", id="digits"
        ),
        pytest.param(CHUNKED + b"f" * 5000 + b"\r\n", id="digits of a chunk"),
        b"\r\n\r\n",
    ],
)
def test_what_is_malformed_is_not_waited_for(data):
    assert front.Arrival().look(data) == 0


@pytest.mark.parametrize(
    "data",
    [
        b"GET /" + b"x" * front.MAX_HEAD,
        HEAD + b"Content-Length: 65537\r\n\r\n",
        CHUNKED + b"10001\r\n",
        CHUNKED + b"8000\r\n" + b"x" * 0x8000 + b"\r\n8000\r\n",
    ],
)
def test_what_is_large_goes_to_a_thread_before_it_is_complete(data):
    arrival = front.Arrival()
    assert arrival.look(data) == 0
    assert not arrival.is_complete


@pytest.fixture
def pair():
    """Return the two ends of a TCP connection, the server's first."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        client = socket.create_connection(listener.getsockname())
        sock, _ = listener.accept()
    with sock, client:
        yield sock, client


def test_a_client_has_left_once_it_has_closed_either_direction(pair):
    sock, client = pair
    assert not front.has_left(sock)
    client.shutdown(socket.SHUT_WR)
    assert front.is_readable(sock, 5)
    assert front.has_left(sock)


def test_a_client_that_has_sent_its_next_request_has_not_left(pair):
    sock, client = pair
    client.sendall(b"G")
    assert front.is_readable(sock, 5)
    assert not front.has_left(sock)
    assert not front.has_left(None)


# --- limits ----------------------------------------------------------------------


@pytest.fixture
def limit(monkeypatch):
    """Return a function that sets the room below a limit of processes."""

    def limit(*rooms):
        threads.count_threads.cache_clear()
        found = [(room, room + 5, "pids.max") for room in rooms]
        monkeypatch.setattr(threads, "_find_rooms", lambda: iter(found))
        monkeypatch.setattr(threads.os, "cpu_count", lambda: 4)

    yield limit
    threads.count_threads.cache_clear()


#: What one model process needs that has two CPUs of four.
RESERVED = 24 + 2 + 2 * 2 + 16


@pytest.mark.parametrize(
    ("rooms", "count"),
    [
        ([], 256),
        ([5000], 256),
        ([100], 100 - RESERVED),
        ([5000, 100], 100 - RESERVED),
        ([16 + RESERVED], 16),
    ],
)
def test_the_threads_follow_the_limits_of_processes(limit, rooms, count):
    limit(*rooms)
    assert threads.count_threads(1, 2.0) == count


def test_too_low_a_limit_is_an_error_that_says_what_is_needed(limit):
    limit(15 + RESERVED)
    message = r"pids.max is 66: the server needs at least 67 .*, and 307 .* raise"
    with pytest.raises(ValueError, match=message):
        threads.count_threads(1, 2.0)


def test_the_limit_of_this_process_can_be_read():
    assert all(room <= limit for room, limit, _ in threads._find_rooms())


@pytest.mark.parametrize(
    ("descriptors", "count"), [(65536, 64960), (1024, 512), (256, 128)]
)
def test_the_connections_follow_the_limit_of_descriptors(descriptors, count):
    assert threads.count_connections(256, descriptors) == count


# --- threads ---------------------------------------------------------------------


def test_the_threads_are_started_in_advance_and_the_last_idle_one_works(monkeypatch):
    pool = threads.ThreadPool(3)
    assert pool.grow()
    names = {pool.submit(threading.get_ident).result(5) for _ in range(50)}
    assert len(names) <= 3
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", None)
        assert pool.submit(lambda: 1).result(5) == 1


def test_calls_beyond_the_threads_wait_for_one():
    pool = threads.ThreadPool(1)
    gate = threading.Event()
    futures = [pool.submit(gate.wait), pool.submit(lambda: 2)]
    assert pool.is_busy
    assert pool.grow()
    gate.set()
    assert [each.result(5) for each in futures] == [True, 2]
    assert not pool.is_busy


def test_a_thread_that_the_system_refuses_is_started_later(monkeypatch):
    pool = threads.ThreadPool(4)
    start = threading.Thread.start

    def refuse(thread):
        if pool.count == 2:
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        assert not pool.grow()
        assert pool.submit(lambda: 1).result(5) == 1
    assert pool.grow()
    assert pool.count == 4


def test_an_error_of_a_call_is_that_of_its_future():
    pool = threads.ThreadPool(1)
    pool.grow()
    with pytest.raises(ZeroDivisionError):
        pool.submit(lambda: 1 // 0).result(5)
    assert pool.submit(lambda: 1).result(5) == 1
