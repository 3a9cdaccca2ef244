"""The real server: when a model process is replaced, and what ends with it."""

import json
import os
import re
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from . import models
from .apps import check
from .job_folders import JobFolders
from .processes import (
    find_model_process,
    find_web_process,
    is_alive,
    list_children,
    wait_until,
)
from .project import make_project, serve, write
from .test_prometheus import read

pytestmark = pytest.mark.server

#: Appended to `gunicorn.conf.py`.
SHORT_CLOSE = """
from flask_psc_model.workers import supervisor
supervisor.CLOSE_SECONDS = 1
"""

CONDEMNING = [
    "CUDA error: device-side assert triggered",
    "CUDA error: an illegal memory access was encountered",
    "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
    "CUBLAS_STATUS_NOT_INITIALIZED when calling cublasCreate(handle)",
]

HARMLESS = [
    "CUDA out of memory. Tried to allocate 2.00 GiB",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)",
    "no such key",
]

#: What a helper does in each of its processes: for a minute it writes into the output.
HELPER = """
import multiprocessing, os, signal, subprocess, sys, time
folder = os.path.dirname(output_path)
def work():
    with open(PIDS, "a") as file:
        file.write("%s\\n" % os.getpid())
    for _ in range(600):
        try:
            open(os.path.join(folder, "late"), "w").close()
        except OSError:
            pass
        time.sleep(0.1)
def fork(then):
    if os.fork() == 0:
        then()
        os._exit(0)
"""

#: How it starts them.
HELPERS = {
    "a pool": "pool = multiprocessing.Pool(2, work)",
    "a session": "fork(lambda: (os.setsid(), work()))",
    "a double fork": "fork(lambda: (os.setsid(), fork(work)))",
    "a deaf one": "signal.signal(signal.SIGTERM, signal.SIG_IGN); fork(work)",
    "a command": "command = 'echo $$ >>' + PIDS + '; exec sleep 60'\n"
    "subprocess.Popen(['sh', '-c', command], start_new_session=True)",
    "generations": "def bomb(depth):\n"
    "    os.setsid()\n"
    "    for _ in range(2 if depth else 0):\n"
    "        fork(lambda: bomb(depth - 1))\n"
    "    work()\n"
    "fork(lambda: bomb(4))",
}

