"""The real server: clients that are slow, silent, many, gone, or not quite HTTP."""

import contextlib
import http.client
import json
import os
import re
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from flask_psc_model.client import Client

from . import models
from .apps import check
from .connections import Connection, connect
from .job_folders import JobFolders
from .processes import (
    find_model_process,
    find_web_process,
    is_alive,
    list_children,
    wait_until,
)
from .project import count_waiting, make_project, read_metric, serve

pytestmark = pytest.mark.server

HEAD = b"POST /run HTTP/1.1\r\nHost: x\r\n"
STATUS = b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n"

#: Requests that lack their end.
HALVES = {
    "head": HEAD + b"Content-Le",
    "body": HEAD + b"Content-Length: 100\r\n\r\n{",
    "large body": HEAD + b"Content-Length: 100000\r\n\r\n{",
    "chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\n{",
    "large chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nfffff\r\n{",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Return a project whose model does what its input says."""
    return make_project(tmp_path_factory.mktemp("front") / "project", models.ACTOR)


@pytest.fixture(scope="module")
def server(project):
    """Return a server of that project, for all tests of this file."""
    with serve(project) as server:
        check(server.client.get("/status"), 200)
        yield server


@pytest.fixture
def impatient(tmp_path):
    """Return a server that allows one second for each part of a request."""
    project = make_project(tmp_path / "project", models.ECHO)
    with open(os.path.join(project, "gunicorn.conf.py"), "a") as file:
        file.write("from flask_psc_model.server.gunicorn import front\n")
        file.write("front.RECEIVE_SECONDS = 1\n")
    with serve(project) as server:
        check(server.client.get("/status"), 200)
        yield server


@pytest.fixture
def descriptors():
    """Let this process open as many connections as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def run(server, job):
    """Run a job and return the answer."""
    return server.client.post("/run", json=job.body)


def begin(server, pool, job, gate):
    """Start a job that waits for the gate; return the future of its answer."""
    running = pool.submit(run, server, job.give("wait-for {}".format(gate)))
    wait_until(job.outputs)
    return running


def check_now(server):
    """Check that the status is answered within 5 s."""
    check(Client(server.client.url, timeout=5).get("/status"), 200)


# --- slow clients ----------------------------------------------------------------


@contextlib.contextmanager
def drip(connections):
    """Send a byte on each of some connections again and again."""
    stopped = threading.Event()

    def send():
        while not stopped.wait(0.5):
            for connection in connections:
                with contextlib.suppress(OSError):
                    connection.send(b"x")

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def test_the_status_is_answered_beside_1000_silent_and_1000_dripping_clients(
    server, descriptors
):
    with connect(server, 1000), connect(server, 1000) as dripping:
        for connection in dripping:
            connection.send(b"GET /status HTTP/1.1\r\nX: ")
        with drip(dripping):
            for _ in range(5):
                check_now(server)
                time.sleep(0.3)


@pytest.mark.parametrize("name", HALVES)
def test_the_status_is_answered_beside_300_halves_of_a(server, name):
    with connect(server, 300) as connections:
        for connection in connections:
            connection.send(HALVES[name])
        check_now(server)


def test_a_head_that_comes_byte_by_byte_is_closed_in_the_end(impatient):
    with connect(impatient, 1) as connections, drip(connections):
        connections[0].send(HALVES["head"])
        status_code, content = connections[0].read_answer()
        assert status_code == content["statusCode"] == 408
        assert connections[0].read_some() == b""


def test_a_large_body_that_comes_byte_by_byte_is_closed_in_the_end(impatient):
    with connect(impatient, 1) as connections, drip(connections):
        connections[0].send(HALVES["large body"])
        status_code, content = connections[0].read_answer()
        assert status_code == content["statusCode"] == 408


def test_a_silent_client_is_closed_in_the_end(impatient):
    with connect(impatient, 1) as [connection]:
        assert connection.read_some() == b""


@pytest.mark.parametrize("name", HALVES)
def test_the_rest_of_a_request_may_come_later(server, job, name):
    body = json.dumps(job.give("hello").body).encode()
    if name == "head":
        parts = [HEAD + b"Content-Le", b"ngth: %d\r\n\r\n" % len(body) + body]
    elif "chunk" in name:
        size = 70000 if "large" in name else len(body)
        head = HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % size
        parts = [head + body[:9], body[9:].ljust(size - 9), b"\r\n0\r\n", b"\r\n"]
    else:
        size = 70000 if "large" in name else len(body)
        head = HEAD + b"Content-Length: %d\r\n\r\n" % size
        parts = [head + body[:9], body[9:].ljust(size - 9)]
    with connect(server, 1) as [connection]:
        for _ in range(2):
            for part in parts:
                connection.send(part)
                time.sleep(0.1)
            assert connection.read_answer()[0] == 200
        # a shorter one
        connection.send(STATUS)
        assert connection.read_answer()[0] == 200
    assert job.read() == "hello"


@pytest.mark.parametrize("size", [100, 100000])
def test_a_client_may_wait_for_100_continue(server, job, size):
    body = json.dumps(job.give("hello").body).encode().ljust(size)
    head = HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body)
    with connect(server, 1) as [connection]:
        for _ in range(2):
            connection.send(head)
            assert connection.read_some() == b"HTTP/1.1 100 Continue\r\n\r\n"
            connection.send(body)
            assert connection.read_some().startswith(b"HTTP/1.1 200 OK")


