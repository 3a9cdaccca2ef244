"""The supervisor of a model process, and the pool, with fakes of the processes."""

import contextlib
import itertools
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask_psc_model.jobs.job import Job
from flask_psc_model.model.spec import ModelSpec
from flask_psc_model.workers import stats, supervisor
from flask_psc_model.workers.channel import Channel, ModelChannel
from flask_psc_model.workers.pool import WorkerPool
from flask_psc_model.workers.runner import never
from flask_psc_model.workers.supervisor import PendingJob, State
from flask_psc_model.workers.table import ALONE, MAX_JOBS, JobTable

from .processes import wait_until

_pids = itertools.count(10**6)

SPEC = ModelSpec()


class FakeOutput:
    """Of a process that prints nothing."""

    def read(self):
        """Do nothing."""


class FakeProcess:
    """A thread in place of a model process, which behaves as a function says."""

    #: What each process does, in turn; the last one goes on.
    behaviours = []
    #: All processes that were started.
    started = []

    def __init__(self, environment):
        job_read, job_write = os.pipe()
        answer_read, self.answer_write = os.pipe()
        self.pid = next(_pids)
        self.channel = Channel(answer_read, job_write)
        self.table = JobTable.create()
        self.output = FakeOutput()
        self.code = None
        self.killed = threading.Event()
        self.jobs = []
        self._model = ModelChannel(job_read, self.answer_write)
        behave = self.behaviours[0]
        if len(self.behaviours) > 1:
            del self.behaviours[0]
        self._thread = threading.Thread(target=self._live, args=[behave])
        self.started.append(self)
        self._thread.start()

    def _live(self, behave):
        # the supervisor may close its end at any time
        with contextlib.suppress(EOFError, BrokenPipeError):
            behave(self)

    def receive(self):
        """Wait for a message."""
        return self._model.receive()

    def answer(self, number, kind="done", **changes):
        """Send a result."""
        message = {"kind": kind, "message": kind, "staged": None, "condemns": False}
        message.update(batch_size=0, batch_jobs=0, batch_seconds=0.0)
        self._model.send(dict(message, number=number, pid=self.pid, **changes))

    def load(self):
        """Load the model."""
        assert "load" in self.receive()
        self.answer(0)

    def start_job(self):
        """Receive a job and start it; return its number."""
        number = self.receive()["number"]
        self.jobs.append(number)
        self.table.add(number).start(ALONE)
        return number

    def poll(self):
        """Return the exit code."""
        return self.code

    def wait(self, seconds):
        """Wait for the exit code."""
        deadline = time.monotonic() + seconds
        while self.code is None and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.code

    def dump_stacks(self):
        """Do nothing."""

    def kill(self):
        """End it."""
        self.code = self.code if self.code is not None else -9
        self.killed.set()

    def close(self):
        """Close the channel."""
        self.channel.close()
        self._thread.join(10)
        self._model._lines.close()
        os.close(self.answer_write)
        self.table.close()


def serve(process):
    """Load, and run all jobs at once."""
    process.load()
    while True:
        message = process.receive()
        if "close" in message:
            process.jobs.append("close")
            process.code = 0
            return
        process.jobs.append(message["number"])
        process.table.add(message["number"]).start(ALONE)
        process.answer(message["number"])


def die_before_the_start(process):
    """Die with a job that it has, but has not started."""
    process.load()
    process.receive()
    process.code = -11


def die_in_the_job(process):
    """Die with a job that it has started."""
    process.load()
    process.start_job()
    process.code = -11


def answer_and_die(process):
    """Die right after an answer."""
    process.load()
    number = process.start_job()
    process.answer(number)
    process.code = 1


def hang_in_the_job(process):
    """Start a job and hang."""
    process.load()
    process.start_job()
    process.killed.wait(20)


def hang_at_the_load(process):
    """Hang before the model is loaded."""
    process.killed.wait(20)


def die_at_the_load(process):
    """Die before the model is loaded."""
    process.code = 7


