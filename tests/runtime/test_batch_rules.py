"""A bad job harms no other: thousands of jobs, with a fake of the model process.

The pool and the supervisors are the real ones. The fake decides by a seed in which
order it works, and does what each job says: it dies, hangs, fails, or keeps the lock of
the interpreter. Nothing waits: a job that hangs is one whose time has long run out.
"""

import itertools
import os
import random
import select
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask_psc_model.jobs.job import Job
from flask_psc_model.model.spec import ModelSpec
from flask_psc_model.workers import supervisor
from flask_psc_model.workers.channel import Channel, decode, encode
from flask_psc_model.workers.pool import WorkerPool
from flask_psc_model.workers.table import ALONE, TOGETHER, JobTable

STEPS = ["preprocess", "predict", "postprocess"]

#: What a bad job does at one of the steps.
DEEDS = ["die", "condemn", "hang", "hold", "fail"]

#: So many jobs can be in a batch.
BATCH = 8

#: So many threads send jobs.
CLIENTS = 64

#: A simulation that takes longer than this never ends.
SECONDS = 120


class World:
    """What the processes of one simulation have in common.

    Attributes:
        random: decides what happens next.
        faults: what is against the rules, as text.
        suspects: numbers of the jobs of which one has ended a process.
        done: names of the jobs whose success was sent.
        deaths: of processes.
        strays: the probability that a process dies by itself at an innocent moment.
    """

    def __init__(self, seed, strays=0.0):
        self.random = random.Random(seed)
        self.faults = []
        self.suspects = set()
        self.done = []
        self.deaths = 0
        self.strays = strays


class FakeOutput:
    """Of a process that prints nothing."""

    def read(self):
        """Do nothing."""


class FakeProcess:
    """A thread in place of a model process."""

    world = None
    pids = itertools.count(10**6)

    def __init__(self, environment):
        self.pid = next(self.pids)
        self._job_read, job_write = os.pipe()
        answer_read, self._answer_write = os.pipe()
        self.channel = Channel(answer_read, job_write)
        self.table = JobTable.create()
        self.output = FakeOutput()
        self.code = None
        self._random = random.Random(self.world.random.random())
        self._received = b""
        self._is_killed = threading.Event()
        self._is_stuck = self._has_culprit = False
        #: The name, the step and the deed of each job; its clock once it is started.
        self._jobs = {}
        self._clocks = {}
        #: Numbers of the jobs that wait for a step; the first one is to be read.
        self._waiting = {step: [] for step in ["pipe"] + STEPS}
        self._thread = threading.Thread(target=self._live)
        self._thread.start()

    # --- what the supervisor calls ---

    def poll(self):
        return self.code

    def wait(self, seconds):
        self._thread.join(seconds)
        return self.code

    def dump_stacks(self):
        """Wait for a beat, if there are any."""
        time.sleep(0.03)

    def kill(self):
        self._is_killed.set()
        self._thread.join()
        if self._is_stuck:
            self._suspect()
        if self.code is None:
            self.code = -9

    def close(self):
        self.channel.close()
        os.close(self._job_read)
        os.close(self._answer_write)
        self.table.close()

    # --- what the process does ---

    def _live(self):
        while self.code is None and not self._is_killed.is_set():
            busy = [step for step, numbers in self._waiting.items() if numbers]
            if self._is_stuck and "predict" in busy:
                busy.remove("predict")
            self._receive(0 if busy else 0.01)
            self.table.beat()
            if busy:
                self._work(self._random.choice(busy))
            if len(self._clocks) != 1 and self._random.random() < self.world.strays:
                self._die()
        self.world.deaths += 1

    def _receive(self, seconds):
        if not select.select([self._job_read], [], [], seconds)[0]:
            return
        data = self._received + os.read(self._job_read, 65536)
        *lines, self._received = data.split(b"\n")
        for message in map(decode, lines):
            if "load" in message:
                self._send(0, "done", batch_size=BATCH)
            elif "close" in message:
                self.code = 0
            else:
                self._accept(message["number"], message["input"])

    def _accept(self, number, folder):
        self._jobs[number] = os.path.basename(folder).split("-")
        self._waiting["pipe"].append(number)
        if len(self._jobs) > 2 * BATCH:
            self.world.faults.append("more than two batches")
        if len(self._jobs) > 1 and self.world.suspects.intersection(self._jobs):
            self.world.faults.append("a suspect that is not alone")

    def _work(self, step):
        numbers = self._waiting[step]
        if step == "pipe":
            number = numbers.pop(0)
            self._clocks[number] = self.table.add(number)
            self._waiting["preprocess"].append(number)
            self._clocks[number].start(ALONE)
        elif step == "predict":
            batch = numbers[:BATCH]
            for number in batch:
                self._clocks[number].start(TOGETHER)
            done = [self._do(step, number, batch) for number in batch]
            if all(done):
                for number in batch:
                    numbers.remove(number)
                    self._clocks[number].stop()
                    self._waiting["postprocess"].append(number)
        else:
            number = self._random.choice(numbers)
            self._clocks[number].start(ALONE)
            if not self._do(step, number, [number]):
                return
            numbers.remove(number)
            if step == "preprocess":
                self._clocks[number].stop()
                self._waiting["predict"].append(number)
            else:
                self.world.done.append(self._jobs[number][0])
                self._answer(number, "done", "-".join(self._jobs[number]))

    def _do(self, step, number, batch):
        """Do what a job does at a step; return whether it, and its batch, go on."""
        if self._jobs.get(number, ["", ""])[1] != step or self.code is not None:
            return number in self._jobs
        # one of it may have failed just now
        batch = [each for each in batch if each in self._jobs]
        deed = self._jobs[number][2]
        if deed == "die":
            self._die()
        elif deed == "condemn":
            self._suspect()
            self._send(number, "failed", message="its own", condemns=True)
            self._is_killed.wait()
        elif deed == "hold":
            # another job that works may be late before this one
            self._suspect()
            alone = [n for n in self._waiting["preprocess"] if n not in batch]
            late = self._clocks[(alone or batch)[0]]
            late._seconds = 10**6
            late.start(TOGETHER if step == "predict" and not alone else ALONE)
            self._is_killed.wait()
        elif deed == "fail":
            # the others of its batch are computed again
            self._waiting[step].remove(number)
            self._answer(number, "failed", "its own")
        else:
            for each in batch:
                self._clocks[each]._seconds = 10**6
                self._clocks[each].start(TOGETHER if step == "predict" else ALONE)
            if step == "predict":
                self._is_stuck = True
            else:
                self._has_culprit = True
                self._waiting[step].remove(number)
        return False

    def _die(self):
        self._suspect()
        self.code = -6

    def _suspect(self):
        # one that hangs by itself may be found first
        if len(self._clocks) > 1 and not self._has_culprit:
            self.world.suspects.update(self._clocks)

    def _answer(self, number, kind, message):
        del self._jobs[number]
        clock = self._clocks.pop(number)
        self._send(number, kind, message=message)
        clock.release()

    def _send(self, number, kind, message="", batch_size=0, condemns=False):
        line = encode(
            {
                "number": number,
                "batch_size": batch_size,
                "batch_jobs": 0,
                "batch_seconds": 0.0,
                "pid": self.pid,
                "kind": kind,
                "message": message,
                "staged": None,
                "condemns": condemns,
            }
        )
        os.write(self._answer_write, line)