#: How the job ends once they run.
ENDINGS = {"crash": "os._exit(3)", "time limit": "time.sleep(60)"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Return a server whose jobs may take two seconds."""
    folder = tmp_path_factory.mktemp("processes") / "project"
    with serve(make_project(folder, models.SCRIPT, {"run": "2s"})) as server:
        check(server.client.get("/status"), 200)
        yield server


@pytest.fixture
def project(tmp_path):
    """Return a repository whose model does what its input says."""
    return make_project(tmp_path / "project", models.SCRIPT)


def run(server, job, *lines):
    """Run a job with these lines of code and return the answer."""
    return server.client.post("/run", json=job.give(lines).body)


def get_pid(server, job):
    """Return the process id of the model that runs a job."""
    check(run(server, job, "import os", "return os.getpid()"), 200)
    return int(job.read())


def count_restarts(server):
    """Return how many processes were restarted, by those reasons that there were."""
    start = "psc_model_restarts_total "
    return {
        name[len(start) :]: value
        for name, value in read(server.client).items()
        if name.startswith(start) and value
    }


def read_lines(path):
    """Return the lines of a file; none where there is none."""
    if not os.path.exists(str(path)):
        return []
    with open(str(path)) as file:
        return file.read().splitlines()


# --- replaced after an answer ----------------------------------------------------


@pytest.mark.parametrize("message", CONDEMNING)
def test_an_error_that_sticks_to_the_process_replaces_it_after_its_answer(
    server, job, message
):
    before = count_restarts(server).get("gpu_error", 0)
    pid = get_pid(server, job)
    check(run(server, job, "raise RuntimeError({!r})".format(message)), 500, message)
    assert get_pid(server, job) != pid
    assert count_restarts(server)["gpu_error"] == before + 1


@pytest.mark.parametrize("message", HARMLESS)
def test_another_error_does_not_replace_the_process(server, job, message):
    pid = get_pid(server, job)
    check(run(server, job, "raise RuntimeError({!r})".format(message)), 500, message)
    assert get_pid(server, job) == pid


def test_three_failures_in_a_row_replace_the_process_with_a_growing_pause(project, job):
    fail = "raise RuntimeError('always')"
    with serve(project) as server:
        pid = get_pid(server, job)
        for code, line in [(500, fail), (500, fail), (422, "raise ValueError(1)")]:
            check(run(server, job, line), code)
        for _ in range(2):
            check(run(server, job, fail), 500)
        assert get_pid(server, job) == pid
        for _ in range(3):
            check(run(server, job, fail), 500, "always")
        other = get_pid(server, job)
        assert other != pid
        assert count_restarts(server) == {"failing": 1}
        # one bad client does not cost a load for each three of its jobs
        for _ in range(6):
            check(run(server, job, fail), 500, "always")
        assert get_pid(server, job) == other
        assert count_restarts(server) == {"failing": 1}


def test_the_jobs_of_other_processes_go_on_while_one_is_replaced(project, tmp_path):
    message = CONDEMNING[0]
    write(project, "load", "import time; time.sleep(1)")
    with serve(project, PSC_MODEL_PROCESSES="2") as server:
        wait_until(lambda: server.read_log().count("the model is loaded") == 2)
        job = JobFolders(tmp_path / "job")
        pids = {get_pid(server, job) for _ in range(4)}
        # free processes are used in turn
        assert len(pids) == 2
        check(run(server, job, "raise RuntimeError({!r})".format(message)), 500)
        start = time.monotonic()
        left = {get_pid(server, job) for _ in range(3)}
        check(server.client.get("/status"), 200)
        assert time.monotonic() - start < 0.8
        assert len(left) == 1
        assert left < pids


def test_a_process_is_replaced_after_so_many_jobs_between_two_jobs(project, job):
    write(project, "close", "open('closed', 'a').write('closed\\n')")
    with serve(project, PSC_MODEL_MAX_JOBS="2") as server:
        pids = [get_pid(server, job) for _ in range(6)]
        assert [pids.count(pid) for pid in sorted(set(pids))] == [2, 2, 2]
        wait_until(lambda: count_restarts(server) == {"max_jobs": 3})
        wait_until(lambda: len(read_lines(project + "/closed")) == 3)


def test_several_processes_are_replaced_one_after_the_other(project, tmp_path):
    write(project, "load", "import time; time.sleep(0.5)")
    jobs = [JobFolders(tmp_path / name) for name in ("one", "other")]
    with serve(project, PSC_MODEL_PROCESSES="2", PSC_MODEL_MAX_JOBS="3") as server:
        wait_until(lambda: server.read_log().count("the model is loaded") == 2)
        with ThreadPoolExecutor(2) as pool:
            while count_restarts(server).get("max_jobs", 0) < 4:
                for answer in pool.map(lambda job: run(server, job, "return 1"), jobs):
                    check(answer, 200)
        events = re.findall("a new one loads|the model is loaded", server.read_log())
    loading = 2
    for number, event in enumerate(events):
        loading += 1 if event == "a new one loads" else -1
        assert number < 2 or 0 <= loading <= 1, events


@pytest.mark.parametrize("value", ["0", "-1", "many"])
def test_a_wrong_number_of_jobs_stops_the_server_with_one_line(project, value):
    from .test_server_settings import start

    code, output = start(project, ["./entrypoint.sh"], PSC_MODEL_MAX_JOBS=value)
    assert code not in (0, None)
    assert output.startswith("error: PSC_MODEL_MAX_JOBS is {!r}".format(value))


# --- loading ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "line", ["time.sleep(60)", "os.kill(os.getpid(), signal.SIGSTOP)"]
)
def test_a_load_that_hangs_is_stopped_and_tried_again(tmp_path, job, line):
    limits = {"status": "200ms"}
    project = make_project(tmp_path / "project", models.SCRIPT, limits)
    write(project, "load", "import os, signal, time\n" + line)
    with serve(project) as server:
        check(server.client.get("/status"), 500, "still loading")
        hanging = find_model_process(server)
        wait_until(lambda: not is_alive(hanging))
        wait_until(lambda: "loading had taken 2 s" in server.read_log())
        assert ("in act" in server.read_log()) == ("sleep" in line)
        os.remove(os.path.join(project, "load"))
        wait_until(lambda: server.client.get("/status").status_code == 200)
        check(run(server, job, "return 1"), 200)


def test_a_load_that_fails_is_tried_again_after_a_pause_that_grows(project):
    write(project, "load", "open('loads', 'a').write('x\\n')\nraise OSError('no')")
    with serve(project) as server:
        deadline = time.monotonic() + 4
        while time.monotonic() < deadline:
            check(server.client.get("/status"), 500, "OSError: no")
            time.sleep(0.02)
        # after 0.5, 1 and 2 s
        assert 2 <= len(read_lines(project + "/loads")) <= 4


# --- what the log says -----------------------------------------------------------


@pytest.mark.parametrize("ending", ["time.sleep(60)", "ctypes.string_at(0)"])
def test_the_log_shows_where_each_thread_was(server, job, ending):
    before = len(server.read_log())
    lines = ["import ctypes, threading, time", "def wait_here():", "    time.sleep(60)"]
    lines += ["threading.Thread(target=wait_here, daemon=True).start()"]
    lines += ["def stop_here():", "    " + ending, "stop_here()"]
    check(run(server, job, *lines), 500)
    log = server.read_log()[before:]
    assert re.search(r"line \d+ in stop_here", log)
    assert re.search(r"line \d+ in wait_here", log)


def test_the_servers_own_kill_is_not_taken_for_a_lack_of_memory(server, job):
    before = len(server.read_log())
    text = check(run(server, job, "import time; time.sleep(60)"), 500, "time limit of")
    log = server.read_log()[before:]
    assert "was stopped at the time limit of 2 s; a new one loads" in log
    assert "memory" not in log + text


# --- the threads of numerical libraries ------------------------------------------


@pytest.mark.parametrize(
    ("processes", "given", "expected"), [(2, {}, "3"), (1, {}, "6"), (2, {"x": 1}, "5")]
)
def test_the_libraries_of_a_process_use_its_share_of_the_cpus(
    tmp_path, job, processes, given, expected
):
    project = make_project(
        tmp_path / "project", models.SCRIPT, resources={"cpu": {"count": 6}}
    )
    environment = {"OMP_NUM_THREADS": "5"} if given else {}
    with serve(project, PSC_MODEL_PROCESSES=str(processes), **environment) as server:
        code = "import json, os; return json.dumps(dict(os.environ))"
        check(run(server, job, code), 200)
    variables = json.loads(job.read())
    assert variables["OMP_NUM_THREADS"] == expected
    assert variables["MKL_NUM_THREADS"] == str(6 // processes)


# --- close -----------------------------------------------------------------------


@pytest.mark.parametrize("way", ["SIGTERM", "shutdown"])
def test_a_model_is_closed_at_the_end_of_the_server(project, job, way):
    write(project, "close", "open('closed', 'a').write('closed\\n')")
    with serve(project) as server:
        check(run(server, job, "return 1"), 200)
        assert not os.path.exists(project + "/closed")
        if way == "SIGTERM":
            server.process.send_signal(signal.SIGTERM)
        else:
            check(server.client.post("/shutdown"), 202)
        assert server.wait() == 0
    assert read_lines(project + "/closed") == ["closed"]


def test_a_model_is_closed_at_an_orderly_end_only(tmp_path, job):
    project = make_project(tmp_path / "project", models.SCRIPT, {"run": "500ms"})
    write(project, "close", "open('closed', 'a').write('closed\\n')")
    with serve(project) as server:
        condemn = "raise RuntimeError({!r})".format(CONDEMNING[0])
        for line in list(ENDINGS.values()) + [condemn]:
            check(run(server, job, "import os, time; " + line), 500)
        check(run(server, job, "return 1"), 200)
        assert not os.path.exists(project + "/closed")


def test_a_close_that_hangs_is_stopped(project, job):
    with open(os.path.join(project, "gunicorn.conf.py"), "a") as file:
        file.write(SHORT_CLOSE)
    write(project, "close", "import time; time.sleep(60)")
    with serve(project) as server:
        check(run(server, job, "return 1"), 200)
        start = time.monotonic()
        check(server.client.post("/shutdown"), 202)
        assert server.wait() == 0
        assert 1 <= time.monotonic() - start < 8
        assert "close() of the model was stopped after 1 s" in server.read_log()


def test_a_close_that_fails_is_in_the_log_only(project, job):
    write(project, "close", "raise BaseException('no server')")
    with serve(project) as server:
        check(run(server, job, "return 1"), 200)
        check(server.client.post("/shutdown"), 202)
        assert server.wait() == 0
        assert "BaseException: no server" in server.read_log()


# --- what a model has started ----------------------------------------------------


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("ending", ENDINGS.values(), ids=list(ENDINGS))
@pytest.mark.parametrize("helper", HELPERS.values(), ids=list(HELPERS))
def test_what_a_model_started_has_ended_when_its_job_is_answered(
    servers, job, tmp_path, helper, ending, processes
):
    server = servers[processes]
    path = tmp_path / "pids"
    head = "PIDS = {!r}".format(str(path))
    wait = "while not os.path.exists(PIDS): time.sleep(0.01)\ntime.sleep(0.4)"
    job.leave("old")
    check(run(server, job, head, HELPER, helper, wait, ending), 500)
    pids = [int(line) for line in read_lines(path)]
    assert pids
    assert not any(map(is_alive, pids))
    # nobody writes there any more
    assert job.outputs() == {"results.json": "old"}
    check(run(server, job, "return 1"), 200)
    web_process = find_web_process(server)
    wait_until(lambda: len(list_children(web_process, zombies=True)) == processes)


@pytest.fixture(scope="module")
def servers(tmp_path_factory, server):
    """Return a server with one model process and one with two, by that number."""
    folder = tmp_path_factory.mktemp("two processes") / "project"
    project = make_project(folder, models.SCRIPT, {"run": "2s"})
    with serve(project, PSC_MODEL_PROCESSES="2") as other:
        wait_until(lambda: other.read_log().count("the model is loaded") == 2)
        yield {1: server, 2: other}


def test_what_a_killed_predecessor_left_running_ends_at_the_start(
    project, job, tmp_path
):
    path = tmp_path / "pids"
    head = "PIDS = {!r}".format(str(path))
    other = subprocess.Popen(["sleep", "60"], start_new_session=True)
    with serve(project) as server:
        check(run(server, job, head, HELPER, HELPERS["a session"], "return 1"), 200)
        [pid] = wait_until(lambda: read_lines(path))
        web_process = find_web_process(server)
        os.kill(web_process, signal.SIGKILL)
        wait_until(lambda: not is_alive(int(pid)))
        assert is_alive(other.pid)
        wait_until(lambda: not is_alive(web_process))
        wait_until(lambda: find_web_process(server) != web_process)
    other.kill()
    other.wait()


def test_a_reload_lets_the_job_that_runs_finish(project, job, tmp_path):
    gate = tmp_path / "gate"
    with serve(project) as server, ThreadPoolExecutor(1) as pool:
        line = "while not os.path.exists({!r}): time.sleep(0.01)".format(str(gate))
        running = pool.submit(run, server, job, "import os, time", line, "return 1")
        wait_until(job.outputs)
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: server.read_log().count("Booting worker") == 2)
        assert not running.done()
        gate.touch()
        check(running.result(), 200)
        wait_until(lambda: server.read_log().count("the model is loaded") == 2)
    assert job.outputs() == {"results.json": "1"}
