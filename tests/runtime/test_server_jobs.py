"""The real server: many jobs, many clients, and clients that misbehave."""

import contextlib
import http.client
import io
import json
import os
import select
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask_psc_model.client import Client
from hypothesis import given
from hypothesis import strategies as st

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
from .project import count_waiting, make_project, serve

pytestmark = pytest.mark.server

HALF_HEAD = b"POST /run HTTP/1.1\r\nHost: x\r\nContent-Le"
HALF_CHUNK = (
    b"POST /run HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{"
)
HALF_BODY = b"POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Return a project whose model does what its input says."""
    return make_project(tmp_path_factory.mktemp("jobs") / "project", models.ACTOR)


@pytest.fixture(scope="module")
def server(project):
    """Return a server of that project, for all tests of this file."""
    with serve(project) as server:
        check(server.client.get("/status"), 200)
        yield server


def make_jobs(tmp_path, count, *lines):
    """Return jobs that differ in the last line of their input."""
    jobs = [JobFolders(tmp_path / "job {}".format(i)) for i in range(count)]
    for number, job in enumerate(jobs):
        job.give(lines + ("this is job {}".format(number),))
    return jobs


def run(server, job):
    """Run a job and return the answer."""
    return server.client.post("/run", json=job.body)


def started(job):
    """Tell whether the model writes the outputs of a job now."""
    return bool(job.outputs())


def test_the_status_is_answered_while_a_job_runs(server, job, gate, pool):
    running = pool.submit(run, server, job.give("wait-for {}".format(gate)))
    wait_until(lambda: started(job))
    check(server.client.get("/status"), 200)
    assert not running.done()
    gate.touch()
    check(running.result(), 200)


def test_the_status_is_answered_while_jobs_wait_and_clients_idle(
    server, tmp_path, gate, pool
):
    jobs = make_jobs(tmp_path, 16, "wait-for {}".format(gate))
    with connect(server, 64), connect(server, 64) as half_sent:
        for number, connection in enumerate(half_sent):
            connection.send(HALF_BODY if number % 2 else HALF_HEAD)
        running = [pool.submit(run, server, job) for job in jobs]
        wait_until(lambda: any(map(started, jobs)))
        time.sleep(0.2)
        check(server.client.get("/status"), 200)
        assert not any(each.done() for each in running)
        gate.touch()
        for each, job in zip(running, jobs):
            check(each.result(), 200)
            assert job.read() == (job.input / "input.txt").read_text()
        check(server.client.get("/status"), 200)


def test_200_jobs_from_16_clients_all_get_their_own_results(server, tmp_path):
    jobs = make_jobs(tmp_path, 200)
    with ThreadPoolExecutor(16) as clients:
        for answer in clients.map(lambda job: run(server, job), jobs):
            check(answer, 200)
    for number, job in enumerate(jobs):
        assert job.outputs() == {"results.json": "this is job {}".format(number)}


def test_jobs_run_one_after_another_in_the_order_they_came(
    server, tmp_path, job, gate, pool
):
    first = pool.submit(run, server, job.give("wait-for {}".format(gate)))
    wait_until(lambda: started(job))
    order = tmp_path / "order"
    jobs = make_jobs(tmp_path, 8, "append {}".format(order), "sleep 0.01")
    running = []
    for each in jobs:
        running.append(pool.submit(run, server, each))
        wait_until(lambda: count_waiting(server) == len(running))
    gate.touch()
    for each in [first] + running:
        check(each.result(), 200)
    assert order.read_text().splitlines() == [str(each.input) for each in jobs]