# --- limits of the system --------------------------------------------------------


def test_more_clients_than_descriptors_stop_nobody(project):
    command = ["sh", "-c", "ulimit -n 256; exec ./entrypoint.sh"]
    with serve(project, command) as server:
        check(server.client.get("/status"), 200)
        web_process = find_web_process(server)
        with connect(server, 400):
            check_now(server)
        assert find_web_process(server) == web_process
        assert "Too many open files" not in server.read_log()


def test_a_connection_may_send_more_while_it_makes_room_for_another(project):
    with open(os.path.join(project, "gunicorn.conf.py"), "a") as file:
        file.write("worker_connections = 20\n")
    with serve(project) as server:
        check(server.client.get("/status"), 200)
        web_process = find_web_process(server)

        def send(data):
            for connection in arriving:
                with contextlib.suppress(OSError):
                    connection.send(data)

        with connect(server, 20) as arriving:
            send(b"GET")
            check_now(server)
            for _ in range(3):
                # both happen in one round of the loop, the new connection first
                os.kill(web_process, signal.SIGSTOP)
                arriving.append(Connection(server))
                send(b" ")
                os.kill(web_process, signal.SIGCONT)
                time.sleep(0.1)
            check_now(server)
        assert find_web_process(server) == web_process


def limit_processes(project, room):
    """Have the system leave a project's server room for so many threads."""
    path = os.path.join(project, "gunicorn.conf.py")
    with open(path) as file:
        text = file.read()
    with open(path, "w") as file:
        file.write("from flask_psc_model.server.gunicorn import threads\n")
        file.write("rooms = [({}, 100, 'pids.max')]\n".format(room))
        file.write("threads._find_rooms = lambda: iter(rooms)\n")
        file.write(text)


def test_with_few_threads_fewer_jobs_wait_and_the_log_says_so(tmp_path, job):
    cpu = {"cpu": {"count": 1}}
    project = make_project(tmp_path / "project", models.ACTOR, resources=cpu)
    # 44 of them are for other threads and processes
    limit_processes(project, 70)
    with serve(project) as server:
        check(server.client.get("/status"), 200)
        web_process = find_web_process(server)
        with connect(server, 60) as connections:
            for connection in connections:
                connection.send_job(job.give("sleep 0.1").body)
            codes = [connection.read_answer()[0] for connection in connections]
        assert set(codes) == {200, 503}
        assert find_web_process(server) == web_process
        assert "room for 26 threads, not 256" in server.read_log()


