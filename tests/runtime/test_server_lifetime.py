"""The real server: how it stops, and what is left when its processes are killed."""

import os
import signal
import socket
import subprocess
import sys

import pytest

from . import models
from .apps import check
from .connections import connect
from .job_folders import JobFolders
from .processes import (
    find_model_process,
    find_web_process,
    is_alive,
    list_children,
    list_tree,
    wait_until,
)
from .project import make_project, serve

pytestmark = pytest.mark.server

GUNICORN = ["./entrypoint.sh"]
PYTHON_APP = [sys.executable, "app.py"]
FLASK_RUN = [sys.executable, "-m", "flask", "run"]
AS_PID_1 = ["unshare", "--pid", "--fork", "--kill-child", "./entrypoint.sh"]

SERVERS = {
    "gunicorn": GUNICORN,
    "python app.py": PYTHON_APP,
    "flask run": FLASK_RUN,
    "gunicorn as process 1": AS_PID_1,
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Return a project whose model does what its input says."""
    return make_project(tmp_path_factory.mktemp("lifetime") / "project", models.ACTOR)


@pytest.fixture(params=SERVERS.values(), ids=list(SERVERS))
def command(request):
    """Return the command of each server in turn."""
    if request.param is AS_PID_1 and subprocess.call(AS_PID_1[:4] + ["true"]) != 0:
        pytest.skip("no process can be number 1 here: that needs root")
    return request.param


def find_server_process(server):
    """Return the process id of the server: of what `unshare` has started, if any."""
    pid = server.process.pid
    return list_children(pid)[0] if server.command == AS_PID_1 else pid


def can_listen(port):
    """Tell whether nobody else listens on a port."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def run(server, job):
    """Run a job and return the answer."""
    return server.client.post("/run", json=job.body)


# --- stopping --------------------------------------------------------------------


@pytest.mark.parametrize("way", ["POST /shutdown", "SIGTERM"])
def test_a_server_stops_after_the_job_that_runs(project, command, way, job, gate, pool):
    with serve(project, command) as server:
        job.give("wait-for {}".format(gate))
        running = pool.submit(run, server, job)
        wait_until(job.outputs)
        processes = list_tree(server.process.pid)
        if way == "SIGTERM":
            os.kill(find_server_process(server), signal.SIGTERM)
        else:
            check(server.client.post("/shutdown"), 202, "shutting down")
        assert not running.done()
        gate.touch()
        check(running.result(), 200)
        assert job.outputs() == {"results.json": "wait-for {}".format(gate)}
        assert server.wait() == 0
        wait_until(lambda: not any(map(is_alive, processes)))
        assert can_listen(server.port)


def test_an_idle_server_stops_at_once(project):
    with serve(project) as server:
        check(server.client.get("/status"), 200)
        check(server.client.post("/shutdown"), 202)
        assert server.wait() == 0


def test_a_server_whose_model_still_loads_stops(tmp_path):
    project = make_project(tmp_path / "project", models.SLOW)
    (tmp_path / "project" / "seconds").write_text("15")
    with serve(project) as server:
        processes = list_tree(server.process.pid)
        check(server.client.post("/shutdown"), 202)
        assert server.wait() == 0
        wait_until(lambda: not any(map(is_alive, processes)), 5)


def test_a_server_with_idle_clients_stops(project):
    with serve(project) as server, connect(server, 16):
        check(server.client.post("/shutdown"), 202)
        assert server.wait() == 0


def test_no_job_starts_after_the_shutdown_is_answered(project, job):
    with serve(project) as server:
        check(server.client.get("/status"), 200)
        # the signal is late
        os.kill(server.process.pid, signal.SIGSTOP)
        check(server.client.post("/shutdown"), 202)
        check(run(server, job), 503, "shutting down")
        os.kill(server.process.pid, signal.SIGCONT)
        assert server.wait() == 0
    assert job.outputs() is None


def test_stopping_takes_no_longer_than_the_time_limit_of_a_run(tmp_path, job, pool):
    project = make_project(tmp_path / "project", models.ACTOR, {"run": "1s"})
    with serve(project) as server:
        running = pool.submit(run, server, job.give("sleep 60"))
        wait_until(job.outputs)
        check(server.client.post("/shutdown"), 202)
        check(running.result(), 500, "time limit of 1 s")
        assert server.wait() == 0
    assert job.outputs() is None


def test_no_other_process_of_the_group_is_told_to_stop(project, tmp_path):
    path = str(tmp_path / "pid")
    script = "sleep 60 & echo $! >{}; exec ./entrypoint.sh".format(path)
    with serve(project, ["sh", "-c", script]) as server:
        with open(path) as file:
            other = int(file.read())
        assert os.getpgid(other) == os.getpgid(server.process.pid)
        check(server.client.post("/shutdown"), 202)
        assert server.wait() == 0
        assert is_alive(other)
        os.kill(other, signal.SIGKILL)


def test_an_orphan_of_the_model_does_not_stop_process_1(project, job, tmp_path):
    if subprocess.call(AS_PID_1[:4] + ["true"]) != 0:
        pytest.skip("no process can be number 1 here: that needs root")
    with serve(project, AS_PID_1) as server:
        [arbiter] = list_children(server.process.pid)
        [web_process] = wait_until(lambda: list_children(arbiter))
        for code in (3, 4):
            job.give("helper {}".format(code))
            check(run(server, job), 200)
        check(run(server, job.give("sleep 0.4")), 200)
        check(server.client.get("/status"), 200)
        assert list_children(arbiter, zombies=True) == [web_process]
        wait_until(lambda: len(list_children(web_process, zombies=True)) == 1)
        # and one whose whole process group is killed
        path = tmp_path / "pid"
        check(run(server, job.give(["sleeper {}".format(path), "exit 3"])), 500)
        check(run(server, job.give("fine")), 200)
        assert list_children(arbiter, zombies=True) == [web_process]
        check(server.client.post("/shutdown"), 202)
        assert server.wait() == 0


# --- kill -9 ---------------------------------------------------------------------


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_nothing_is_left_of_a_server_whose_arbiter_is_killed(
    project, job, tmp_path, pool, busy
):
    with serve(project) as server:
        find_model_process(server)
        check(server.client.get("/status"), 200)
        processes = list_tree(server.process.pid)
        assert len(processes) == 3
        if busy:
            pool.submit(run, server, job.give("sleep 30"))
            wait_until(job.outputs)
        os.kill(server.process.pid, signal.SIGKILL)
        wait_until(lambda: not any(map(is_alive, processes[1:])), 5)
        # a process whose first thread has ended may hold its socket a moment longer
        wait_until(lambda: can_listen(server.port), 5)


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
@pytest.mark.parametrize("find", [find_web_process, find_model_process])
def test_a_process_that_is_killed_is_replaced(project, job, pool, find, busy):
    with serve(project) as server:
        check(server.client.get("/status"), 200)
        victim = find(server)
        model_process = find_model_process(server)
        if busy:
            pool.submit(run, server, job.give("sleep 30"))
            wait_until(job.outputs)
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: not is_alive(victim) and not is_alive(model_process), 5)

        def works():
            try:
                return server.client.get("/status").status_code == 200
            except OSError:
                return False

        wait_until(works, 5)
        other = JobFolders(job.folder / "other").give("fine")
        check(run(server, other), 200)
        assert len(list_tree(server.process.pid)) == 3
        if busy:
            # what was left of the killed job goes with the next one there
            check(run(server, job.give("fine")), 200)
            assert job.outputs() == {"results.json": "fine"}


def test_a_child_of_the_model_goes_with_it(project, job, tmp_path):
    path = tmp_path / "pid"
    with serve(project) as server:
        job.give("sleeper {}".format(path))
        check(run(server, job), 200)
        child = int(path.read_text())
        assert is_alive(child)
        check(server.client.post("/shutdown"), 202)
        assert server.wait() == 0
        wait_until(lambda: not is_alive(child), 5)