def name_jobs(world, count, share):
    """Return the names of jobs: a number, and where a bad one does what."""
    names = []
    for number in range(count):
        name = "{}-nowhere-nothing".format(number)
        if world.random.random() < share:
            step, deed = world.random.choice(STEPS), world.random.choice(DEEDS)
            name = "{}-{}-{}".format(number, step, deed)
        names.append(name)
    return names


@pytest.fixture
def simulate(monkeypatch):
    """Return a function that runs jobs in a world and returns the results by name."""
    monkeypatch.setattr(supervisor, "ModelProcess", FakeProcess)
    monkeypatch.setattr(supervisor, "BUSY_SECONDS", 0.002)

    def simulate(world, names, processes, leaving=0.0):
        monkeypatch.setattr(FakeProcess, "world", world)
        pool = WorkerPool([{}] * processes)
        pool.set_model("model_lib.model.Model", ModelSpec())
        pool.start()

        def run(name):
            gone = world.random.random() < leaving
            job = Job("/in/" + name, "/out")
            return name, pool._run(job, "staging", lambda: gone)

        with ThreadPoolExecutor(CLIENTS) as clients:
            try:
                results = dict(clients.map(run, names, timeout=SECONDS))
            finally:
                pool.abort()
        pool.drain()
        assert not pool.count_waiting()
        return results

    return simulate


def check_all(world, results):
    """Check that each good job is answered right and once, each bad one for itself."""
    for name, result in results.items():
        deed = name.split("-")[2]
        if result.message == "the client has left":
            continue
        if deed == "nothing":
            assert (result.kind, result.message) == ("done", name)
        else:
            assert result.kind == "failed", name
        texts = {"die": "SIGABRT", "hang": "time limit", "hold": "time limit"}
        if deed != "nothing":
            assert texts.get(deed, "its own") in result.message, name
    assert len(set(world.done)) == len(world.done)
    assert world.faults == []


@pytest.mark.parametrize("processes", [1, 3])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_bad_job_harms_no_other(simulate, seed, processes):
    world = World(seed)
    names = name_jobs(world, 3000, share=0.03)
    results = simulate(world, names, processes)
    assert len(results) == 3000
    check_all(world, results)
    assert world.deaths > processes


@pytest.mark.parametrize("step", ["preprocess", "postprocess"])
def test_a_job_that_hangs_in_a_thread_of_its_own_runs_once(simulate, step):
    world = World(6)
    names = ["{}-nowhere-nothing".format(number) for number in range(30)]
    names.insert(15, "bad-{}-hang".format(step))
    check_all(world, simulate(world, names, processes=1))
    # the one that is killed, and mostly one that is closed
    assert world.deaths <= 2


def test_jobs_harm_no_other_where_every_second_one_is_bad(simulate):
    world = World(3)
    check_all(world, simulate(world, name_jobs(world, 400, share=0.5), processes=2))


def test_a_process_that_dies_by_itself_harms_no_job(simulate):
    world = World(4, strays=0.003)
    check_all(world, simulate(world, name_jobs(world, 3000, share=0.01), processes=2))
    assert world.deaths > 10


def test_a_job_whose_client_has_left_does_not_run(simulate):
    world = World(5)
    names = name_jobs(world, 1000, share=0.03)
    results = simulate(world, names, processes=2, leaving=0.1)
    check_all(world, results)
    gone = [name for name, result in results.items() if "has left" in result.message]
    assert 50 < len(gone) < 150


@pytest.mark.slow
@pytest.mark.parametrize("seed", [7, 8])
def test_a_bad_job_harms_no_other_for_long(simulate, seed):
    world = World(seed, strays=0.0002)
    check_all(world, simulate(world, name_jobs(world, 20000, share=0.01), processes=1))
