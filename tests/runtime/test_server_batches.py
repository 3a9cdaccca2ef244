"""The real server with a batch model: a bad job harms no other."""

import contextlib
import itertools
import json
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask_psc_model.errors import NOT_STARTED, STATUS_CODES

from . import models
from .apps import check
from .connections import Connection
from .job_folders import JobFolders
from .processes import find_model_process, wait_until
from .project import make_project, read_metric, serve

pytestmark = pytest.mark.server

#: As many jobs as the model's process holds at once: two batches.
COUNT = 16

STEPS = ["preprocess", "predict", "postprocess"]

RAISE = "raise RuntimeError('of its own')"
ABORT = "os.abort()"
HANG = "time.sleep(60)"
HANG_IN_C = "collections.deque(itertools.repeat(0), maxlen=0)"
SHORT = "results.pop()"

#: What the answer to each of them says.
MESSAGES = {
    RAISE: "RuntimeError: of its own",
    ABORT: "SIGABRT",
    HANG: "time limit of 1 s",
    HANG_IN_C: "time limit of 1 s",
    SHORT: "predict() returned",
}

#: What a bad job does, and at which step.
DEEDS = list(itertools.product(STEPS, [RAISE, ABORT])) + [("predict", SHORT)]
HANGING = list(itertools.product(STEPS, [HANG, HANG_IN_C]))
SOME_HANGING = [("preprocess", HANG), ("predict", HANG_IN_C), ("postprocess", HANG)]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Return a repository whose jobs may take one second."""
    folder = tmp_path_factory.mktemp("batches") / "project"
    return make_project(folder, models.BATCH, {"run": "1s"})


@pytest.fixture(scope="module")
def server(project):
    """Return its server."""
    with serve(project) as server:
        check(server.client.get("/status"), 200)
        yield server


@pytest.fixture
def make_jobs(tmp_path):
    """Return a function that makes jobs, of which some are bad ones."""
    numbers = itertools.count()

    def make_jobs(bad=None, count=COUNT):
        jobs = []
        for position in range(count):
            number = next(numbers)
            step, deed = (bad or {}).get(position, ("", ""))
            text = "{}: {}\njob {}".format(step, deed, number)
            jobs.append(JobFolders(tmp_path / str(number), input=text))
        return jobs

    return make_jobs


@pytest.fixture(scope="module")
def clients():
    """Return threads for requests at the same time."""
    with ThreadPoolExecutor(COUNT) as clients:
        yield clients


def run_all(server, clients, jobs):
    """Run jobs at the same time and return the answers."""
    return list(
        clients.map(lambda job: server.client.post("/run", json=job.body), jobs)
    )


def check_good(job, answer):
    """Check that a good job was answered right."""
    check(answer, 200)
    text = (job.input / "input.txt").read_text(encoding="utf-8")
    assert job.outputs() == {"results.json": "result of\n" + text}


def test_a_run_of_the_page_says_in_which_batch_it_was(project):
    with serve(project, PSC_MODEL_PAGE="1") as server:
        check(server.client.get("/status"), 200)
        boundary = "x"
        form = (
            '--x\r\nContent-Disposition: form-data; name="input.txt"; filename="a"\r\n'
            "\r\n: \njob\r\n--x--\r\n"
        )
        content_type = "multipart/form-data; boundary=" + boundary
        answer = server.client.post("/page/run", form, content_type=content_type)
    assert answer.status_code == 200, answer.data
    assert re.search(rb'name="batch-jobs"\r\n\r\n1\r\n', answer.data)
    assert re.search(rb'name="batch-seconds"\r\n\r\n\d+\.\d\d\r\n', answer.data)


def check_all(jobs, answers, bad):
    """Check the answers to jobs, by what the bad ones do."""
    for position, (job, answer) in enumerate(zip(jobs, answers)):
        if position in bad:
            check(answer, 500, MESSAGES[bad[position][1]])
            assert job.outputs() is None
        elif answer.status_code == 200 or SHORT not in [
            deed for _, deed in bad.values()
        ]:
            check_good(job, answer)
        else:
            # it was in the same batch
            check(answer, 500, MESSAGES[SHORT])


def count_started(jobs):
    """Return how many jobs have a staging folder."""
    return len([job for job in jobs if job.outputs()])


def count_jobs(server):
    """Return how many jobs a server has."""
    names = ["psc_model_waiting_jobs", "psc_model_running_jobs"]
    return sum(read_metric(server, name) for name in names)


def read_trace(project):
    """Return the jobs of each call of `predict`."""
    with open(os.path.join(project, "trace"), encoding="utf-8") as file:
        return [json.loads(line) for line in file]


# --- one bad job -----------------------------------------------------------------


def check_one(server, clients, make_jobs, position, step, deed):
    """Check that a bad job at some place among others harms none of them."""
    bad = {position: (step, deed)}
    jobs = make_jobs(bad)
    check_all(jobs, run_all(server, clients, jobs), bad)


@pytest.mark.parametrize(("step", "deed"), DEEDS)
def test_a_bad_job_harms_no_other(server, clients, make_jobs, step, deed):
    check_one(server, clients, make_jobs, 9, step, deed)


@pytest.mark.parametrize(("step", "deed"), SOME_HANGING)
def test_a_job_that_hangs_harms_no_other(server, clients, make_jobs, step, deed):
    check_one(server, clients, make_jobs, 5, step, deed)


@pytest.mark.slow
@pytest.mark.parametrize("position", range(COUNT))
@pytest.mark.parametrize(("step", "deed"), DEEDS + HANGING)
def test_a_bad_job_harms_no_other_wherever_it_is(
    server, clients, make_jobs, position, step, deed
):
    check_one(server, clients, make_jobs, position, step, deed)


def test_a_process_that_can_use_its_gpu_no_more_is_replaced(server, clients, make_jobs):
    jobs = make_jobs({3: ("predict", "raise RuntimeError('CUDA error: unspecified')")})
    before = find_model_process(server)
    answers = run_all(server, clients, jobs)
    check(answers.pop(3), 500, "CUDA error: unspecified")
    del jobs[3]
    check_all(jobs, answers, {})
    assert find_model_process(server) != before


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("end", ["None", "1 / 0", "os._exit(3)"])
def test_a_process_that_the_model_forks_answers_nothing(
    server, clients, make_jobs, step, end
):
    deed = "pid = os.fork(); pid or {}".format(end)
    jobs = make_jobs({4: (step, deed)})
    before = find_model_process(server)
    check_all(jobs, run_all(server, clients, jobs), {})
    check_all(jobs, run_all(server, clients, jobs), {})
    assert find_model_process(server) == before


# --- several bad jobs ------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [
        {2: ("predict", ABORT), 12: ("predict", ABORT)},
        {2: ("preprocess", ABORT), 3: ("postprocess", ABORT)},
        {4: ("predict", ABORT), 5: ("predict", RAISE)},
        {1: ("preprocess", HANG), 9: ("predict", ABORT)},
        pytest.param(
            {2: ("preprocess", HANG), 3: ("preprocess", HANG)}, marks=pytest.mark.slow
        ),
    ],
    ids=lambda bad: " and ".join(" ".join(each)[:20] for each in bad.values()),
)
def test_two_bad_jobs_harm_no_other(server, clients, make_jobs, bad):
    jobs = make_jobs(bad)
    check_all(jobs, run_all(server, clients, jobs), bad)


def test_clients_that_leave_harm_no_other(server, clients, make_jobs):
    bad = dict.fromkeys((1, 6), ("predict", ABORT))
    leaving = make_jobs({0: ("predict", ABORT), 3: ("preprocess", ABORT)})
    with contextlib.ExitStack() as stack:
        connections = [Connection(server) for _ in leaving]
        for connection, job in zip(connections, leaving):
            stack.callback(connection.close)
            connection.send_job(job.body)
        jobs = make_jobs(bad)
        answers = clients.submit(run_all, server, ThreadPoolExecutor(COUNT), jobs)
        for connection in connections:
            connection.close()
        check_all(jobs, answers.result(), bad)
    check_all(jobs[2:6], run_all(server, clients, jobs[2:6]), {})


# --- times -----------------------------------------------------------------------


def test_the_wait_for_another_batch_does_not_count(server, clients, make_jobs):
    # each batch takes most of a second; whoever is in the last one waits for two others
    deed = ("predict", "time.sleep(0.75 / len(batch))")
    jobs = make_jobs(dict.fromkeys(range(COUNT), deed))
    before = find_model_process(server)
    begin = time.monotonic()
    check_all(jobs, run_all(server, clients, jobs), {})
    assert time.monotonic() - begin > 1.4
    assert find_model_process(server) == before


def test_the_steps_of_a_job_count_together(server, make_jobs):
    [job] = make_jobs({0: ("preprocess", "time.sleep(0.7)")}, count=1)
    job.give("preprocess: time.sleep(0.7)\npostprocess: time.sleep(0.7)")
    answer = server.client.post("/run", json=job.body)
    check(answer, 500, MESSAGES[HANG])


# --- folders ---------------------------------------------------------------------


@pytest.mark.parametrize("output", ["results.json", "input.txt"])
def test_a_job_that_runs_again_does_not_read_its_own_result(
    tmp_path, clients, make_jobs, output
):
    project = make_project(
        tmp_path / "project", models.BATCH, {"run": "1s"}, outputs=[output]
    )
    bad = {5: ("postprocess", ABORT)}
    jobs = make_jobs(bad)
    texts = [(job.input / "input.txt").read_text() for job in jobs]
    for job in jobs:
        job.output = job.input
    with serve(project) as server:
        answers = run_all(server, clients, jobs)
    for position, (job, answer) in enumerate(zip(jobs, answers)):
        before = {"input.txt": texts[position]}
        if position in bad:
            check(answer, 500, MESSAGES[ABORT])
            assert job.outputs() == before
        else:
            check(answer, 200)
            assert job.outputs() == dict(
                before, **{output: "result of\n" + texts[position]}
            )


# --- the shutdown ----------------------------------------------------------------


@pytest.fixture
def interrupt(tmp_path, clients, make_jobs):
    """Return a function that stops a server in the middle, and returns the answers.

    The first job is in `predict` then, and some others are in `preprocess`.
    """
    gate = str(tmp_path / "gate")
    wait = "while not os.path.exists({!r}): time.sleep(0.01)".format(gate)
    # with two threads that read, no job is started while two are held there
    resources = {"cpu": {"count": 2}}
    project = make_project(tmp_path / "project", models.BATCH, resources=resources)

    def interrupt(held, end):
        jobs = make_jobs({0: ("predict", wait)}, 1)
        jobs += make_jobs(dict.fromkeys(range(held), ("preprocess", wait)), held)
        jobs += make_jobs(count=COUNT - len(jobs))
        answers = []
        with serve(project) as server:
            check(server.client.get("/status"), 200)
            for number, job in enumerate(jobs, 1):
                post = server.client.post
                answers.append(clients.submit(post, "/run", json=job.body))
                started = min(number, 1 + held) if held else number
                wait_until(lambda count=started: count_started(jobs) == count)
                wait_until(lambda: os.path.exists(os.path.join(project, "trace")))
            wait_until(lambda: count_jobs(server) == COUNT)
            model = find_model_process(server)
            # it sends SIGTERM; a signal of our own could be late
            check(server.client.post("/shutdown"), 202)
            end(gate, model)
            return jobs, [each.result() for each in answers], project

    return interrupt


def test_the_jobs_in_hand_are_done_after_sigterm(interrupt):
    jobs, answers, _ = interrupt(0, lambda gate, _: open(gate, "w").close())
    check_all(jobs, answers, {})


def test_nothing_runs_again_after_sigterm(interrupt):
    jobs, answers, project = interrupt(2, lambda _, model: os.kill(model, 6))
    for position, (job, answer) in enumerate(zip(jobs, answers)):
        assert job.outputs() is None
        if position < 3:
            check(answer, 500, "the run was broken off")
        else:
            check(answer, STATUS_CODES[NOT_STARTED], "the server is shutting down")
    assert len(read_trace(project)) == 1