def test_clients_that_always_have_more_to_ask_leave_threads_for_others(project, pool):
    answered = threading.Event()

    def ask_until_answered(connection):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and not answered.is_set():
            connection.send(b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.read_answer()[0] == 200
        return answered.is_set()

    with serve(project, GUNICORN_CMD_ARGS="--threads 2") as server:
        check(server.client.get("/status"), 200)
        with connect(server, 4) as connections:
            busy = [pool.submit(ask_until_answered, each) for each in connections]
            check(server.client.get("/status"), 200)
            answered.set()
            assert all(each.result() for each in busy)


def test_a_queue_that_is_full_says_busy_and_the_status_still_answers(
    server, tmp_path, job, gate, pool
):
    first = pool.submit(run, server, job.give("wait-for {}".format(gate)))
    wait_until(lambda: started(job))
    [other] = make_jobs(tmp_path, 1)
    with connect(server, 240) as connections:
        for connection in connections:
            connection.send_job(other.body)
        sockets = [connection.socket for connection in connections]
        # the first answer is that of a job for which there was no place
        wait_until(lambda: select.select(sockets, [], [], 0)[0])
        check(server.client.get("/status"), 200)
        check(run(server, other), 503, "busy")
        gate.touch()
        answers = [connection.read_answer() for connection in connections]
    check(first.result(), 200)
    codes = [code for code, _ in answers]
    assert set(codes) == {200, 503}
    assert codes.count(200) >= 16
    for code, body in answers:
        assert body["statusCode"] == code
        assert code == 200 or "busy" in body["message"]
    check(run(server, other), 200)


def test_clients_that_never_close_their_end_hold_up_nobody(server, tmp_path):
    jobs = make_jobs(tmp_path, 16)
    with connect(server, 16) as connections:
        for connection, job in zip(connections, jobs):
            connection.send_job(job.body, close=True)
        for connection in connections:
            assert connection.read_answer()[0] == 200
        check(Client(server.client.url, timeout=5).get("/status"), 200)


def test_a_client_that_goes_away_harms_nothing(server, tmp_path, job, gate):
    [other] = make_jobs(tmp_path, 1)
    connection = Connection(server)
    connection.send_job(job.give("wait-for {}".format(gate)).body)
    wait_until(lambda: started(job))
    connection.close()
    gate.touch()
    check(run(server, other), 200)
    assert other.read() == "this is job 0"
    # the job that nobody waits for has come to its end
    assert job.outputs() == {"results.json": "wait-for {}".format(gate)}


def test_clients_that_go_away_while_their_jobs_wait_harm_nothing(
    server, tmp_path, job, gate, pool
):
    first = pool.submit(run, server, job.give("wait-for {}".format(gate)))
    wait_until(lambda: started(job))
    jobs = make_jobs(tmp_path, 20)
    with connect(server, 20) as connections:
        for connection, each in zip(connections, jobs):
            connection.send_job(each.body)
    gate.touch()
    check(first.result(), 200)
    [last] = make_jobs(tmp_path / "last", 1)
    check(run(server, last), 200)


def test_one_connection_serves_many_requests(server, job):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    for number in range(5):
        body = json.dumps(job.give("number {}".format(number)).body)
        connection.request("POST", "/run", body)
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read().decode())["status"]) == (
            200,
            "OK",
        )
        assert job.read() == "number {}".format(number)
        connection.request("GET", "/nothing")
        assert connection.getresponse().read()
    connection.close()


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_100_megabytes_is_a_413(server, chunked):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    size, block = 100 * 1024 * 1024, b"x" * 1024 * 1024
    if chunked:
        connection.putrequest("POST", "/run")
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        for _ in range(100):
            connection.send(b"100000\r\n" + block + b"\r\n")
        connection.send(b"0\r\n\r\n")
    else:
        connection.request(
            "POST", "/run", io.BytesIO(block * 100), {"Content-Length": str(size)}
        )
    answer = connection.getresponse()
    assert answer.status == 413
    assert json.loads(answer.read().decode())["statusCode"] == 413
    connection.close()
    check(server.client.get("/status"), 200)


def test_a_client_that_goes_away_in_the_middle_of_a_large_body_harms_nothing(server):
    head = b"POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n"
    with connect(server, 8) as connections:
        for connection in connections:
            connection.send(head + b"x" * 2000000)
    check(server.client.get("/status"), 200)


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("POST", "/run", b"", 415),
        ("POST", "/run", b"{", 415),
        ("POST", "/run", b"{}", 400),
        ("POST", "/run", b"[" * 100000, 415),
        ("POST", "/run", b"[" * 10000 + b"]" * 10000, 415),
        ("POST", "/run", b"\xff\x00", 415),
        ("GET", "/run", b"", 405),
        ("OPTIONS", "/run", b"", 405),
        ("PUT", "/status", b"", 405),
        ("GET", "/shutdown", b"", 405),
        ("GET", "/", b"", 404),
        ("POST", "/nothing", b"{}", 404),
        ("GET", "/%00", b"", 404),
        ("GET", "/../../etc/passwd", b"", 404),
    ],
)
def test_a_wrong_request_gets_the_answer_that_fits(server, method, path, body, code):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request(method, path, body)
    answer = connection.getresponse()
    content = json.loads(answer.read().decode())
    connection.close()
    # JSON that is too deep counts as JSON that is wrong, or as none at all
    assert answer.status in ((400, 415) if b"[[" in body else (code,))
    assert content["statusCode"] == answer.status
    assert answer.getheader("Content-Type") == "application/json"


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"x" * 100000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 1000 + b"\r\n",
        b"POST /run HTTP/1.1\r\nContent-Length: abc\r\n\r\n",
        b"POST /run HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /run HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        bytes(range(256)) * 40,
    ],
    ids=lambda data: repr(data[:24]),
)
def test_what_is_no_request_harms_nothing(server, data):
    web_process = find_web_process(server)
    connection = Connection(server)
    connection.send(data)
    with contextlib.suppress(OSError):
        connection.socket.shutdown(socket.SHUT_WR)
    connection.read_some()
    connection.close()
    check(server.client.get("/status"), 200)
    assert find_web_process(server) == web_process


