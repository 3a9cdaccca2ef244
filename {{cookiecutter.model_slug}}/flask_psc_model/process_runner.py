"""The runner under Gunicorn: models in processes of their own.

A keeper thread a process starts it, loads the model, hands it one job after the
other, and puts a new one in its place when it dies or takes too long.
"""

import collections
import logging
import threading
import time
from typing import Deque, Dict, List, Optional

from .job import Job
from .lifeline import reap_orphans
from .limits import Limits
from .logs import get_request_id
from .model_process import ModelDied, ModelProcess, TimeLimit
from .outcome import READY, Outcome
from .outputs import clean_up, list_missing_folders
from .runner import Runner

#: Jobs that may wait; each holds a thread of the web process, whose others answer.
MAX_WAITING_JOBS = 64

#: Seconds between two looks at whether an idle model process is still alive.
IDLE_LOOK_INTERVAL = 0.25

#: Seconds until a failed load may be tried again: the first time, and at most.
FIRST_PAUSE = 0.5
LAST_PAUSE = 60.0

SHUTTING_DOWN = Outcome(500, "the server is shutting down")

log = logging.getLogger(__name__)


class Task:
    """A job on its way through the queue."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.request_id = get_request_id()
        self.outcome: Optional[Outcome] = None
        self.done = threading.Event()

    def finish(self, outcome: Outcome) -> None:
        """Give the waiting request its outcome."""
        self.outcome = outcome
        self.done.set()


class ProcessRunner(Runner):
    """Runs jobs in model processes, in the order in which they came."""

    def __init__(
        self,
        factory: str,
        limits: Limits,
        metadata: str = "",
        environments: Optional[List[Dict[str, str]]] = None,
    ) -> None:
        """Choose the model, without loading it.

        Args:
            factory: dotted path of the model's factory.
            limits: of `model.yaml`.
            metadata: path of `model.yaml`, empty where there is none.
            environments: variables to set, one mapping a model process; one process
                by default.
        """
        self.factory = factory
        self.limits = limits
        self.metadata = metadata
        self._changed = threading.Condition()
        self._tasks: Deque[Task] = collections.deque()
        self._births = threading.Lock()
        self._stopping = False
        self._keepers = [_Keeper(self, each) for each in environments or [{}]]

    def start(self) -> None:
        """Start the model processes, which load the model at once."""
        for keeper in self._keepers:
            keeper.thread.start()

    def load(self) -> Outcome:
        """Wait until the model is loaded, at most `timeout.status`.

        A failed load is tried again once its pause is over.
        """
        deadline = time.monotonic() + self.limits.status_timeout
        with self._changed:
            self._retry()
            while True:
                outcome = self._readiness()
                left = deadline - time.monotonic()
                if outcome is not None:
                    return outcome
                if left <= 0:
                    return self._still_loading()
                self._changed.wait(min(left, IDLE_LOOK_INTERVAL))

    def run(self, job: Job) -> Outcome:
        """Run one job, after those that came before it."""
        task = Task(job)
        with self._changed:
            self._retry()
            outcome = self._readiness()
            if outcome is not None and outcome is not READY:
                return outcome
            if len(self._tasks) >= MAX_WAITING_JOBS:
                return Outcome(
                    500,
                    "busy: {} jobs are waiting; try again later".format(
                        len(self._tasks)
                    ),
                )
            self._tasks.append(task)
            self._changed.notify_all()
        while not task.done.wait(self.limits.status_timeout):
            with self._changed:
                if task in self._tasks and self._has_been_loading():
                    self._tasks.remove(task)
                    return self._still_loading()
        assert task.outcome is not None
        return task.outcome

    def refuse(self) -> None:
        """Let no other job start; safe to call from a signal handler."""
        self._stopping = True

    def finish(self) -> None:
        """Wait for the running jobs, let no other one start, and end the processes."""
        self.refuse()
        for keeper in self._keepers:
            if keeper.thread.is_alive():
                keeper.thread.join()

    def _retry(self) -> None:
        for keeper in self._keepers:
            keeper.retry()
        self._changed.notify_all()

    def _readiness(self) -> Optional[Outcome]:
        if self._stopping:
            return SHUTTING_DOWN
        if any(keeper.is_ready for keeper in self._keepers):
            return READY
        failures = [keeper.failure for keeper in self._keepers]
        return None if None in failures else failures[0]

    def _has_been_loading(self) -> bool:
        since = time.monotonic() - self.limits.status_timeout
        return all(
            not keeper.is_ready and keeper.loading_since <= since
            for keeper in self._keepers
        )

    def _still_loading(self) -> Outcome:
        return Outcome(
            500,
            "the model is still loading after {:g} s (timeout.status in model.yaml);"
            " ask again later".format(self.limits.status_timeout),
        )

    def _take_task(self) -> Optional[Task]:
        with self._changed:
            if not self._tasks and not self._stopping:
                self._changed.wait(IDLE_LOOK_INTERVAL)
            if self._stopping or not self._tasks:
                return None
            return self._tasks.popleft()

    def _reap_orphans(self) -> None:
        with self._births:
            reap_orphans({keeper.pid for keeper in self._keepers})

    def _refuse_tasks(self, outcome: Outcome) -> None:
        with self._changed:
            while self._tasks:
                self._tasks.popleft().finish(outcome)


class _Keeper:
    """Keeps one model process alive, in a thread that lives as long as the worker."""

    def __init__(self, runner: ProcessRunner, environment: Dict[str, str]) -> None:
        self.thread = threading.Thread(target=self._keep, daemon=True)
        self.pid = 0
        self.is_ready = False
        self.failure: Optional[Outcome] = None
        self.loading_since = time.monotonic()
        self._runner = runner
        self._environment = environment
        self._pause = FIRST_PAUSE
        self._retry_at = 0.0

    def retry(self) -> None:
        """Try a failed load again, if its pause is over."""
        if self.failure is not None and time.monotonic() >= self._retry_at:
            self._set_loading()

    def _keep(self) -> None:
        runner = self._runner
        while not runner._stopping:
            if self.failure is not None:
                with runner._changed:
                    runner._changed.wait(IDLE_LOOK_INTERVAL)
                runner._reap_orphans()
                continue
            try:
                process = self._start_process()
            except OSError as error:
                self._set_failed("no model process can be started: {}".format(error))
                continue
            try:
                if self._load(process):
                    self._serve(process)
            finally:
                ending = process.kill()
            if not runner._stopping and self.failure is None:
                log.warning("the model process %s; a new one loads", ending)
        runner._refuse_tasks(SHUTTING_DOWN)

    def _start_process(self) -> ModelProcess:
        runner = self._runner
        with runner._births:
            process = ModelProcess(runner.factory, runner.metadata, self._environment)
            self.pid = process.pid
        return process

    def _load(self, process: ModelProcess) -> bool:
        started = time.monotonic()
        try:
            outcome = process.receive(None, give_up=lambda: self._runner._stopping)
        except TimeLimit:
            return False
        except ModelDied:
            outcome = Outcome(
                500,
                "the model could not be loaded: its process {}".format(process.kill()),
            )
        if outcome.status_code != 200:
            self._set_failed(outcome.message)
            return False
        log.info(
            "the model is loaded in process %s, after %.2f s",
            process.pid,
            time.monotonic() - started,
        )
        self._pause = FIRST_PAUSE
        with self._runner._changed:
            self.is_ready = True
            self._runner._changed.notify_all()
        return True

    def _serve(self, process: ModelProcess) -> None:
        while process.is_alive() and not self._runner._stopping:
            self._runner._reap_orphans()
            task = self._runner._take_task()
            if task is not None and not self._run(task, process):
                return
        self._set_loading()

    def _run(self, task: Task, process: ModelProcess) -> bool:
        """Run one task; return whether the process can run another one."""
        job, limit = task.job, self._runner.limits.run_timeout
        missing_folders = list_missing_folders(job.output_folder)
        process.send([job.input_folder, job.output_folder, task.request_id])
        try:
            task.finish(process.receive(limit))
            return True
        except TimeLimit:
            process.kill()
            outcome = Outcome(
                500,
                "the run was stopped at its time limit of {:g} s; if jobs may take"
                " longer, raise timeout.run in model.yaml".format(limit),
            )
        except ModelDied:
            outcome = Outcome(
                500, "the model broke down: its process {}".format(process.kill())
            )
        self._set_loading()
        clean_up(job.output_folder, missing_folders)
        task.finish(outcome)
        return False

    def _set_loading(self) -> None:
        with self._runner._changed:
            self.is_ready = False
            self.failure = None
            self.loading_since = time.monotonic()
            self._runner._changed.notify_all()

    def _set_failed(self, message: str) -> None:
        log.error("%s", message)
        with self._runner._changed:
            self.is_ready = False
            self.failure = Outcome(500, message)
            self._retry_at = time.monotonic() + self._pause
            self._pause = min(2 * self._pause, LAST_PAUSE)
            outcome = self._runner._readiness()
            if outcome is not None and outcome is not READY:
                self._runner._refuse_tasks(outcome)
            self._runner._changed.notify_all()
