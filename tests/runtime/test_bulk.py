"""The parts of a bulk run by themselves."""

import contextlib
import errno
import glob
import io
import json
import math
import os
import socket
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from flask_psc_model.bulk import capacity, progress, ray_workers
from flask_psc_model.bulk.capacity import Capacity
from flask_psc_model.bulk.crew import Crew
from flask_psc_model.bulk.jobs import FlatJob, FolderJob
from flask_psc_model.bulk.journal import MAX_LOSSES, Ended, Journal, Origin
from flask_psc_model.bulk.local_backend import LocalBackend
from flask_psc_model.bulk.progress import Progress, format_rate, format_time
from flask_psc_model.bulk.ray_cluster import RayCluster
from flask_psc_model.bulk.ray_workers import RayWorker
from flask_psc_model.bulk.run import BulkRun, Policy
from flask_psc_model.bulk.selection import select_left
from flask_psc_model.bulk.shard import Shard
from flask_psc_model.bulk.sources import FlatSource, FolderSource, ListSource
from flask_psc_model.bulk.stop_signals import StopSignals
from flask_psc_model.bulk.workers import Model, NoCapacity, Worker, WorkerLost
from flask_psc_model.errors import (
    BUSY,
    DONE,
    FAILED,
    INVALID_JOB,
    NOT_LOADED,
    SHUTDOWN,
    InvalidJob,
)
from flask_psc_model.jobs.folder import Folder
from flask_psc_model.jobs.result import READY, JobResult, not_loaded, not_started
from flask_psc_model.model.metadata import Metadata
from flask_psc_model.model.spec import ModelSpec
from flask_psc_model.workers import devices

from .processes import wait_until

GIB = 1024**3
RAN = JobResult(DONE, "done")


def make_limits(**resources):
    """Return limits with these resources, by the names of `model.yaml`."""
    keys = {"memory": "size", "cpu": "count", "gpu": "count"}
    content = {name: {keys[name]: value} for name, value in resources.items()}
    return ModelSpec.decode(Metadata({"resources": content})).limits


def make_jobs(count):
    """Return jobs whose folders do not exist."""
    return [FolderJob(str(number), "/in", "/out") for number in range(count)]


# --- shards ----------------------------------------------------------------------


def test_the_shards_have_every_job_once_and_about_as_many():
    names = ["{:05}".format(number) for number in range(3000)]
    shards = [Shard(index, 3) for index in range(3)]
    parts = [[name for name in names if shard.has(name)] for shard in shards]
    assert sorted(sum(parts, [])) == names
    assert min(map(len, parts)) > 900


def test_a_shard_reads_as_it_is_written():
    shard = Shard.parse(" 3/4 ")
    assert (shard.index, shard.count) == (3, 4)


@pytest.mark.parametrize("text", ["", "1", "2/2", "0/0", "-1/2", "a/b", "1/2/3", "²/3"])
def test_a_wrong_shard_is_one_message_that_shows_a_right_one(text):
    with pytest.raises(ValueError, match="0/4") as caught:
        Shard.parse(text)
    assert repr(text) in str(caught.value)


def test_a_pod_of_an_indexed_job_knows_its_shard(monkeypatch):
    assert Shard.from_environment() is None
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "2")
    for count in ("", "2", "many"):
        monkeypatch.setenv("PSC_SHARD_COUNT", count)
        with pytest.raises(ValueError, match="PSC_SHARD_COUNT"):
            Shard.from_environment()
    monkeypatch.setenv("PSC_SHARD_COUNT", "3")
    shard = Shard.from_environment()
    assert (shard.index, shard.count) == (2, 3)


# --- capacity --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resources", "count"),
    [
        ({}, 8),
        ({"cpu": 0.5}, 16),
        ({"cpu": 3}, 2),
        ({"cpu": 9}, 0),
        ({"memory": "10G"}, 3),
        ({"gpu": 1}, 2),
        ({"gpu": 2, "cpu": 1, "memory": "1G"}, 1),
    ],
)
def test_as_many_processes_fit_as_the_scarcest_resource_allows(resources, count):
    assert Capacity(8, 32 * GIB, 2).count_processes(make_limits(**resources)) == count


def test_a_machine_without_gpus_computes_without(monkeypatch):
    monkeypatch.setattr(capacity, "find_devices", list)
    machine = Capacity.of_machine()
    assert machine.gpus == math.inf
    assert machine.count_processes(make_limits(gpu=1)) >= 1


@pytest.mark.parametrize("version", [1, 2])
def test_the_limits_of_a_container_count(monkeypatch, tmp_path, version):
    names = ["CPU_MAX", "CPU_QUOTA", "CPU_PERIOD"]
    for name in names:
        monkeypatch.setattr(capacity, name, str(tmp_path / name))
    memory = tmp_path / "memory"
    monkeypatch.setattr(capacity, "MEMORY_MAX", [str(memory)])
    free = Capacity.of_machine()
    memory.write_text("1048576\n")
    if version == 1:
        (tmp_path / "CPU_QUOTA").write_text("50000\n")
        (tmp_path / "CPU_PERIOD").write_text("100000\n")
    else:
        (tmp_path / "CPU_MAX").write_text("50000 100000\n")
    machine = Capacity.of_machine()
    assert (machine.cpus, machine.memory) == (0.5, 1048576)
    assert free.cpus >= 1
    # no limit
    (tmp_path / "CPU_QUOTA").write_text("-1\n")
    (tmp_path / "CPU_MAX").write_text("max 100000\n")
    memory.write_text("max\n")
    assert Capacity.of_machine() == free


def test_there_is_always_room_for_one_on_this_machine():
    assert LocalBackend().available_slots(make_limits(cpu=100000)) == 1