@pytest.fixture
def start(monkeypatch):
    """Return a function that starts a pool of processes that behave in some ways."""
    pools = []
    monkeypatch.setattr(supervisor, "ModelProcess", FakeProcess)
    monkeypatch.setattr(supervisor, "FIRST_PAUSE", 0.05)

    def start(*behaviours, processes=1, spec=SPEC, **options):
        monkeypatch.setattr(FakeProcess, "behaviours", list(behaviours))
        monkeypatch.setattr(FakeProcess, "started", [])
        pool = WorkerPool([{}] * processes, **options)
        pools.append(pool)
        pool.set_model("model_lib.model.Model", spec)
        pool.start()
        return pool

    yield start
    for pool in pools:
        pool.abort()
        pool.drain()


@pytest.fixture
def clients():
    """Return threads for requests in the background."""
    with ThreadPoolExecutor(8) as clients:
        yield clients


def run(pool, folder):
    """Run a job, and return the kind of its result and its message."""
    result = pool.run(Job("/in", str(folder / "out")))
    return result.kind, result.message


def limit(**seconds):
    """Return the spec of a model with these time limits."""
    return SPEC._replace(limits=SPEC.limits._replace(**seconds))


def test_a_job_that_was_not_started_runs_in_the_next_process(start, tmp_path):
    pool = start(die_before_the_start, serve)
    assert run(pool, tmp_path)[0] == "done"
    assert [process.jobs for process in FakeProcess.started] == [[], [1]]
    assert pool.stats.restarts.read()[stats.CRASHED] == 1


def test_it_runs_before_all_that_wait(start, tmp_path, clients):
    gate = threading.Event()

    def die_late(process):
        process.load()
        process.receive()
        gate.wait(20)
        process.code = 1

    pool = start(die_late, serve)
    results = []
    for _ in range(3):
        results.append(clients.submit(run, pool, tmp_path))
        wait_until(lambda: pool.count_waiting() == len(results) - 1)
    gate.set()
    assert [each.result()[0] for each in results] == ["done"] * 3
    assert FakeProcess.started[1].jobs == [1, 2, 3]


def test_a_job_that_was_started_runs_once(start, tmp_path):
    pool = start(die_in_the_job, serve)
    kind, message = run(pool, tmp_path)
    assert (kind, "SIGSEGV" in message) == ("failed", True)
    assert run(pool, tmp_path)[0] == "done"
    assert [process.jobs for process in FakeProcess.started] == [[1], [2]]


def test_an_answer_counts_however_soon_its_process_dies(start, tmp_path):
    pool = start(answer_and_die)
    for _ in range(5):
        assert run(pool, tmp_path)[0] == "done"
    assert len(FakeProcess.started) >= 5


def test_the_time_of_a_job_that_was_not_started_ends_the_process_only(start, tmp_path):
    def never_start(process):
        process.load()
        process.killed.wait(20)

    pool = start(never_start, serve, spec=limit(run_timeout=0.2))
    assert run(pool, tmp_path)[0] == "done"
    assert pool.stats.restarts.read()[stats.TIME_LIMIT] == 1


def test_a_job_over_its_time_limit_says_so(start, tmp_path):
    pool = start(hang_in_the_job, serve, spec=limit(run_timeout=0.2))
    kind, message = run(pool, tmp_path)
    assert kind == "failed"
    assert "time limit of 0.2 s" in message
    assert FakeProcess.started[0].killed.is_set()


def test_two_answers_to_one_job_end_the_process(start, tmp_path):
    def answer_twice(process):
        process.load()
        number = process.start_job()
        process.answer(number)
        process.answer(number)
        process.killed.wait(20)

    pool = start(answer_twice, serve)
    assert run(pool, tmp_path)[0] == "done"
    assert run(pool, tmp_path)[0] == "done"
    wait_until(lambda: pool.stats.restarts.read()[stats.BROKEN_CHANNEL] == 1)


@pytest.mark.parametrize("line", [b"stray\n", b'{"number": 7}\n'])
def test_an_answer_after_a_stray_line_does_not_count(start, tmp_path, line):
    def answer_late(process):
        process.load()
        number = process.start_job()
        kill = process.kill

        def answer_and_end():
            process.answer(number)
            kill()

        process.kill = answer_and_end
        os.write(process.answer_write, line)
        process.killed.wait(20)

    pool = start(answer_late, serve)
    kind, message = run(pool, tmp_path)
    assert (kind, "its process sent" in message) == ("failed", True)
    assert run(pool, tmp_path)[0] == "done"


