"""The loop of batches by itself, and the runner of the process at hand."""

import collections
import os
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask_psc_model import BatchModelBase, create_app
from flask_psc_model.jobs.execution import Execution
from flask_psc_model.jobs.job import Job
from flask_psc_model.logs import NO_CONTEXT, get_context
from flask_psc_model.model.spec import ModelSpec
from flask_psc_model.workers import batching
from flask_psc_model.workers.batching import Attempt, BatchLoop, compute, count_threads
from flask_psc_model.workers.runner import LocalRunner
from flask_psc_model.workers.table import ROWS, WAITING, JobTable

from .apps import check
from .job_folders import JobFolders
from .processes import wait_until


class Model(BatchModelBase):
    """Copies its inputs, and notes its batches."""

    input_filenames = "input.txt"
    output_filenames = "results.json"
    max_batch_size = 4

    def __init__(self):
        self.batches = []

    def preprocess(self, input_path):
        with open(input_path) as file:
            return file.read()

    def predict(self, batch):
        self.batches.append(batch)
        return [text.upper() for text in batch]

    def postprocess(self, result, output_path):
        with open(output_path, "w") as file:
            file.write(result)


class End(Exception):
    """There are no more jobs."""


@pytest.fixture
def make_attempts(tmp_path):
    """Return a function that makes attempts of jobs with these inputs."""
    table = JobTable()

    def make_attempts(model, texts):
        attempts = []
        for number, text in enumerate(texts, 1):
            folders = JobFolders(tmp_path / str(number), input=text)
            job = Job(str(folders.input), str(folders.output))
            execution = Execution(model, job, ModelSpec(), "staging")
            attempts.append(Attempt(number, NO_CONTEXT, execution, table.add(number)))
        return attempts

    make_attempts.table = table
    return make_attempts


def run_loop(model, attempts, pauses=()):
    """Run attempts in a loop, and return the answered ones.

    Args:
        model: that computes batches.
        attempts: to run.
        pauses: seconds before each of the first attempts.
    """
    waiting, pauses = collections.deque(attempts), collections.deque(pauses)
    answered = []
    all_answered = threading.Event()

    def receive():
        if not waiting:
            all_answered.wait(20)
            raise End
        if pauses:
            time.sleep(pauses.popleft())
        return waiting.popleft()

    def answer(attempt):
        answered.append(attempt)
        if len(answered) == len(attempts):
            all_answered.set()

    with pytest.raises(End):
        BatchLoop(model, 2, receive, answer, lambda: None).run()
    return answered


def read_results(attempts):
    """Return the number of each attempt and what it has written."""
    results = []
    for attempt in attempts:
        assert attempt.result.kind == "done", attempt.result
        path = os.path.join(attempt.result.staged.path, "results.json")
        with open(path) as file:
            results.append((attempt.number, file.read()))
    return sorted(results)


def test_each_job_has_its_own_result(make_attempts):
    model = Model()
    texts = ["text {}".format(number) for number in range(1, 31)]
    answered = run_loop(model, make_attempts(model, texts))
    assert read_results(answered) == list(enumerate(map(str.upper, texts), 1))
    assert sorted(sum(model.batches, [])) == sorted(texts)
    assert max(map(len, model.batches)) <= 4
    assert sum(each.batch_size for each in answered) == len(texts)


def test_what_is_ready_is_computed_at_once(make_attempts):
    model = Model()
    run_loop(model, make_attempts(model, "ab"), pauses=[0, 0.2])
    assert model.batches == [["a"], ["b"]]


def test_with_a_delay_a_batch_waits_for_other_jobs_until_it_is_full(make_attempts):
    model = Model()
    model.max_batch_delay = 10.0
    begin = time.monotonic()
    run_loop(model, make_attempts(model, "abcd"), pauses=[0, 0.1, 0.1, 0.1])
    assert [sorted(batch) for batch in model.batches] == [list("abcd")]
    assert time.monotonic() - begin < 10


def test_an_error_of_the_channel_ends_the_loop(make_attempts):
    model = Model()
    [attempt] = make_attempts(model, "a")
    received = iter([attempt])

    def answer(_):
        raise BrokenPipeError

    def receive():
        for each in received:
            return each
        threading.Event().wait(20)

    with pytest.raises(BrokenPipeError):
        BatchLoop(model, 2, receive, answer, lambda: None).run()


def test_between_two_steps_a_job_waits(make_attempts):
    model = Model()
    seen = []

    def look(_):
        seen.append({each.activity for each in table.read().values()})

    attempts = make_attempts(model, "ab")
    table = make_attempts.table
    for attempt in attempts:
        attempt.preprocess()
    look(None)
    compute(model, attempts, lambda _: None)
    look(None)
    attempts[0].postprocess()
    look(None)
    assert seen == [{WAITING}] * 3


def test_halves_do_not_begin_before_the_error_of_the_whole_is_gone(make_attempts):
    alive = []

    class Big:
        """What a model has allocated."""

    class Failing(Model):
        def predict(self, batch):
            alive.append(len([each for each in bigs if each() is not None]))
            big = Big()
            bigs.append(weakref.ref(big))
            if len(batch) > 1:
                raise RuntimeError("out of memory")
            return batch

    bigs = []
    model = Failing()
    attempts = make_attempts(model, "abcd")
    for attempt in attempts:
        attempt.preprocess()
    compute(model, attempts, lambda _: None)
    assert alive == [0] * 7