def test_every_process_has_as_many_devices_as_the_model_asks_for(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6")
    found = [each[devices.VARIABLE] for each in devices.assign_devices(3, 2)]
    assert found == ["4,5", "6,4", "5,6"]
    found = [each[devices.VARIABLE] for each in devices.assign_devices(2, 9)]
    assert found == ["4,5,6", "4,5,6"]
    assert devices.assign_devices(1, 2) == [{}]


# --- a Ray cluster -------------------------------------------------------------------


class FakeRay:
    """Ray, as far as the driver uses it to find resources."""

    def __init__(self, free):
        self.free = free

    def init(self, **_):
        """Connect."""

    def shutdown(self):
        """Disconnect."""

    def nodes(self):
        return [{"Alive": True, "Resources": {"CPU": 4, "memory": 8 * GIB}}] * 2

    def available_resources(self):
        return self.free


def test_nobody_who_listens_is_noticed_at_once(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", FakeRay({}))
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = "127.0.0.1:{}".format(unused.getsockname()[1])
        with pytest.raises(NoCapacity, match="cannot connect .* " + address):
            RayCluster(address, ".").__enter__()


@pytest.mark.parametrize("is_refusing", [False, True])
def test_what_ray_prints_is_not_in_the_output(monkeypatch, capsys, is_refusing):
    class PrintingRay(FakeRay):
        def init(self, **_):
            print("a node is lost")
            if is_refusing:
                raise ConnectionError("no")

    monkeypatch.setitem(sys.modules, "ray", PrintingRay({}))
    with contextlib.suppress(NoCapacity), RayCluster("auto", "."):
        print("a node is lost")
    print("1 of 1 jobs")
    output, errors = capsys.readouterr()
    assert output == "1 of 1 jobs\n"
    assert errors == "a node is lost\n" * (1 if is_refusing else 2)


@pytest.mark.parametrize(
    ("free", "slots"), [({"CPU": 8, "memory": 16 * GIB}, 4), ({"CPU": 3}, 1), ({}, 1)]
)
def test_only_what_is_free_in_a_cluster_counts(monkeypatch, caplog, free, slots):
    monkeypatch.setitem(sys.modules, "ray", FakeRay(free))
    with RayCluster("auto", ".") as cluster:
        assert cluster.available_slots(make_limits(cpu=2)) == slots
    waits = "waiting for 2 CPUs, the resources of model.yaml"
    assert (waits in caplog.text) == (free == {})


class LocalRay:
    """Ray, as far as a worker uses it; its actors live in this process."""

    class exceptions:
        RayError = RuntimeError

    def remote(self, actor):
        return self._Options(actor)

    class _Options:
        def __init__(self, actor):
            self._actor = actor

        def options(self, **_):
            return self

        def remote(self, model):
            return LocalRay._Handle(self._actor(model))

    class _Handle:
        def __init__(self, actor):
            self._actor = actor

        def __getattr__(self, name):
            return SimpleNamespace(remote=getattr(self._actor, name))

    def get(self, reference, timeout=None):
        return reference

    def kill(self, actor):
        pass


def test_an_actor_that_cannot_load_its_model_again_is_replaced(monkeypatch):
    broken, fresh = FakeWorker(RAN, not_loaded("no memory")), FakeWorker()
    workers = [broken, fresh]
    monkeypatch.setattr(ray_workers, "ProcessWorker", lambda *_: workers.pop(0))
    journal = RecordingJournal()
    worker = RayWorker(LocalRay(), Model("model", ModelSpec(), "."))
    outcomes, _ = run_crew(worker, jobs=make_jobs(3), journal=journal)
    assert outcomes == {str(number): RAN for number in range(3)}
    assert [call for call in broken.calls if call.isdigit()] == ["0", "1"]
    assert [call for call in fresh.calls if call.isdigit()] == ["1", "2"]
    # it has lost no job
    assert journal.events[1:4] == ["start 1", "stop 1", "start 1"]


def test_an_actor_that_never_loads_its_model_is_not_replaced(monkeypatch):
    workers = [FakeWorker(loads=not_loaded("no weights"))]
    monkeypatch.setattr(ray_workers, "ProcessWorker", lambda *_: workers.pop(0))
    worker = RayWorker(LocalRay(), Model("model", ModelSpec(), "."))
    outcomes, crew = run_crew(worker, jobs=make_jobs(1))
    assert (outcomes, crew.failure) == ({}, "no weights")


# --- the crew --------------------------------------------------------------------


class FakeWorker(Worker):
    """Returns the given outcomes in turn; raises those that are errors."""

    def __init__(self, *answers, loads=READY):
        self.answers = list(answers)
        self.loads = loads
        self.calls = []

    def load(self):
        self.calls.append("load")
        return self.loads

    def run(self, job):
        self.calls.append(job.name)
        answer = self.answers.pop(0) if self.answers else RAN
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def replace(self):
        self.calls.append("replace")

    def sync(self):
        self.calls.append("sync")

    def stop(self):
        pass

    def abort(self):
        self.calls.append("abort")

    def close(self):
        self.calls.append("close")


class NoJournal:
    """A journal that forgets everything."""

    def read_inputs(self, job):
        return {}

    def start(self, job):
        pass

    stop = end = start


def run_crew(*workers, jobs, journal=None, **options):
    """Run jobs and return the outcomes by the names of the jobs, and the crew."""
    crew = Crew(workers, jobs, journal or NoJournal(), **options)
    crew.start()
    outcomes = {}
    deadline = time.monotonic() + 20
    while crew.is_working():
        if time.monotonic() > deadline:
            crew.stop()
            raise AssertionError("it goes on for ever")
        ended = crew.wait(0.05)
        if ended:
            assert ended.job.name not in outcomes
            outcomes[ended.job.name] = ended.result
    crew.close()
    return outcomes, crew


def test_the_jobs_of_a_lost_worker_run_again():
    lost = FakeWorker(RAN, WorkerLost("gone"))
    outcomes, _ = run_crew(lost, jobs=make_jobs(4))
    assert outcomes == {str(number): RAN for number in range(4)}
    runs = [call for call in lost.calls if call != "load"]
    assert runs == ["0", "1", "replace", "1", "2", "3", "close"]


class Dying(FakeWorker):
    """Is lost with its first jobs, and stays so until it is replaced."""

    capacity = 4

    def run(self, job):
        if "replace" not in self.calls:
            self.calls.append(job.name)
            raise WorkerLost("gone")
        return super().run(job)


@pytest.mark.parametrize("retries", [0, 1])
def test_a_lost_worker_gets_no_other_job_before_it_is_replaced(retries):
    worker = Dying()
    outcomes, _ = run_crew(worker, jobs=make_jobs(1), retries=retries)
    assert outcomes == {"0": RAN}
    assert [call for call in worker.calls if call != "load"] == [
        "0",
        "replace",
        "0",
        "close",
    ]


@pytest.mark.parametrize("loads", [WorkerLost("gone"), not_loaded("no memory")])
def test_a_worker_starts_again_while_its_other_threads_have_no_job(loads):
    is_taken, is_back = threading.Event(), threading.Event()

    class Busy(FakeWorker):
        def run(self, job):
            is_taken.set()
            assert is_back.wait(20)
            return super().run(job)

    class Breaking(FakeWorker):
        capacity = 2
        has_failed = False

        def load(self):
            is_taken.wait(20)
            self.calls.append("load")
            if self.has_failed:
                is_back.set()
            elif "1" in self.calls:
                self.has_failed = True
                if isinstance(loads, WorkerLost):
                    raise loads
                return loads
            return READY

        def run(self, job):
            # the other thread has nothing to do
            wait_until(lambda: self.calls.count("load") == 3)
            return super().run(job)

    outcomes, _ = run_crew(Busy(), Breaking(), jobs=make_jobs(2))
    assert outcomes == {"0": RAN, "1": RAN}


def test_a_job_that_is_always_lost_fails_in_the_end():
    worker = FakeWorker(*[WorkerLost("gone")] * MAX_LOSSES)
    outcomes, _ = run_crew(worker, jobs=make_jobs(2))
    assert outcomes["0"].kind == FAILED
    assert "lost 3 times" in outcomes["0"].message
    assert outcomes["1"] == RAN


def test_a_worker_runs_as_many_jobs_at_once_as_it_can():
    class Wide(FakeWorker):
        capacity = 4
        meeting = threading.Barrier(4, timeout=20)

        def run(self, job):
            # nobody goes on before all are here
            self.meeting.wait()
            return super().run(job)

    outcomes, _ = run_crew(Wide(), jobs=make_jobs(8))
    assert outcomes == {str(number): RAN for number in range(8)}


def test_what_waits_for_the_model_when_the_run_stops_has_no_result():
    class Waiting(FakeWorker):
        capacity = 2
        meeting = threading.Barrier(3, timeout=20)
        stopped = threading.Event()

        def run(self, job):
            self.meeting.wait()
            self.stopped.wait(20)
            return RAN if job.name == "0" else not_started("no more", SHUTDOWN)

        def stop(self):
            self.stopped.set()

    ended = []
    journal = NoJournal()
    journal.stop = lambda job: ended.append(job.name)
    worker = Waiting()
    crew = Crew([worker], make_jobs(3), journal)
    crew.start()
    worker.meeting.wait()
    crew.stop()
    crew.close()
    assert crew.wait(0).job.name == "0"
    assert crew.wait(0) is None
    # it is not lost either
    assert ended == ["1"]


def test_the_jobs_of_a_lost_worker_run_again_one_by_one():
    class Wide(FakeWorker):
        capacity = 4
        meeting = threading.Barrier(4, timeout=20)
        running = 0
        is_alone = True

        def run(self, job):
            if "replace" not in self.calls:
                self.meeting.wait()
                raise WorkerLost("gone")
            self.running += 1
            time.sleep(0.02)
            self.is_alone = self.is_alone and self.running == 1
            self.running -= 1
            return super().run(job)

    worker = Wide()
    outcomes, _ = run_crew(worker, jobs=make_jobs(4))
    assert outcomes == {str(number): RAN for number in range(4)}
    assert worker.is_alone
    assert worker.calls.count("replace") == 1


class RecordingJournal(NoJournal):
    """A journal that keeps what happened."""

    def __init__(self):
        self.events = []

    def start(self, job):
        self.events.append("start " + job.name)

    def stop(self, job):
        self.events.append("stop " + job.name)


NOT_RUN = [not_loaded("no memory"), not_started("busy", BUSY)]


@pytest.mark.parametrize("result", NOT_RUN)
def test_a_job_that_has_not_run_is_put_back(result):
    worker = FakeWorker(result)
    journal = RecordingJournal()
    outcomes, _ = run_crew(worker, jobs=make_jobs(2), journal=journal)
    assert outcomes == {"0": RAN, "1": RAN}
    assert journal.events[:3] == ["start 0", "stop 0", "start 0"]
    assert [call for call in worker.calls if call.isdigit()] == ["0", "0", "1"]


@pytest.mark.parametrize("retries", [0, 1])
def test_jobs_that_no_worker_can_run_have_no_result(retries):
    class Broken(FakeWorker):
        capacity = 4
        meeting = threading.Barrier(4, timeout=20)

        def run(self, job):
            self.meeting.wait()
            self.loads = not_loaded("no memory")
            return RAN if job.name == "0" else self.loads

    journal = RecordingJournal()
    outcomes, crew = run_crew(
        Broken(), jobs=make_jobs(9), journal=journal, retries=retries
    )
    assert (outcomes, crew.failure) == ({"0": RAN}, "no memory")
    stopped = sorted(event for event in journal.events if event.startswith("stop"))
    assert stopped == ["stop 1", "stop 2", "stop 3"]


def test_another_worker_runs_what_one_could_not_start():
    is_taken = threading.Event()

    class Broken(FakeWorker):
        def run(self, job):
            is_taken.set()
            self.loads = not_loaded("no memory")
            return self.loads

    class Second(FakeWorker):
        def load(self):
            is_taken.wait(20)
            return super().load()

    outcomes, _ = run_crew(Broken(), Second(), jobs=make_jobs(3))
    assert outcomes == {str(number): RAN for number in range(3)}


def test_a_worker_waits_for_the_jobs_that_others_may_lose():
    is_idle, is_taken = threading.Event(), threading.Event()

    class Idle(FakeWorker):
        def load(self):
            if "load" in self.calls:
                is_idle.set()
            return super().load()

        def run(self, job):
            if is_idle.is_set():
                is_taken.set()
            return super().run(job)

    class Losing(FakeWorker):
        def run(self, job):
            is_idle.wait(20)
            raise WorkerLost("gone")

        def replace(self):
            # no other one fits any more
            is_taken.wait(20)
            self.loads = JobResult(NOT_LOADED, "no room")

    outcomes, _ = run_crew(Losing(), Idle(), jobs=make_jobs(2))
    assert outcomes == {"0": RAN, "1": RAN}
    assert is_taken.is_set()


def test_a_crew_whose_workers_cannot_load_the_model_ends():
    workers = [FakeWorker(loads=JobResult(NOT_LOADED, "no weights")) for _ in range(2)]
    outcomes, crew = run_crew(*workers, jobs=make_jobs(3))
    assert (outcomes, crew.failure) == ({}, "no weights")


def test_an_error_of_our_own_does_not_lose_the_job():
    outcomes, _ = run_crew(FakeWorker(OSError("no pipe")), jobs=make_jobs(1))
    assert "no pipe" in outcomes["0"].message


def test_outputs_that_cannot_be_put_in_their_place_fail_the_job(monkeypatch):
    def fail(_):
        raise InvalidJob("cannot write the output x")

    monkeypatch.setattr(FolderJob, "finish", fail)
    outcomes, _ = run_crew(FakeWorker(), jobs=make_jobs(1))
    assert outcomes == {"0": JobResult(INVALID_JOB, "cannot write the output x")}


@pytest.mark.parametrize("step", ["read_inputs", "prepare", "finish", "clean_up"])
def test_an_error_of_one_step_of_a_job_fails_this_job_only(step):
    class Job(FolderJob):
        pass

    def fail(*_):
        raise ValueError("surrogates not allowed")

    setattr(Job, step, fail)
    journal = NoJournal()
    journal.read_inputs = lambda job: job.read_inputs([])
    bad, good = Job("bad", "/in", "/out"), FolderJob("good", "/in", "/out")
    outcomes, _ = run_crew(FakeWorker(), jobs=[bad, good], journal=journal)
    assert outcomes["good"] == RAN
    assert outcomes["bad"].kind == FAILED
    assert "surrogates not allowed" in outcomes["bad"].message


def test_a_job_that_fails_runs_again_after_all_others():
    bad = JobResult(FAILED, "bad")
    worker = FakeWorker(bad, JobResult("invalid_input", "a cat"), RAN, bad)
    outcomes, _ = run_crew(worker, jobs=make_jobs(3), retries=2)
    assert [call for call in worker.calls if call.isdigit()] == list("01200")
    assert {name: outcomes[name].kind for name in outcomes} == {
        "0": DONE,
        "1": "invalid_input",
        "2": DONE,
    }


def test_the_attempts_of_earlier_runs_count():
    bad = JobResult(FAILED, "bad")
    worker = FakeWorker(bad, bad)
    run_crew(worker, jobs=make_jobs(1), retries=2, attempts={"0": 2})
    assert worker.calls.count("0") == 1


def test_nothing_runs_beside_a_suspect():
    running, seen = set(), []

    class Watching(FakeWorker):
        def run(self, job):
            running.add(job.name)
            time.sleep(0.02)
            seen.append(set(running))
            running.discard(job.name)
            return RAN

    workers = [Watching() for _ in range(3)]
    run_crew(*workers, jobs=make_jobs(8), suspects={"6", "7"})
    assert max(map(len, seen)) > 1
    assert [each for each in seen if each & {"6", "7"}] == [{"6"}, {"7"}]


def test_a_job_is_fetched_when_a_worker_is_free():
    fetched, ahead = [], []

    def fetch():
        for job in make_jobs(100):
            fetched.append(job.name)
            yield job

    class Counting(FakeWorker):
        def run(self, job):
            ahead.append(len(fetched) - int(job.name))
            return RAN

    run_crew(Counting(), jobs=fetch())
    assert len(ahead) == 100
    assert max(ahead) <= 2


# --- the journal -----------------------------------------------------------------

ORIGIN = Origin("1.0.0", "abc")
NAMES = (["in.txt"], ["out.txt"])


@pytest.fixture
def make_job(tmp_path):
    """Return a function that makes a job, with its input and its output."""

    def make(name, text="result"):
        for folder, file in (("in", "in.txt"), ("out", "out.txt")):
            (tmp_path / folder / name).mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / name / file).write_text(text)
        return FolderJob(
            name, str(tmp_path / "in" / name), str(tmp_path / "out" / name)
        )

    return make


def open_journal(tmp_path, shard=None, origin=ORIGIN):
    """Return a journal that has read what is there."""
    (tmp_path / "out").mkdir(exist_ok=True)
    journal = Journal(str(tmp_path / "out"), shard or Shard(0, 1), origin, NAMES)
    journal.read()
    return journal


def end(journal, job, result=RAN):
    """Run a job, as far as the journal is concerned."""
    journal.start(job)
    journal.end(Ended(job, result, journal.read_inputs(job), 1))


def test_a_success_counts_once_it_is_on_the_disk(tmp_path, make_job):
    job, journal = make_job("a"), open_journal(tmp_path)
    end(journal, job)
    assert not open_journal(tmp_path).is_done(job)
    journal.commit()
    assert open_journal(tmp_path).is_done(job)


CHANGES = ["input", "input time", "output", "no output", "half"]


@pytest.mark.parametrize("change", CHANGES)
def test_a_job_runs_again_where_a_file_is_not_as_it_was(tmp_path, make_job, change):
    job, journal = make_job("a"), open_journal(tmp_path)
    end(journal, job)
    journal.commit()
    source = os.path.join(job.input_folder, "in.txt")
    target = os.path.join(job.output_folder, "out.txt")
    if change == "input":
        status = os.stat(source)
        with open(source, "a") as file:
            file.write("!")
        os.utime(source, ns=(status.st_mtime_ns, status.st_mtime_ns))
    elif change == "input time":
        os.utime(source, (1, 1))
    elif change == "output":
        open(target, "w").close()
    elif change == "no output":
        os.remove(target)
    else:
        os.mkdir(os.path.join(job.output_folder, ".psc-something"))
    assert not open_journal(tmp_path).is_done(job)


@pytest.mark.parametrize("origin", [Origin("1.0.1", "abc"), Origin("1.0.0", "def")])
def test_results_of_another_version_are_noticed(tmp_path, make_job, origin):
    jobs, journal = [make_job("a"), make_job("b")], open_journal(tmp_path)
    for job in jobs:
        end(journal, job)
    journal.commit()
    newer = open_journal(tmp_path, origin=origin)
    assert not newer.is_done(jobs[0])
    assert newer.count_older() == 1
    end(newer, jobs[1])
    newer.commit()
    assert open_journal(tmp_path, origin=origin).count_older() == 1
    assert open_journal(tmp_path, origin=origin).is_done(jobs[1])


def test_another_number_of_shards_reads_what_all_have_written(tmp_path, make_job):
    jobs = [make_job(str(number)) for number in range(4)]
    for index in range(2):
        journal = open_journal(tmp_path, Shard(index, 2))
        end(journal, jobs[index])
        end(journal, jobs[index + 2], JobResult(FAILED, "bad"))
        journal.commit()
        journal.close()
    journal = open_journal(tmp_path, Shard(0, 1))
    assert [journal.is_done(job) for job in jobs] == [True, True, False, False]
    assert [bool(journal.find_failure(job)) for job in jobs] == [False] * 2 + [True] * 2
    # a later success under this number of shards is what counts from then on
    end(journal, jobs[3])
    journal.commit()
    journal = open_journal(tmp_path, Shard(1, 3))
    assert journal.is_done(jobs[3])
    assert journal.find_failure(jobs[3]) is None


@pytest.mark.parametrize("module, function", [(glob, "glob"), (os.path, "getmtime")])
@pytest.mark.parametrize("kind", ["done", "errors", "started"])
def test_a_file_that_another_shard_removes_at_that_moment_is_ignored(
    tmp_path, make_job, monkeypatch, module, function, kind
):
    gone = tmp_path / "out" / (kind + "-1-of-2.jsonl")
    journal = open_journal(tmp_path, Shard(0, 2))
    gone.write_text("")
    call, removed = getattr(module, function), []

    def remove(path):
        found = call(path)
        if gone.exists() and kind in path:
            gone.unlink()
            removed.append(path)
        return found

    monkeypatch.setattr(module, function, remove)
    journal.read()
    assert removed


def test_a_file_on_a_network_disk_that_another_shard_has_removed_is_ignored(
    tmp_path, make_job, monkeypatch
):
    journal = open_journal(tmp_path, Shard(0, 2))
    (tmp_path / "out" / "started-1-of-2.jsonl").write_text("")

    def fail(*_):
        raise OSError(errno.ESTALE, "Stale file handle")

    with monkeypatch.context() as patch:
        patch.setattr(os.path, "getmtime", fail)
        journal.read()

    def refuse(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os.path, "getmtime", refuse)
    with pytest.raises(OSError, match="Input/output"):
        journal.read()


def list_records(tmp_path):
    """Return the jobs in each file of a journal."""
    return {
        path.name: sorted(
            json.loads(line)["job"] for line in path.read_text().splitlines()
        )
        for path in (tmp_path / "out").glob("*.jsonl")
    }


def test_a_shard_records_its_own_jobs_only(tmp_path, make_job):
    jobs = [make_job(str(number)) for number in range(8)]
    shards = [Shard(index, 2) for index in range(2)]
    own = [[job for job in jobs if shard.has(job.name)] for shard in shards]
    assert all(own)
    for shard in shards:
        journal = open_journal(tmp_path, shard)
        for job in own[shard.index]:
            end(journal, job, JobResult(FAILED, "bad"))
        journal.close()
    running = open_journal(tmp_path, shards[1])
    running.start(own[1][0])
    again = open_journal(tmp_path, shards[0])
    for job in own[0]:
        end(again, job)
    again.commit()
    again.close()
    names = [sorted(job.name for job in each) for each in own]
    assert list_records(tmp_path) == {
        "done-0-of-2.jsonl": names[0],
        "errors-1-of-2.jsonl": names[1],
        "started-1-of-2.jsonl": [own[1][0].name],
    }
    for job in own[1]:
        end(running, job)
    running.commit()
    running.close()
    assert list_records(tmp_path) == {
        "done-0-of-2.jsonl": names[0],
        "done-1-of-2.jsonl": names[1],
    }


def test_another_number_of_shards_inherits_the_losses_of_its_jobs(tmp_path, make_job):
    jobs = [make_job(str(number)) for number in range(8)]
    for index in range(2):
        journal = open_journal(tmp_path, Shard(index, 2))
        for job in jobs:
            if Shard(index, 2).has(job.name):
                journal.start(job)
    shards = [Shard(index, 3) for index in range(3)]
    journals = [open_journal(tmp_path, shard) for shard in shards]
    for job in jobs:
        [journal] = [
            each for each, shard in zip(journals, shards) if shard.has(job.name)
        ]
        assert journal.count_losses(job) == 1


def test_a_failure_is_kept_until_something_changes(tmp_path, make_job):
    job, journal = make_job("a"), open_journal(tmp_path)
    end(journal, job, JobResult(FAILED, "bad\n\u2028"))
    # as it is where this process is killed now
    assert open_journal(tmp_path).find_failure(job)["message"] == "bad\n\u2028"
    assert open_journal(tmp_path, origin=Origin("2.0.0", "")).find_failure(job) is None
    os.utime(os.path.join(job.input_folder, "in.txt"), (1, 1))
    assert open_journal(tmp_path).find_failure(job) is None


def test_a_closed_journal_names_each_failed_job_once(tmp_path, make_job):
    jobs, journal = [make_job("a"), make_job("b")], open_journal(tmp_path)
    for job in jobs * 2:
        end(journal, job, JobResult(FAILED, "bad"))
    end(journal, jobs[0])
    journal.close()
    with open(journal.errors_path) as file:
        [entry] = map(json.loads, file)
    assert (entry["job"], entry["statusCode"], entry["message"]) == ("b", 500, "bad")
    assert sorted(os.listdir(str(tmp_path / "out"))) == ["a", "b", "errors.jsonl"]
    journal.forget()
    assert sorted(os.listdir(str(tmp_path / "out"))) == ["a", "b"]


def test_a_line_that_a_full_disk_has_cut_off_costs_no_other(tmp_path, make_job):
    job = make_job("a")
    with open(str(tmp_path / "out" / "done-0-of-1.jsonl"), "w") as file:
        file.write('{"job": "ot')
    journal = open_journal(tmp_path)
    end(journal, job)
    journal.commit()
    assert open_journal(tmp_path).is_done(job)


def test_a_journal_that_cannot_be_rewritten_leaves_the_old_one(
    tmp_path, make_job, monkeypatch
):
    job, journal = make_job("a"), open_journal(tmp_path)
    end(journal, job, JobResult(FAILED, "bad"))

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(OSError, match="No space"):
            journal.close()
    assert not [name for name in os.listdir(str(tmp_path / "out")) if "new" in name]
    assert open_journal(tmp_path).find_failure(job)


def test_a_job_that_takes_its_run_with_it_goes_last_and_fails_in_the_end(
    tmp_path, make_job
):
    jobs = {name: make_job(name) for name in ("a", "b", "poison")}
    source = FolderSource(str(tmp_path / "in"), str(tmp_path / "out"))

    def select():
        return select_left(source, Shard(0, 1), open_journal(tmp_path), 0)

    journal = open_journal(tmp_path)
    for name in ("a", "poison"):
        journal.start(jobs[name])
    journal.stop(jobs["a"])
    assert select().suspects == set()
    open_journal(tmp_path).start(jobs["poison"])
    selection = select()
    assert selection.suspects == {"poison"}
    assert [job.name for job in selection.make_jobs()][-1] == "poison"
    # reading it again and again counts nothing twice
    assert select().suspects == {"poison"}
    open_journal(tmp_path).start(jobs["poison"])
    selection = select()
    assert sorted(job.name for job in selection.make_jobs()) == ["a", "b"]
    assert selection.failures == {500: 1}
    entry = open_journal(tmp_path).find_failure(jobs["poison"])
    assert entry["message"] == "its run was lost 3 times"
    assert select().failures == {500: 1}


def test_a_job_that_ended_well_is_held_responsible_for_nothing(tmp_path, make_job):
    job, journal = make_job("a"), open_journal(tmp_path)
    for _ in range(5):
        end(journal, job)
        journal = open_journal(tmp_path)
    assert journal.count_losses(job) == 0


def test_only_what_failed_with_500_or_more_runs_again(tmp_path, make_job):
    jobs = [make_job(name) for name in ("refused", "failed", "worn")]
    journal = open_journal(tmp_path)
    results = [("invalid_input", 1), (FAILED, 1), (FAILED, 3)]
    for job, (kind, attempts) in zip(jobs, results):
        inputs = journal.read_inputs(job)
        journal.end(Ended(job, JobResult(kind, "bad"), inputs, attempts))
    source = FolderSource(str(tmp_path / "in"), str(tmp_path / "out"))
    selection = select_left(source, Shard(0, 1), open_journal(tmp_path), 0)
    assert (selection.keys, selection.failures) == ([], {422: 1, 500: 2})
    selection = select_left(source, Shard(0, 1), open_journal(tmp_path), 2)
    assert (selection.keys, selection.attempts) == (["failed"], {"failed": 1})


# --- the run ---------------------------------------------------------------------


def work(journal, workers, jobs, **options):
    """Run jobs and return the run, and what it has shown."""
    stream = io.StringIO()
    bulk_run = BulkRun(journal, Progress(len(jobs), stream), **options)
    with StopSignals() as signals:
        bulk_run.work(workers, jobs, signals)
    return bulk_run, stream.getvalue()


def test_the_outputs_are_on_the_disk_before_the_journal_has_them(tmp_path, make_job):
    order = []
    job = make_job("a")

    class Syncing(FakeWorker):
        def sync(self):
            order.append(open_journal(tmp_path).is_done(job))

    work(open_journal(tmp_path), [Syncing()], [job])
    assert order == [False]
    assert open_journal(tmp_path).is_done(job)


def test_a_job_that_waits_for_its_next_attempt_is_not_lost(tmp_path, make_job):
    bad = make_job("bad")

    class Stopped(FakeWorker):
        def run(self, job):
            if job is bad:
                return JobResult(FAILED, "no luck")
            crew.stop()
            return RAN

    journal = open_journal(tmp_path)
    crew = Crew([Stopped()], [bad, make_job("good")], journal, retries=2)
    crew.start()
    ended = crew.wait(20)
    assert ended.job.name == "good"
    journal.end(ended)
    crew.close()
    assert not crew.is_working()
    journal.close()
    journal = open_journal(tmp_path)
    assert journal.count_losses(bad) == 0
    assert journal.find_failure(bad)["attempts"] == 1
    source = FolderSource(str(tmp_path / "in"), str(tmp_path / "out"))
    selection = select_left(source, Shard(0, 1), journal, 2)
    assert selection.attempts == {"bad": 1}


def test_a_job_that_succeeds_in_the_end_is_in_no_list_of_failures(tmp_path, make_job):
    job, journal = make_job("a"), open_journal(tmp_path)
    worker = FakeWorker(JobResult(FAILED, "no luck"))
    work(journal, [worker], [job], policy=Policy(retries=1))
    assert not os.path.exists(journal.errors_path)
    assert open_journal(tmp_path).is_done(job)


def test_a_failure_that_cannot_be_recorded_ends_the_run(
    tmp_path, make_job, monkeypatch
):
    journal = open_journal(tmp_path)

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(journal, "end", fail)
    worker = FakeWorker(JobResult(FAILED, "no luck"))
    jobs = [make_job("a"), make_job("b")]
    with pytest.raises(OSError, match="No space"):
        work(journal, [worker], jobs, policy=Policy(retries=1))
    assert "b" not in worker.calls
    assert worker.calls[-1] == "close"


@pytest.mark.parametrize("name", ["start", "end", "commit"])
def test_a_run_whose_journal_cannot_be_written_closes_its_workers(
    tmp_path, make_job, monkeypatch, name
):
    journal = open_journal(tmp_path)

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(journal, name, fail)
    worker = FakeWorker()
    with pytest.raises(OSError, match="No space"):
        work(journal, [worker], [make_job("a"), make_job("b")])
    assert worker.calls[-1] == "close"


def test_a_journal_that_fails_while_jobs_run_ends_the_run(
    tmp_path, make_job, monkeypatch
):
    journal = open_journal(tmp_path)
    is_running = threading.Event()

    class Slow(FakeWorker):
        def run(self, job):
            if job.name == "b":
                is_running.set()
                time.sleep(0.2)
            else:
                is_running.wait(20)
            return RAN

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    for name in ("end", "stop"):
        monkeypatch.setattr(journal, name, fail)
    workers = [Slow(), Slow()]
    with pytest.raises(OSError, match="No space"):
        work(journal, workers, [make_job("a"), make_job("b")])
    assert [worker.calls[-1] for worker in workers] == ["close", "close"]


def test_a_job_whose_worker_was_lost_is_cleaned_up_before_it_runs_again(make_job):
    events = []
    is_taken = threading.Event()

    class Job(FolderJob):
        def prepare(self):
            events.append("prepare")
            is_taken.set()

        def clean_up(self):
            time.sleep(0.05)
            events.append("clean up")

    class Second(FakeWorker):
        def load(self):
            is_taken.wait(20)
            return super().load()

    job = Job("a", "/in", "/out")
    run_crew(FakeWorker(WorkerLost("gone")), Second(), jobs=[job])
    assert events == ["prepare", "clean up"] * 2


def test_too_many_failures_end_a_run(tmp_path, make_job):
    jobs = [make_job(str(number)) for number in range(9)]

    class Slow(FakeWorker):
        def run(self, job):
            time.sleep(0.05)
            return JobResult(FAILED, "bad")

    bulk_run, _ = work(
        open_journal(tmp_path), [Slow()], jobs, policy=Policy(max_failures=2)
    )
    assert bulk_run.find_exit_status() == 3
    assert 3 <= bulk_run.progress.failed < 9
    assert "--max-failures" in bulk_run.problem


@pytest.mark.parametrize(
    ("kinds", "accept", "status"),
    [
        ([DONE], False, 0),
        (["invalid_input", DONE], False, 1),
        (["invalid_input", DONE], True, 0),
        (["invalid_input", FAILED], True, 1),
    ],
)
def test_refused_jobs_can_count_as_well(tmp_path, make_job, kinds, accept, status):
    worker = FakeWorker(*[JobResult(kind, "message") for kind in kinds])
    jobs = [make_job(str(number)) for number in range(len(kinds))]
    bulk_run, _ = work(
        open_journal(tmp_path), [worker], jobs, policy=Policy(accept_refused=accept)
    )
    assert bulk_run.find_exit_status() == status


@pytest.mark.parametrize("is_verbose", [False, True])
def test_each_failure_has_a_line_and_each_job_on_request(
    tmp_path, make_job, is_verbose
):
    worker = FakeWorker(RAN, JobResult("invalid_input", "a cat,\nplease"))
    _, shown = work(
        open_journal(tmp_path),
        [worker],
        [make_job("a"), make_job("b")],
        policy=Policy(is_verbose=is_verbose),
    )
    lines = ["a: 200: done"] * is_verbose + ["b: 422: a cat, please"]
    assert shown.splitlines() == lines


# --- sources ---------------------------------------------------------------------


def test_a_list_of_jobs_names_folders_anywhere(tmp_path):
    path = tmp_path / "jobs.jsonl"
    lines = [
        {"name": "a"},
        {"name": "größe", "input": "x/y", "output": "/elsewhere/z"},
    ]
    path.write_text("\n\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    source = ListSource(str(path), "/in", "/out")
    listed = list(source.list_jobs(Shard(0, 1)))
    made = [source.make_job(each.key) for each in reversed(listed)]
    found = [(each.name, each.input_folder, each.output_folder) for each in made]
    assert found == [
        ("größe", "/in/x/y", "/elsewhere/z"),
        ("a", "/in/a", "/out/a"),
    ]


BAD_NAMES = ['{"name": 1}', '{"name": ""}', '{"input": "a"}', '{"name": "a"}']


BAD_TEXTS = [r'{"name": "a\u0000"}', r'{"name": "b", "input": "x\ud800"}']


@pytest.mark.parametrize("line", ["no json", "[]", "\xff", *BAD_NAMES, *BAD_TEXTS])
def test_a_line_that_is_no_job_is_named(tmp_path, line):
    path = tmp_path / "jobs.jsonl"
    path.write_bytes(b'{"name": "a"}\n' + line.encode("latin-1") + b"\n")
    source = ListSource(str(path), "/in", "/out")
    with pytest.raises(ValueError, match="line 2 of .*jobs.jsonl"):
        list(source.list_jobs(Shard(0, 1)))


SAME = ["o", "./o", "o/", "x/../o", "o//.", "{outputs}/o", "{link}/o"]


@pytest.mark.parametrize("folder", SAME)
def test_two_jobs_with_one_output_folder_are_refused(tmp_path, folder):
    outputs, link = tmp_path / "out", tmp_path / "link"
    outputs.mkdir()
    link.symlink_to(outputs)
    folder = folder.format(outputs=outputs, link=link)
    lines = [{"name": "a", "output": "o"}, {"name": "b", "output": folder}]
    path = tmp_path / "jobs.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    for shard in (Shard(0, 2), Shard(1, 2)):
        with pytest.raises(ValueError, match="line 2 of .*jobs.jsonl") as caught:
            list(ListSource(str(path), "/in", str(outputs)).list_jobs(shard))
        message = "another job with the output folder {!r} above"
        assert message.format(str(outputs / "o")) in str(caught.value)


def test_an_output_folder_may_be_inside_another(tmp_path):
    path = tmp_path / "jobs.jsonl"
    lines = [{"name": "a/b"}, {"name": "a"}, {"name": "all", "output": "."}]
    path.write_text("\n".join(map(json.dumps, lines)))
    source = ListSource(str(path), "/in", "/out")
    assert len(list(source.list_jobs(Shard(0, 1)))) == 3


def test_a_list_of_jobs_names_folders_whose_names_are_bytes(tmp_path):
    name = os.fsdecode(b"\xff")
    path = tmp_path / "jobs.jsonl"
    path.write_text(json.dumps({"name": name}))
    source = ListSource(str(path), "/in", "/out")
    [(_, job)] = source.list_jobs(Shard(0, 1))
    assert job.input_folder == "/in/" + name


def test_a_flat_job_is_made_ready_while_others_clean_up(tmp_path, monkeypatch):
    make, removals = os.mkdir, []

    def make_late(path, *args, **options):
        parent = os.path.dirname(path)
        if os.path.basename(parent) == ".flat" and len(removals) < 5:
            # another job has gone, and it was the last one
            os.rmdir(parent)
            removals.append(parent)
        make(path, *args, **options)

    job = FlatJob(str(tmp_path / "a"), str(tmp_path / "out" / "a.json"), ("a", "b"))
    monkeypatch.setattr(os, "mkdir", make_late)
    job.prepare()
    assert os.path.islink(os.path.join(job.input_folder, "a"))
    assert len(removals) == 5


def test_a_flat_job_that_cannot_be_made_ready_says_so(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    job = FlatJob(str(tmp_path / "a"), str(tmp_path / "out" / "a.json"), ("a", "b"))
    monkeypatch.setattr(os, "mkdir", fail)
    with pytest.raises(FileNotFoundError):
        job.prepare()


def test_a_flat_job_goes_from_file_to_file(tmp_path):
    (tmp_path / "in").mkdir()
    name = "x" * 245 + ".txt"
    (tmp_path / "in" / name).write_text("text")
    names = ("a.txt", "b.json")
    source = FlatSource(str(tmp_path / "in"), str(tmp_path / "out"), names)
    [(key, _)] = source.list_jobs(Shard(0, 1))
    job = source.make_job(key)
    assert isinstance(job, FlatJob)
    job.prepare()
    with open(os.path.join(job.input_folder, "a.txt")) as file:
        assert file.read() == "text"
    os.makedirs(job.output_folder)
    with open(os.path.join(job.output_folder, "b.json"), "w") as file:
        file.write("{}")
    job.finish()
    job.clean_up()
    assert os.listdir(str(tmp_path / "out")) == [name + ".json"]
    assert job.read_outputs(["b.json"]) == {"b.json": 2}
    assert job.read_inputs(["a.txt"])["a.txt"][0] == 4


@pytest.fixture
def run_flat(tmp_path):
    """Return a function that runs a flat job, whose model writes some files."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_text("text")
    source = FlatSource(str(tmp_path / "in"), str(tmp_path / "out"), ("in.txt", "o.d"))

    def run(*names):
        job = source.make_job("a")
        job.prepare()
        for name in names:
            path = os.path.join(job.output_folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            open(path, "w").close()
        try:
            job.finish()
        finally:
            job.clean_up()

    return run


def list_all(folder):
    """Return the paths of all files and folders below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.glob("**/*"))


def test_a_folder_replaces_that_of_an_earlier_flat_run(tmp_path, run_flat):
    run_flat("o.d/1", "o.d/x/2", "not declared")
    assert list_all(tmp_path / "out") == ["a.d", "a.d/1", "a.d/x", "a.d/x/2"]
    run_flat("o.d/3")
    assert list_all(tmp_path / "out") == ["a.d", "a.d/3"]


@pytest.mark.parametrize(("old", "new"), [("o.d/1", "o.d"), ("o.d", "o.d/1")])
def test_a_flat_job_replaces_no_folder_by_a_file(tmp_path, run_flat, old, new):
    run_flat(old)
    before = list_all(tmp_path / "out")
    with pytest.raises(InvalidJob, match="a.d: there is a f.* of that name"):
        run_flat(new)
    assert list_all(tmp_path / "out") == before


def test_a_folder_that_cannot_be_replaced_is_as_it_was(tmp_path, run_flat, monkeypatch):
    run_flat("o.d/1")
    move = Folder.move

    def fail(self, path, target, new_path):
        # another name has what is kept meanwhile
        if path == new_path:
            raise OSError(errno.EIO, "broken")
        move(self, path, target, new_path)

    monkeypatch.setattr(Folder, "move", fail)
    with pytest.raises(InvalidJob, match="cannot write the output .*a.d: broken"):
        run_flat("o.d/2")
    assert list_all(tmp_path / "out") == ["a.d", "a.d/1"]


# --- progress -----------------------------------------------------------------------


def test_without_a_terminal_there_are_lines_now_and_then(monkeypatch):
    monkeypatch.setattr(progress, "LINE_INTERVAL", 0)
    stream = io.StringIO()
    shown = Progress(1200, stream)
    shown.show()
    shown.add(is_done=True)
    shown.add(is_done=False)
    shown.show()
    shown.close()
    first, second = stream.getvalue().splitlines()
    assert first == "0/1,200 jobs, 0 errors"
    assert second.startswith("2/1,200 jobs, ")
    assert second.endswith(" left, 1 error")


def test_lines_are_few(monkeypatch):
    stream = io.StringIO()
    shown = Progress(3, stream)
    for _ in range(3):
        shown.add(is_done=True)
        shown.show()
    assert stream.getvalue() == ""


def test_the_progress_is_an_event_where_the_log_is_json(monkeypatch, caplog):
    caplog.set_level("INFO")
    stream = io.StringIO()
    for style in ("text", "json"):
        monkeypatch.setenv("PSC_LOG_FORMAT", style)
        Progress(3, stream).write_line("stopping " + style)
    assert stream.getvalue() == "stopping text\n"
    assert caplog.messages == ["stopping json"]


@pytest.mark.parametrize(
    ("rate", "text"),
    [(1634.2, "1,634/s"), (12.34, "12.3/s"), (0.5, "30/min"), (0.001, "3.6/h")],
)
def test_rates_are_written_as_people_read_them(rate, text):
    assert format_rate(rate) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.4, "9.4 s"), (59.6, "1 min 00 s"), (7260, "2 h 01 min")],
)
def test_times_are_written_as_people_read_them(seconds, text):
    assert format_time(seconds) == text