def test_an_answer_before_any_job_ends_the_process(start):
    def answer_early(process):
        process.receive()
        process.answer(1)
        process.killed.wait(20)

    pool = start(answer_early, serve)
    result = pool.load()
    assert (result.kind, "before any" in result.message) == ("not_loaded", True)
    wait_until(lambda: pool.load().ok)


def test_suspects_run_before_all_others_and_these_in_their_order():
    jobs = [PendingJob(number, {}, never) for number in (4, 1, 3, 2)]
    for pending in jobs:
        pending.is_suspect = pending.number in (3, 4)
    assert [pending.number for pending in sorted(jobs)] == [3, 4, 1, 2]


def hold_jobs(process):
    """Load a batch model, and start no job."""
    assert "load" in process.receive()
    process.answer(0, batch_size=2)
    process.killed.wait(20)


def count_held(pool):
    """Return how many jobs each process holds."""
    return [len(each._jobs) for each in pool._supervisors]


def test_a_job_goes_to_the_process_with_the_fewest(start, tmp_path, clients):
    pool = start(hold_jobs, processes=2)
    wait_until(lambda: get_states(pool) == [State.READY] * 2)
    for number in range(1, 9):
        clients.submit(run, pool, tmp_path)
        wait_until(lambda count=number: sum(count_held(pool)) == count)
        assert max(count_held(pool)) - min(count_held(pool)) <= 1
    # twice the largest batch
    assert count_held(pool) == [4, 4]
    pool.abort()


def test_of_processes_with_as_few_jobs_the_longest_idle_one_is_next(start, tmp_path):
    pool = start(serve, processes=3)
    wait_until(lambda: get_states(pool) == [State.READY] * 3)
    for _ in range(6):
        run(pool, tmp_path)
    assert sorted(len(process.jobs) for process in FakeProcess.started) == [2, 2, 2]


def test_jobs_leave_threads_free_for_other_requests(start, tmp_path, clients):
    pool = start(hold_jobs, threads=12)
    wait_until(lambda: get_states(pool) == [State.READY])
    for _ in range(6):
        clients.submit(run, pool, tmp_path)
    wait_until(lambda: pool.count_waiting() + count_held(pool)[0] == 6)
    assert run(pool, tmp_path) == ("not_started", "busy: 6 jobs are running or waiting")
    pool.abort()


def test_processes_hold_no_more_jobs_than_there_are_threads(start, caplog):
    pool = start(hold_jobs, processes=2, threads=12)
    wait_until(lambda: get_states(pool) == [State.READY] * 2)
    assert pool.count_slots() == 6
    assert "at most 3 jobs, not 4 (twice max_batch_size)" in caplog.text


def test_a_process_holds_no_more_jobs_than_its_table(start, caplog):
    pool = start(hold_jobs, threads=2000)
    assert pool.limit_room(600) == MAX_JOBS
    assert "at most 255 jobs, not 600 (twice max_batch_size)" in caplog.text


# --- loading ---------------------------------------------------------------------


def test_a_load_is_tried_again_by_a_request_and_after_a_pause_only(start):
    pool = start(die_at_the_load)
    assert "exited with code 7" in pool.load().message
    time.sleep(0.5)
    assert len(FakeProcess.started) == 1
    wait_until(lambda: pool.load() and len(FakeProcess.started) == 4)
    [worker] = pool._supervisors
    assert worker._pause == 0.05 * 2**4


def test_a_load_that_hangs_is_given_up(start, tmp_path):
    pool = start(hang_at_the_load, serve, spec=limit(status_timeout=0.05))
    assert "still loading" in pool.load().message
    wait_until(lambda: FakeProcess.started[0].killed.is_set())
    wait_until(lambda: pool.load().ok)
    assert run(pool, tmp_path)[0] == "done"
    assert pool.stats.restarts.read()[stats.FAILED_LOAD] == 1


def test_where_no_process_can_be_started_the_model_is_not_loaded(start, monkeypatch):
    def fail(*args, **options):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(FakeProcess, "__init__", fail)
    pool = start(serve)
    result = pool.load()
    assert result.kind == "not_loaded"
    assert "no model process can be started: [Errno 11]" in result.message