@given(body=st.binary() | st.text().map(str.encode) | st.from_regex(rb"\{.*\}"))
def test_no_body_gives_a_500(server, body):
    answer = server.client.post("/run", data=body)
    assert answer.status_code in (400, 415)
    check(answer, answer.status_code)


@pytest.mark.parametrize(
    "name",
    ["ünïcödé 文字 😀", "with  spaces and\ttabs", "x" * 255, "'\"`$(x)\\", "a\nb"],
)
def test_unusual_and_long_names_arrive(server, tmp_path, name):
    job = JobFolders(tmp_path / name).give("hello")
    check(run(server, job), 200)
    assert job.outputs() == {"results.json": "hello"}


def test_the_input_folder_may_be_the_output_folder(server, job):
    job.output = job.input
    check(run(server, job.give("hello")), 200)
    assert job.outputs() == {"input.txt": "hello", "results.json": "hello"}


@pytest.mark.parametrize("path", ["/in\0put", "/\ud800", "/" + "x" * 300])
@pytest.mark.parametrize("key", ["input", "output"])
def test_a_path_that_no_file_system_has_is_a_400(server, job, key, path):
    answer = server.client.post("/run", json=dict(job.body, **{key: path}))
    check(answer, 400, key)


def test_a_path_that_is_no_folder_is_a_400_that_names_it(server, job):
    path = str(job.input / "input.txt")
    for key in ("input", "output"):
        check(server.client.post("/run", json=dict(job.body, **{key: path})), 400, path)


def test_a_relative_path_starts_in_the_working_directory_of_the_server(
    server, project, job
):
    body = dict(job.give("hello").body, output="relative/out")
    check(server.client.post("/run", json=body), 200, project + "/relative/out")
    assert os.listdir(project + "/relative/out") == ["results.json"]


def test_the_model_runs_in_a_process_of_its_own_on_its_main_thread(server, job):
    check(run(server, job.give("where")), 200)
    facts = json.loads(job.read("where.json"))
    assert facts["main thread"] is True
    assert facts["pid"] == find_model_process(server)
    assert facts["parent"] == find_web_process(server)


def test_what_the_model_prints_is_in_the_log(server, job):
    job.give(["print Hello from the model", "complain about the weather", "x" * 10000])
    for _ in range(3):
        check(run(server, job), 200)
    log = server.read_log()
    assert log.count("Hello from the model") == 3
    assert log.count("about the weather") == 3


@pytest.mark.parametrize("code", [0, 3, 4])
def test_an_orphan_of_the_model_harms_nothing(server, job, code):
    web_process, model_process = find_web_process(server), find_model_process(server)
    check(run(server, job.give("helper {}".format(code))), 200)
    # the web process has adopted the orphan, and waits for its end
    wait_until(lambda: list_children(web_process, zombies=True) == [model_process])
    check(run(server, job.give("hello")), 200)
    assert find_web_process(server) == web_process
    assert find_model_process(server) == model_process


def test_a_process_that_the_model_left_behind_holds_up_no_answer(server, job, tmp_path):
    path = tmp_path / "pid"
    check(run(server, job.give("sleeper {}".format(path))), 200)
    pid = int(path.read_text())
    check(run(server, job.give("exit 3")), 500)
    # it was of the model's process group
    wait_until(lambda: not is_alive(pid), 5)
    check(run(server, job.give("hello")), 200)


def test_a_chunked_body_that_breaks_off_is_a_408(server):
    with connect(server, 1) as [connection]:
        connection.send(HALF_CHUNK).socket.shutdown(socket.SHUT_WR)
        status_code, content = connection.read_answer()
        assert status_code == content["statusCode"] == 408


def test_half_a_request_is_closed_in_the_end(tmp_path):
    project = make_project(tmp_path / "project", models.ECHO)
    with open(os.path.join(project, "gunicorn.conf.py"), "a") as file:
        file.write("from flask_psc_model.server.gunicorn import front\n")
        file.write("front.RECEIVE_SECONDS = 1\n")
    with serve(project) as server:
        check(server.client.get("/status"), 200)
        half_head = Connection(server).send(HALF_HEAD)
        half_body = Connection(server).send(HALF_BODY)
        assert half_head.read_some().split()[1:2] in ([], [b"400"], [b"408"])
        status_code, content = half_body.read_answer()
        assert status_code == content["statusCode"] == 408
        check(server.client.get("/status"), 200)
        for connection in (half_head, half_body):
            connection.close()