def test_with_too_few_threads_the_server_refuses_to_start(tmp_path):
    project = make_project(tmp_path / "project", models.ACTOR)
    limit_processes(project, 20)
    path = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    process = subprocess.Popen(
        ["./entrypoint.sh"],
        cwd=project,
        env=dict(os.environ, PATH=path, PSC_MODEL_PORT="0"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
    )
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    [line] = output.splitlines()
    assert line.startswith("error: pids.max is 100: the server needs at least ")


# --- jobs that are not started ---------------------------------------------------


def get_retry_after(server, body):
    """Run a job; return the status, the header and the message."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("POST", "/run", json.dumps(body))
    response = connection.getresponse()
    content = json.loads(response.read().decode())
    connection.close()
    return response.status, response.getheader("Retry-After"), content["message"]


def test_a_full_queue_is_a_503_that_names_a_time(project, tmp_path, job, gate, pool):
    with serve(project, GUNICORN_CMD_ARGS="--threads 6") as server:
        running = begin(server, pool, job, gate)
        jobs = [JobFolders(tmp_path / str(number)) for number in range(2)]
        waiting = [pool.submit(run, server, each) for each in jobs]
        wait_until(lambda: count_waiting(server) == 2)
        status_code, seconds, message = get_retry_after(server, jobs[0].body)
        assert (status_code, message) == (503, "busy: 3 jobs are running or waiting")
        assert 1 <= int(seconds) <= 60
        gate.touch()
        for each in [running] + waiting:
            check(each.result(), 200)


def test_a_server_that_stops_runs_the_jobs_that_wait(
    project, tmp_path, job, gate, pool
):
    with serve(project) as server:
        running = begin(server, pool, job, gate)
        jobs = [JobFolders(tmp_path / str(number)) for number in range(3)]
        waiting = [pool.submit(run, server, each.give("hello")) for each in jobs]
        wait_until(lambda: count_waiting(server) == 3)
        check(server.client.post("/shutdown"), 202)
        gate.touch()
        for each in [running] + waiting:
            check(each.result(), 200)
        assert server.wait() == 0
    assert [each.read() for each in jobs] == ["hello"] * 3


def test_a_server_that_stops_refuses_what_has_not_arrived(project, job, gate, pool):
    # with four threads, one may read a large request; the last one waits for it
    names = ["head", "body", "chunk", "large chunk", "large body"]
    with serve(project, GUNICORN_CMD_ARGS="--threads 4") as server:
        running = begin(server, pool, job, gate)
        with connect(server, len(names)) as connections:
            for name, connection in zip(names, connections):
                connection.send(HALVES[name])
                check(server.client.get("/status"), 200)
            check(server.client.post("/shutdown"), 202)
            for connection in connections[:3] + connections[4:]:
                status_code, body = connection.read_answer()
                assert status_code == 503
                assert body["message"] == "the server is shutting down"
        gate.touch()
        check(running.result(), 200)


def test_a_server_that_stops_accepts_no_connection(project, job, gate, pool):
    with serve(project) as server:
        running = begin(server, pool, job, gate)
        check(server.client.post("/shutdown"), 202)
        wait_until(lambda: not can_connect(server))
        gate.touch()
        check(running.result(), 200)


def test_what_is_left_when_the_time_to_stop_is_over_gets_500_and_503(
    tmp_path, job, gate, pool
):
    project = make_project(tmp_path / "project", models.ACTOR)
    with open(os.path.join(project, "gunicorn.conf.py"), "a") as file:
        # half of it is for the jobs
        file.write("graceful_timeout = 2\n")
    with serve(project) as server:
        running = begin(server, pool, job, gate)
        other = JobFolders(tmp_path / "other")
        waiting = pool.submit(run, server, other)
        wait_until(lambda: count_waiting(server) == 1)
        check(server.client.post("/shutdown"), 202)
        check(running.result(), 500, "shutting down")
        check(waiting.result(), 503, "shutting down")
        assert server.wait() == 0
    assert job.outputs() is None
    assert other.outputs() is None


def test_after_a_reload_the_model_starts_when_the_old_one_is_gone(
    tmp_path, job, gate, pool
):
    project = make_project(tmp_path / "project", models.ACTOR, {"status": "1s"})
    with serve(project) as server:
        running = begin(server, pool, job, gate)
        web_process = find_web_process(server)
        [model] = list_children(web_process)
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(list_children(server.process.pid)) == 2)
        [new] = set(list_children(server.process.pid)) - {web_process}
        other = JobFolders(tmp_path / "other")
        waiting = pool.submit(run_in_new, server, other.give("hello"))
        time.sleep(1.5)
        assert list_children(new) == []
        assert not waiting.done()
        gate.touch()
        check(running.result(), 200)
        check(waiting.result(), 200)
        assert not is_alive(model)
        assert find_model_process(server) in list_children(new)


def can_connect(server):
    """Return whether a server accepts a connection."""
    try:
        with connect(server, 1):
            return True
    except ConnectionRefusedError:
        return False


def run_in_new(server, job):
    """Run a job; send it again while the old web process gets it, and refuses it."""
    answer = run(server, job)
    while answer.status_code == 503:
        answer = run(server, job)
    return answer


def count_readable(connections):
    """Return on how many connections there is something to read."""
    poller = select.poll()
    for connection in connections:
        poller.register(connection.socket, select.POLLIN)
    return len(poller.poll(0))


# --- clients that have left ------------------------------------------------------


def test_the_jobs_of_clients_that_have_left_are_dropped_and_counted(
    server, tmp_path, job, gate, pool
):
    before = read_metric(server, "psc_model_dropped_jobs_total")
    running = begin(server, pool, job, gate)
    jobs = [JobFolders(tmp_path / str(number)) for number in range(20)]
    with connect(server, 20) as connections:
        for number, each in enumerate(jobs):
            connections[number].send_job(each.body)
            if number % 2:
                connections[number].socket.shutdown(socket.SHUT_WR)
        wait_until(lambda: count_waiting(server) == 20)
    gate.touch()
    check(running.result(), 200)
    last = JobFolders(tmp_path / "last").give("hello")
    check(run(server, last), 200)
    assert [each.outputs() for each in jobs] == [None] * 20
    assert read_metric(server, "psc_model_dropped_jobs_total") == before + 20


def test_1000_clients_that_leave_at_once_leave_room_for_the_next_job(
    server, tmp_path, job, gate, pool, descriptors
):
    running = begin(server, pool, job, gate)
    other = JobFolders(tmp_path / "other")
    with connect(server, 1000) as connections:
        for connection in connections:
            connection.send_job(other.body)
        # those for which there is no room are answered at once
        wait_until(lambda: count_readable(connections) > 500)
    last = JobFolders(tmp_path / "last").give("hello")
    waiting = pool.submit(run, server, last)
    time.sleep(0.5)
    gate.touch()
    check(running.result(), 200)
    check(waiting.result(), 200)
    assert last.read() == "hello"
    assert other.outputs() is None


# --- not quite HTTP --------------------------------------------------------------


@pytest.mark.parametrize("size", [3, 100000])
def test_a_broken_chunk_is_a_400(server, size):
    head = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n%s\r\n" % (size, b"x" * size)
    with connect(server, 1) as [connection]:
        connection.send(head + chunk + b"xyz\r\n")
        status_code, content = connection.read_answer()
        assert status_code == content["statusCode"] == 400
        assert "chunk" in content["message"]
        assert connection.read_some() == b""


@pytest.mark.parametrize(
    ("status_code", "data"),
    [
        (414, b"GET /" + b"x" * 8000 + b" HTTP/1.1\r\n\r\n"),
        (414, b"GET /" + b"x" * 100000),
        (431, b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 1000 + b"\r\n"),
        (431, b"GET / HTTP/1.1\r\nA: " + b"b" * 20000 + b"\r\n\r\n"),
        (400, b"nonsense\r\n\r\n"),
        (400, HEAD + b"Content-Length: -1\r\n\r\n"),
        pytest.param(
            400,
            HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
            id="too many digits",
        ),
        (
            400,
            HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
    ],
)
def test_what_gunicorn_refuses_is_answered_as_the_response_object(
    server, status_code, data
):
    web_process = find_web_process(server)
    with connect(server, 1) as [connection]:
        connection.send(data)
        answered, content = connection.read_answer()
        assert answered == content["statusCode"] == status_code
        assert set(content) == {"statusCode", "status", "message"}
        assert connection.read_some() == b""
    assert find_web_process(server) == web_process


@pytest.mark.parametrize("count", [1, 30])
def test_every_one_of_some_pipelined_requests_is_answered(server, job, count):
    body = json.dumps(job.give("hello").body).encode()
    post = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    with connect(server, 1) as [connection]:
        connection.send((STATUS + post) * count)
        assert read_statuses(connection, 2 * count) == [b"200"] * 2 * count
        # and one whose body nobody reads
        connection.send(
            b"POST /status HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12345"
            + STATUS
        )
        assert read_statuses(connection, 2) == [b"405", b"200"]


def test_a_body_that_nobody_reads_is_no_half_of_the_next_request(impatient):
    head = b"POST /status HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n"
    with connect(impatient, 1) as [connection]:
        connection.send(head + b"x" * 20000)
        assert connection.read_answer()[0] == 405
        time.sleep(2.5)
        connection.send(STATUS)
        assert connection.read_answer()[0] == 200


def read_statuses(connection, count):
    """Return the statuses of so many responses; fewer where the server closes."""
    data = received = b""
    while data.count(b"HTTP/1.1 ") < count or not data.endswith(b"}\n"):
        received = connection.read_some()
        data += received
        if not received:
            break
    return re.findall(rb"HTTP/1.1 (\d+)", data)


# --- sizes -----------------------------------------------------------------------


def test_an_input_far_above_its_size_is_a_422_before_the_model_runs(tmp_path, job):
    inputs = {"input.txt": {"maxSize": "1K", "description": "A file."}}
    project = make_project(tmp_path / "project", models.ACTOR, inputs=inputs)
    with serve(project) as server:
        check(server.client.get("/status"), 200)
        with open(str(job.input / "input.txt"), "wb") as file:
            file.truncate(3 * 1024**3)
        client = Client(server.client.url, timeout=5)
        check(client.post("/run", json=job.body), 422, "maxSize")
        check(run(server, job.give("hello")), 200)