def test_one_process_that_cannot_load_does_not_keep_the_others(start, tmp_path):
    pool = start(die_at_the_load, serve, processes=2)
    wait_until(lambda: pool.load().ok)
    for _ in range(4):
        assert run(pool, tmp_path)[0] == "done"


# --- recycling -------------------------------------------------------------------


def test_no_process_is_recycled_while_another_is_not_ready(start, tmp_path):
    pool = start(serve, hang_at_the_load, processes=2, max_jobs=2)
    wait_until(lambda: len(FakeProcess.started) == 2)
    for _ in range(6):
        assert run(pool, tmp_path)[0] == "done"
    assert pool.stats.restarts.read()[stats.MAX_JOBS] == 0


def test_a_process_is_recycled_after_its_model_was_closed(start, tmp_path):
    pool = start(serve, max_jobs=2)
    for _ in range(5):
        assert run(pool, tmp_path)[0] == "done"
    jobs = [process.jobs for process in FakeProcess.started]
    assert jobs == [[1, 2, "close"], [3, 4, "close"], [5]]


# --- the shutdown ----------------------------------------------------------------


def get_states(pool):
    """Return the states of the supervisors."""
    return [each.state for each in pool._supervisors]


@pytest.mark.parametrize(
    ("behaviour", "state"),
    [
        (hang_at_the_load, State.LOADING),
        (serve, State.READY),
        (die_at_the_load, State.FAILED),
    ],
)
def test_a_pool_can_be_stopped_in_each_state(start, tmp_path, behaviour, state):
    pool = start(behaviour)
    wait_until(lambda: get_states(pool) == [state])
    begin = time.monotonic()
    pool.drain()
    assert time.monotonic() - begin < 3
    assert get_states(pool) == [State.STOPPING]
    assert pool.list_processes() == []
    assert pool.load().message == "the server is shutting down"
    assert run(pool, tmp_path)[1] == "the server is shutting down"
    closed = ["close"] if state is State.READY else []
    assert FakeProcess.started[0].jobs == closed


def test_a_pool_that_was_never_given_a_model_can_be_stopped(monkeypatch):
    monkeypatch.setattr(supervisor, "ModelProcess", FakeProcess)
    monkeypatch.setattr(FakeProcess, "behaviours", [hang_at_the_load])
    pool = WorkerPool([{}])
    pool.start()
    time.sleep(0.1)
    pool.drain()
    assert get_states(pool) == [State.STOPPING]


def test_the_jobs_that_wait_are_sent_away_at_once(start, tmp_path, clients):
    pool = start(hang_in_the_job)
    first = clients.submit(run, pool, tmp_path)
    wait_until(lambda: FakeProcess.started and FakeProcess.started[0].jobs)
    second = clients.submit(run, pool, tmp_path)
    wait_until(lambda: pool.count_waiting() == 1)
    pool.stop_accepting()
    assert second.result(5) == ("not_started", "the server is shutting down")
    assert not first.done()
    pool.abort()
    assert first.result(5) == ("failed", "the server is shutting down")


# --- errors of our own -----------------------------------------------------------


@pytest.mark.parametrize("name", ["_wait", "dispatch"])
def test_an_error_in_a_request_leaves_no_job_behind(start, tmp_path, monkeypatch, name):
    pool = start(serve)
    assert run(pool, tmp_path)[0] == "done"
    me = threading.current_thread()
    real = getattr(WorkerPool, name)

    def fail(*args):
        if threading.current_thread() is me:
            raise MemoryError
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(WorkerPool, name, fail)
        with pytest.raises(MemoryError):
            run(pool, tmp_path)
    assert pool.count_waiting() == 0
    assert not pool._supervisors[0]._jobs
    assert run(pool, tmp_path)[0] == "done"
    assert len(FakeProcess.started) == 1


def test_only_one_method_changes_the_state():
    path = supervisor.__file__
    with open(path) as file:
        lines = [line.strip() for line in file if "self.state = " in line]
    assert lines == ["self.state = State.STARTING", "self.state = state"]