def compute_all(model, attempts):
    """Compute the attempts as one batch; return the sizes of the calls of `predict`."""
    for attempt in attempts:
        attempt.preprocess()
    delivered = []
    compute(model, attempts, delivered.append)
    assert delivered == attempts
    return [len(batch) for batch in model.batches]


class Bad(Model):
    """Fails where a text is bad."""

    def predict(self, batch):
        super().predict(batch)
        if "bad" in batch:
            raise self.error
        return batch


@pytest.mark.parametrize(
    ("texts", "sizes"),
    [
        ("bad b c d e f g h", [8, 4, 2, 1, 1, 2, 4]),
        ("a b c d e f g bad", [8, 4, 4, 2, 2, 1, 1]),
        ("bad b bad", [3, 1, 2, 1, 1]),
    ],
)
def test_a_batch_that_fails_is_computed_again_in_halves(make_attempts, texts, sizes):
    model = Bad()
    model.error = RuntimeError("of its own")
    attempts = make_attempts(model, texts.split())
    assert compute_all(model, attempts) == sizes
    for text, attempt in zip(texts.split(), attempts):
        if text == "bad":
            assert "of its own" in attempt.result.message
        else:
            assert (attempt.result, attempt.value) == (None, text)


def test_an_error_that_condemns_the_process_is_final(make_attempts):
    model = Bad()
    model.error = RuntimeError("CUDA error: an illegal memory access")
    attempts = make_attempts(model, ["a", "bad", "c"])
    assert compute_all(model, attempts) == [3]
    assert all(attempt.result.condemns for attempt in attempts)


def test_a_wrong_number_of_results_is_final_and_each_job_says_so(make_attempts):
    class Short(Model):
        def predict(self, batch):
            return super().predict(batch)[1:]

    model = Short()
    attempts = make_attempts(model, "abc")
    assert compute_all(model, attempts) == [3]
    for attempt in attempts:
        assert attempt.result.kind == "failed"
        assert "predict() returned 2 results for a batch of 3" in attempt.result.message


@pytest.mark.parametrize(
    ("cpus", "machine", "threads"),
    [(None, 8, 8), (4, 8, 4), (4.0, 2, 2), (1, 8, 2), (0.5, 8, 2), (16, 1, 2)],
)
def test_there_are_as_many_threads_as_cpus_of_the_model(
    monkeypatch, cpus, machine, threads
):
    monkeypatch.setattr(batching.os, "sched_getaffinity", lambda _: set(range(machine)))
    assert count_threads(cpus) == threads


# --- the runner of the process at hand -------------------------------------------


def test_jobs_meet_in_a_batch_without_a_model_process(tmp_path):
    models = []
    gate = threading.Event()

    class Waiting(Model):
        max_batch_size = 3

        def __init__(self):
            super().__init__()
            models.append(self)

        def predict(self, batch):
            gate.wait(20)
            return super().predict(batch)

    app = create_app(Waiting)
    jobs = [JobFolders(tmp_path / str(n), input="text {}".format(n)) for n in range(8)]
    with ThreadPoolExecutor(8) as clients:

        def run(job):
            return app.test_client().post("/run", json=job.body)

        answers = [clients.submit(run, job) for job in jobs]
        runner = app.extensions["psc_model"]
        deadline = time.monotonic() + 20
        while runner.count_waiting() < 5 and time.monotonic() < deadline:
            time.sleep(0.01)
        gate.set()
        for answer in answers:
            check(answer.result(), 200)
    assert [job.read() for job in jobs] == [
        "TEXT {}".format(number) for number in range(8)
    ]
    sizes = [len(batch) for batch in models[0].batches]
    assert sum(sizes) == 8
    assert max(sizes) == 3
    assert sum(runner.stats.batch_jobs.read()[0]) == len(sizes)


def test_a_thread_that_has_computed_jobs_of_others_logs_with_its_own_id(tmp_path):
    class Failing(Model):
        def predict(self, batch):
            return []

    app = create_app(Failing)
    jobs = [JobFolders(tmp_path / str(n), input="text") for n in range(4)]
    runner = app.extensions["psc_model"]

    def run(number):
        headers = {"X-Request-ID": str(number)}
        client = app.test_client()
        check(client.post("/run", json=jobs[number].body, headers=headers), 500)
        return get_context().request_id

    with ThreadPoolExecutor(4) as clients:
        with runner.hold():
            ids = [clients.submit(run, number) for number in range(4)]
            wait_until(lambda: runner.count_waiting() == 4)
        assert [each.result() for each in ids] == ["0", "1", "2", "3"]


def test_as_many_jobs_wait_as_there_are_threads(tmp_path):
    count = ROWS + 20
    runner = LocalRunner(Model)
    jobs = [JobFolders(tmp_path / str(n), input="text") for n in range(count)]

    def run(job):
        return runner.run(Job(job.body["input"], job.body["output"])).kind

    with ThreadPoolExecutor(count) as clients:
        with runner.hold():
            kinds = [clients.submit(run, job) for job in jobs]
            wait_until(lambda: runner.count_waiting() == count)
        assert {each.result() for each in kinds} == {"done"}


def test_ctrl_c_ends_the_process_at_hand(job):
    class Interrupted(Model):
        def predict(self, batch):
            raise KeyboardInterrupt

    client = create_app(Interrupted).test_client()
    with pytest.raises(KeyboardInterrupt):
        client.post("/run", json=job.body)
    assert not job.outputs()
