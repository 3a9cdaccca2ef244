"""The parts of a bulk run by themselves."""

import io
import json
import math
import threading
import time

import pytest
from flask_psc_model.bulk import capacity, progress
from flask_psc_model.bulk.capacity import Capacity
from flask_psc_model.bulk.crew import MAX_LOSSES, Crew
from flask_psc_model.bulk.failures import Failures
from flask_psc_model.bulk.jobs import FolderJob
from flask_psc_model.bulk.local_backend import LocalBackend
from flask_psc_model.bulk.progress import Progress, format_rate, format_time
from flask_psc_model.bulk.run import BulkRun
from flask_psc_model.bulk.shard import Shard
from flask_psc_model.bulk.stop_signals import StopSignals
from flask_psc_model.bulk.workers import Worker, WorkerLost
from flask_psc_model.errors import DONE, FAILED, NOT_LOADED
from flask_psc_model.jobs.result import READY, JobResult
from flask_psc_model.model.metadata import Metadata
from flask_psc_model.model.spec import ModelSpec
from flask_psc_model.workers import devices

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


def test_the_shards_have_every_item_once():
    items = list(range(10))
    parts = [Shard(index, 3).select(items) for index in range(3)]
    assert sorted(sum(parts, [])) == items
    assert [len(part) for part in parts] == [4, 3, 3]
    assert Shard(3, 4).select(items[:2]) == []


def test_a_shard_reads_as_it_is_written():
    shard = Shard.parse(" 3/4 ")
    assert (shard.index, shard.count, shard.suffix()) == (3, 4, "-3-of-4")
    assert Shard.parse("0/1").suffix() == ""


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

    def abort(self):
        self.calls.append("abort")

    def close(self):
        self.calls.append("close")


def run_crew(*workers, jobs):
    """Run jobs and return the outcomes by the names of the jobs, and the crew."""
    crew = Crew(workers, jobs)
    crew.start()
    outcomes = {}
    while crew.is_working():
        result = crew.wait(0.05)
        if result:
            assert result[0].name not in outcomes
            outcomes[result[0].name] = result[1]
    crew.close()
    return outcomes, crew


def test_the_jobs_of_a_lost_worker_run_again():
    lost = FakeWorker(RAN, WorkerLost("gone"))
    outcomes, _ = run_crew(lost, jobs=make_jobs(4))
    assert outcomes == {str(number): RAN for number in range(4)}
    runs = [call for call in lost.calls if call != "load"]
    assert runs == ["0", "1", "replace", "1", "2", "3", "close"]


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


def test_a_run_whose_books_cannot_be_kept_closes_its_workers(tmp_path):
    (tmp_path / "out").mkdir()
    failures = Failures(str(tmp_path / "out"), "", keep=False)
    (tmp_path / "out").rmdir()
    worker = FakeWorker(JobResult(FAILED, "bad"))
    bulk_run = BulkRun(failures, Progress(2, io.StringIO()))
    with pytest.raises(OSError), StopSignals() as signals:
        bulk_run.work([worker], make_jobs(2), signals)
    assert worker.calls[-1] == "close"


# --- failures and progress -------------------------------------------------------


def test_the_failures_of_an_earlier_run_are_kept_or_forgotten(tmp_path):
    failures = Failures(str(tmp_path), "", keep=False)
    failures.add("one", JobResult("invalid_input", "a cat, please"))
    failures.add("other", JobResult(FAILED, "bad\n\u2028"))
    # as it is where this process is killed now
    again = Failures(str(tmp_path), "", keep=True)
    assert "one" in again
    assert "other" in again
    again.discard("one")
    again.add("other", JobResult(FAILED, "worse"))
    again.save()
    with open(again.path) as file:
        [entry] = map(json.loads, file)
    assert entry == {"job": "other", "statusCode": 500, "message": "worse"}
    assert "other" not in Failures(str(tmp_path), "", keep=False)
    assert list(tmp_path.iterdir()) == []


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
