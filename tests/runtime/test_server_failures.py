"""The real server: models that hang, crash, fail, and take their time to load."""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from . import models
from .apps import check
from .job_folders import JobFolders
from .mounts import Mounts
from .processes import (
    count_files,
    find_model_process,
    find_web_process,
    is_alive,
    list_children,
    measure_memory,
    wait_until,
)
from .project import make_project, serve, write

pytestmark = pytest.mark.server

#: Lines of an input, and what the answer says.
CRASHING = [
    ("exit 3", "exited with code 3"),
    ("exit 0", "exited with code 0"),
    ("segfault", "SIGSEGV"),
    ("kill 9", "SIGKILL"),
    ("kill 15", "SIGTERM"),
    ("kill 6", "SIGABRT"),
]

#: Lines whose job comes to an end only at its time limit.
HANGING = ["sleep 60", "spin 60", "spin-in-c"]

FAILING = [
    ("refuse the reason", 422, "the reason"),
    ("fail the reason", 500, "the reason"),
    ("fail-silently", 500, "RuntimeError"),
    ("system-exit 3", 500, "SystemExit: 3"),
    ("nothing", 500, "did not write its output results.json"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Return a server whose jobs may take one second."""
    folder = tmp_path_factory.mktemp("failures") / "project"
    with serve(make_project(folder, models.ACTOR, {"run": "1s"})) as server:
        check(server.client.get("/status"), 200)
        yield server


@pytest.fixture(params=[True, False], ids=["with earlier outputs", "no output folder"])
def job_before(request, job):
    """Return a job whose output folder is as an earlier job left it, or missing."""
    if request.param:
        job.leave("old").leave("old", "extra.txt").leave("old", "deep/extra.txt")
    return job


def run(server, job, *lines):
    """Run a job with an input of these lines and return the answer."""
    return server.client.post("/run", json=job.give(lines).body)


#: The model has already written all of this when it fails.
HALF = ["write results.json half", "write extra.txt half", "write deep/new.txt half"]


# --- outputs are all or nothing --------------------------------------------------


@pytest.mark.parametrize(("line", "code", "message"), FAILING)
def test_a_failed_run_leaves_the_outputs_as_they_were(
    server, job_before, line, code, message
):
    before = job_before.outputs()
    lines = HALF[1:] if line == "nothing" else HALF
    check(run(server, job_before, *lines + [line]), code, message)
    assert job_before.outputs() == before


@pytest.mark.parametrize(("line", "message"), CRASHING)
def test_a_crash_says_so_and_leaves_the_outputs_as_they_were(
    server, job_before, line, message
):
    before = job_before.outputs()
    text = check(run(server, job_before, *HALF + [line]), 500, message)
    assert job_before.outputs() == before
    assert ("resources.memory.size" in text) == (message == "SIGKILL")
    # the next job is not held up, nor is the status
    check(run(server, job_before, "fine"), 200)
    check(server.client.get("/status"), 200)
    assert job_before.read() == "fine"


@pytest.mark.parametrize("line", HANGING)
def test_a_run_over_its_time_limit_is_stopped_and_says_so(server, job, line):
    job.leave("old").leave("old", "extra.txt")
    before = job.outputs()
    model_process = find_model_process(server)
    start = time.monotonic()
    text = check(run(server, job, *HALF + [line]), 500, "time limit of 1 s")
    assert "timeout.run" in text
    assert "model.yaml" in text
    assert 1 <= time.monotonic() - start < 20
    assert job.outputs() == before
    assert not is_alive(model_process)
    check(run(server, job, "fine"), 200)
    check(server.client.get("/status"), 200)
    assert job.read() == "fine"


def test_a_full_disk_leaves_the_outputs_as_they_were(server, job):
    mounts = Mounts()
    job.output.mkdir()
    if not mounts.make_disk(str(job.output), "size=64k"):
        pytest.skip("no disk can be mounted here: that needs root")
    try:
        job.leave("old").leave("old", "extra.txt")
        text = check(run(server, job, "write extra.txt new", "fill 1000000"), 500)
        assert "No space left" in text
        assert job.outputs() == {"results.json": "old", "extra.txt": "old"}
        check(run(server, job, "fine"), 200)
        assert job.outputs() == {"results.json": "fine", "extra.txt": "old"}
    finally:
        mounts.undo()


def test_a_success_replaces_and_brings_what_is_not_declared(server, job):
    job.leave("old").leave("old", "extra.txt").leave("old", "deep/extra.txt")
    check(run(server, job, *HALF), 200)
    assert job.outputs() == {
        "results.json": "\n".join(HALF),
        "extra.txt": "half",
        "deep": None,
        "deep/extra.txt": "old",
        "deep/new.txt": "half",
    }


# --- crashes and time limits -----------------------------------------------------


def test_waiting_jobs_survive_the_crash_of_another_job(server, tmp_path, job):
    jobs = [JobFolders(tmp_path / str(number)) for number in range(6)]
    lines = ["fine", "exit 3", "fine", "sleep 60", "segfault", "fine"]
    with ThreadPoolExecutor(7) as pool:
        first = pool.submit(run, server, job, "sleep 0.3")
        wait_until(lambda: job.outputs())
        answers = list(pool.map(lambda pair: run(server, *pair), zip(jobs, lines)))
    check(first.result(), 200)
    for answer, line in zip(answers, lines):
        check(answer, 200 if line == "fine" else 500)


def test_waiting_does_not_count_as_run_time(server, tmp_path):
    jobs = [JobFolders(tmp_path / str(number)) for number in range(5)]
    with ThreadPoolExecutor(5) as pool:
        for answer in pool.map(lambda job: run(server, job, "sleep 0.5"), jobs):
            check(answer, 200)


def test_a_model_process_that_dies_between_two_jobs_is_replaced(server, job):
    model_process = find_model_process(server)
    os.kill(model_process, 9)
    wait_until(lambda: not is_alive(model_process))
    wait_until(lambda: server.client.get("/status").status_code == 200)
    check(run(server, job, "fine"), 200)
    assert find_model_process(server) != model_process


@pytest.mark.parametrize("count", [12, pytest.param(100, marks=pytest.mark.slow)])
def test_many_crashes_in_a_row_leave_nothing_behind(server, job, count):
    def crash(number):
        line, message = CRASHING[number % len(CRASHING)]
        check(run(server, job, line), 500, message)
        check(run(server, job, "fine"), 200)

    for number in range(6):
        crash(number)
    web_process = find_web_process(server)
    files, memory = count_files(web_process), measure_memory(web_process)
    for number in range(count):
        crash(number)
    assert find_web_process(server) == web_process
    # the one model process, and no zombie
    wait_until(lambda: len(list_children(web_process, zombies=True)) == 1)
    wait_until(lambda: count_files(web_process) <= files)
    assert measure_memory(web_process) - memory < 10 * 1024**2
    # before Python 3.8 a pool starts all of its threads before it uses one again
    assert len(os.listdir("/proc/{}/task".format(web_process))) < 300


# --- loading ---------------------------------------------------------------------


def test_a_model_that_cannot_be_loaded_says_why_until_it_can(tmp_path, job):
    project = make_project(tmp_path / "project", models.BROKEN)
    write(project, "broken", "no weights")
    with serve(project) as server:
        for answer in (server.client.get("/status"), run(server, job, "fine")):
            check(
                answer, 500, "the model could not be loaded: RuntimeError: no weights"
            )
        assert job.outputs() is None
        os.remove(os.path.join(project, "broken"))
        wait_until(lambda: server.client.get("/status").status_code == 200)
        check(run(server, job, "fine"), 200)
        assert "Traceback" in server.read_log()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import no_such_library", "No module named 'no_such_library'"),
        ("import os; os._exit(7)", "exited with code 7"),
        ("import os; os.kill(os.getpid(), 11)", "SIGSEGV"),
        ("Model = dict", "derive the class from flask_psc_model.ModelBase"),
        ("def broken(:", "SyntaxError"),
    ],
)
def test_whatever_keeps_a_model_from_loading_is_said(tmp_path, job, source, message):
    with serve(make_project(tmp_path / "project", source)) as server:
        web_process = find_web_process(server)
        check(server.client.get("/status"), 500, message)
        check(run(server, job, "fine"), 500, message)
        assert find_web_process(server) == web_process


def test_loading_may_take_longer_than_a_run_and_jobs_wait_for_it(tmp_path, job):
    project = make_project(tmp_path / "project", models.SLOW, {"run": "500ms"})
    write(project, "seconds", "1.2")
    with serve(project) as server:
        check(run(server, job, "fine"), 200)
        check(server.client.get("/status"), 200)
    assert job.read() == "fine"


def test_loading_for_longer_than_it_may_says_so_and_goes_on(tmp_path, job):
    project = make_project(tmp_path / "project", models.SLOW, {"status": "500ms"})
    write(project, "seconds", "2.5")
    with serve(project) as server:
        text = check(server.client.get("/status"), 500, "still loading")
        assert "timeout.status" in text
        check(run(server, job, "too early"), 500, "still loading")
        wait_until(lambda: server.client.get("/status").status_code == 200)
        assert job.outputs() is None
        check(run(server, job, "fine"), 200)
    assert job.read() == "fine"


HEAVY = """
import os
import sys

with open("imported-by", "a") as file:
    file.write("{} {}\\n".format(os.getpid(), " ".join(sys.argv)))
"""


@pytest.mark.parametrize("app", [None, "from model_lib.model import Model\n"])
def test_the_web_process_does_not_import_the_model_unless_the_app_does(
    tmp_path, job, app
):
    project = make_project(tmp_path / "project", "from . import heavy\n" + models.ACTOR)
    write(project, "model_lib/heavy.py", HEAVY)
    if app:
        app += "from flask_psc_model import create_app\napp = create_app(Model)\n"
        write(project, "app.py", app)
    with serve(project) as server:
        check(run(server, job, "where"), 200)
        model_process = json.loads(job.read("where.json"))["pid"]
        web_process = find_web_process(server)
    with open(os.path.join(project, "imported-by")) as file:
        pids = {int(line.split()[0]) for line in file}
    assert pids == {model_process} | ({web_process} if app else set())


def test_several_model_processes_run_jobs_at_the_same_time(tmp_path):
    project = make_project(tmp_path / "project", models.ACTOR)
    jobs = [JobFolders(tmp_path / name) for name in ("one", "other")]
    with serve(
        project, PSC_MODEL_PROCESSES="2", CUDA_VISIBLE_DEVICES="3,5"
    ) as server, ThreadPoolExecutor(2) as pool:
        wait_until(lambda: server.read_log().count("the model is loaded") == 2)
        # each waits for the other
        answers = []
        for job, other in (jobs, jobs[::-1]):
            mark = "touch {}".format(job.folder / "here")
            wait = "wait-for {}".format(other.folder / "here")
            answers.append(pool.submit(run, server, job, mark, wait, "where"))
        for answer in answers:
            check(answer.result(), 200)
        facts = [json.loads(job.read("where.json")) for job in jobs]
        assert len(list_children(find_web_process(server))) == 2
    assert len({each["pid"] for each in facts}) == 2
    devices = {each["environment"]["CUDA_VISIBLE_DEVICES"] for each in facts}
    assert devices == {"3", "5"}


def test_a_very_long_time_limit_works(tmp_path, job):
    limits = {"run": "2400h", "status": "2400h"}
    project = make_project(tmp_path / "project", models.ACTOR, limits)
    with serve(project) as server:
        server.client.timeout = 30
        check(server.client.get("/status"), 200)
        check(run(server, job, "fine"), 200)
        check(run(server, job, "exit 3"), 500)
        check(run(server, job, "fine"), 200)
