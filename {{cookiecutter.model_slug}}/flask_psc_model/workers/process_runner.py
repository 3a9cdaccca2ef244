"""The runner under Gunicorn: models in processes of their own.

Requests take turns: each waits for a free model process and talks to it from its own
thread. A keeper thread a process starts it, loads the model, and puts a new one in
its place when it has died or was killed.
"""

import collections
import logging
import signal
import threading
import time
from typing import Deque, Dict, List, Optional, Sequence, Union

from ..errors import FAILED, NOT_LOADED, NOT_STARTED
from ..jobs.job import Job
from ..jobs.outcome import READY, Outcome
from ..jobs.outputs import clean_up, list_missing_folders
from ..logs import get_request_id
from ..model.spec import Limits
from .lifeline import reap_orphans
from .model_process import ModelDied, ModelProcess, TimeLimit
from .runner import Runner, log_start
from .stats import CRASHED, FAILED_LOAD, KILLED, TIME_LIMIT

#: Jobs that may wait; each holds a thread of the web process, whose others answer.
MAX_WAITING_JOBS = 128

#: Seconds between two looks at whether an idle model process is still alive.
LOOK_INTERVAL = 0.25

#: Seconds until a failed load may be tried again: the first time, and at most.
FIRST_PAUSE = 0.5
LAST_PAUSE = 60.0

SHUTTING_DOWN = Outcome(NOT_STARTED, "the server is shutting down")

log = logging.getLogger(__name__)


class ProcessRunner(Runner):
    """Runs jobs in model processes, in the order in which they came."""

    def __init__(self, environments: Sequence[Dict[str, str]]) -> None:
        """Choose the processes, without starting them.

        Args:
            environments: variables to set, one mapping a model process.
        """
        super().__init__()
        self.factory = ""
        self.metadata = ""
        self.limits = Limits()
        self.chosen = threading.Event()
        self.changed = threading.Condition()
        self.births = threading.Lock()
        self.stopping = False
        self.aborted = False
        self._keepers = [Keeper(self, each) for each in environments]
        self._free: Deque[Keeper] = collections.deque()
        self._turns: Deque[Turn] = collections.deque()

    def start(self) -> None:
        """Start the model processes: they get ready while the app is imported."""
        for keeper in self._keepers:
            keeper.thread.start()

    def choose(self, factory: str, metadata: str, limits: Limits) -> None:
        """Choose the model, which is loaded at once.

        Args:
            factory: dotted path of the model's factory.
            metadata: path of `model.yaml`, empty where there is none.
            limits: of `model.yaml`.
        """
        self.factory, self.metadata, self.limits = factory, metadata, limits
        self.chosen.set()

    def load(self) -> Outcome:
        """Wait until the model is loaded, at most `timeout.status`.

        A failed load is tried again once its pause is over.
        """
        deadline = time.monotonic() + self.limits.status_timeout
        with self.changed:
            self._retry()
            while True:
                outcome = self._get_readiness()
                left = deadline - time.monotonic()
                if outcome is not None:
                    return outcome
                if left <= 0:
                    return self._still_loading()
                self.changed.wait(min(left, LOOK_INTERVAL))

    def run(self, job: Job) -> Outcome:
        """Run one job, after those that came before it."""
        waiting_since = time.monotonic()
        is_first = False
        while True:
            keeper = self._wait_for_turn(is_first)
            if isinstance(keeper, Outcome):
                return keeper
            outcome = keeper.run(job, waiting_since)
            if outcome is not None:
                return outcome
            # the model process had died before it saw the job
            is_first = True

    def refuse(self) -> None:
        """Let no other job start; safe to call from a signal handler."""
        self.stopping = True

    def abort(self) -> None:
        """Let no other job start, and stop the running ones; nothing is left of them."""
        self.aborted = True
        self.refuse()
        with self.changed:
            self.changed.notify_all()

    def finish(self) -> None:
        """Wait for the running jobs, let no other one start, and end the processes."""
        self.refuse()
        for keeper in self._keepers:
            if keeper.thread.is_alive():
                keeper.thread.join()

    def count_waiting(self) -> int:
        """Return the number of jobs that wait for their turn."""
        return len(self._turns)

    def list_processes(self) -> List[int]:
        """Return the ids of the model processes that there are now."""
        return [keeper.pid for keeper in self._keepers if keeper.failure is None]

    def release(self, keeper: "Keeper") -> None:
        """Give a free model process to the next in the queue."""
        with self.changed:
            if self._turns and not self.stopping:
                self._turns.popleft().end(keeper)
            else:
                self._free.append(keeper)

    def withdraw(self, keeper: "Keeper") -> bool:
        """Take a model process away, unless it is running a job."""
        with self.changed:
            if keeper not in self._free:
                return False
            self._free.remove(keeper)
            return True

    def refuse_turns(self) -> None:
        """Send away all who wait, if no model process will ever be there for them."""
        with self.changed:
            outcome = self._get_readiness()
            if outcome is not None and outcome is not READY:
                while self._turns:
                    self._turns.popleft().end(outcome)

    def reap_orphans(self) -> None:
        """Wait for the ended orphans that this process has adopted."""
        with self.births:
            reap_orphans({keeper.pid for keeper in self._keepers})

    def _wait_for_turn(self, is_first: bool) -> Union["Keeper", Outcome]:
        """Wait for a free model process; return an outcome if there will be none.

        Args:
            is_first: whether to go before all others.
        """
        with self.changed:
            self._retry()
            if self._free and not self.stopping:
                return self._free.popleft()
            outcome = self._get_readiness()
            if outcome is not None and outcome is not READY:
                return outcome
            if len(self._turns) >= MAX_WAITING_JOBS:
                return Outcome(
                    NOT_STARTED, f"busy: {len(self._turns)} jobs are waiting"
                )
            turn = Turn()
            if is_first:
                self._turns.appendleft(turn)
            else:
                self._turns.append(turn)
        while not turn.ended.wait(self.limits.status_timeout):
            with self.changed:
                if turn in self._turns and self._has_been_loading():
                    self._turns.remove(turn)
                    return self._still_loading()
        return turn.result

    def _retry(self) -> None:
        for keeper in self._keepers:
            keeper.retry()

    def _get_readiness(self) -> Optional[Outcome]:
        """Return READY or a failure; nothing while it is not decided."""
        if self.stopping:
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
            NOT_LOADED,
            f"the model is still loading after {self.limits.status_timeout:g} s (timeout.status in model.yaml);"
            " ask again later",
        )


class Turn:
    """A place in the queue.

    Attributes:
        ended: set when the waiting is over.
        result: of the waiting: whose model process is free, or why none will be.
    """

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.result: Union[Keeper, Outcome] = SHUTTING_DOWN

    def end(self, result: Union["Keeper", Outcome]) -> None:
        """End the waiting."""
        self.result = result
        self.ended.set()


class Keeper:
    """Keeps one model process alive, from a thread that lives as long as the worker.

    Attributes:
        thread: starts every process; the kernel would kill one whose thread ended.
        pid: process id of the present process.
        is_ready: whether the model is loaded.
        failure: why it could not be loaded.
        loading_since: of `time.monotonic()`.
    """

    def __init__(self, runner: ProcessRunner, environment: Dict[str, str]) -> None:
        """Choose the process, without starting it.

        Args:
            runner: whose turns it serves.
            environment: variables to set for the process.
        """
        self.thread = threading.Thread(target=self._keep, daemon=True)
        self.pid = 0
        self.is_ready = False
        self.failure: Optional[Outcome] = None
        self.loading_since = time.monotonic()
        self._runner = runner
        self._stats = runner.stats
        self._environment = environment
        self._process: Optional[ModelProcess] = None
        self._pause = FIRST_PAUSE
        self._retry_at = 0.0

    def retry(self) -> None:
        """Try a failed load again, if its pause is over."""
        if self.failure is not None and time.monotonic() >= self._retry_at:
            self._stats.restarts.add(FAILED_LOAD)
            self._set_loading()

    def run(self, job: Job, waiting_since: float) -> Optional[Outcome]:
        """Run one job, on the thread of its request.

        Args:
            job: the job.
            waiting_since: when the job came, of `time.monotonic()`.

        Returns:
            Its outcome; nothing where the process had died before it.
        """
        process, limit = self._process, self._runner.limits.run_timeout
        assert process is not None
        if not process.is_alive():
            self._replace(process)
            return None
        started = time.monotonic()
        missing_folders = list_missing_folders(job.output_folder)
        process.send([job.input_folder, job.output_folder, get_request_id()])
        # the model works meanwhile
        self._stats.wait_times.add(started - waiting_since)
        log_start(job)
        try:
            outcome = process.receive(limit, give_up=lambda: self._runner.aborted)
        except TimeLimit:
            self._replace(process, TIME_LIMIT)
            outcome = SHUTTING_DOWN
            if not self._runner.aborted:
                outcome = Outcome(
                    FAILED,
                    f"the run was stopped at its time limit of {limit:g} s; if jobs may take"
                    " longer, raise timeout.run in model.yaml",
                )
        except ModelDied:
            outcome = Outcome(
                FAILED, f"the model broke down: its process {process.kill()}"
            )
            self._replace(process)
        else:
            self._runner.release(self)
            return outcome
        finally:
            self._stats.run_times.add(time.monotonic() - started)
        clean_up(job.output_folder, missing_folders)
        return outcome

    def _keep(self) -> None:
        runner = self._runner
        while not runner.stopping:
            if self.failure is not None:
                self._look_around()
                continue
            try:
                process = self._start_process()
            except OSError as error:
                self._set_failed(f"no model process can be started: {error}")
                continue
            if self._load(process):
                self._watch(process)
            process.kill()
        runner.refuse_turns()

    def _start_process(self) -> ModelProcess:
        runner = self._runner
        with runner.births:
            process = ModelProcess(self._environment)
            self.pid = process.pid
        return process

    def _load(self, process: ModelProcess) -> bool:
        self._runner.chosen.wait()
        started = time.monotonic()
        process.send([self._runner.factory, self._runner.metadata])
        try:
            outcome = process.receive(None, give_up=lambda: self._runner.stopping)
        except TimeLimit:
            return False
        except ModelDied:
            outcome = Outcome(
                NOT_LOADED,
                f"the model could not be loaded: its process {process.kill()}",
            )
        if not outcome.ok:
            self._set_failed(outcome.message)
            return False
        seconds = time.monotonic() - started
        self._stats.load_times.add(seconds)
        log.info(
            "the model is loaded in process %s, after %.2f s", process.pid, seconds
        )
        with self._runner.changed:
            self._pause = FIRST_PAUSE
            self._process = process
            self.is_ready = True
            self._runner.release(self)
            self._runner.changed.notify_all()
        return True

    def _watch(self, process: ModelProcess) -> None:
        """Wait until the process is to be replaced, or the server stops."""
        runner = self._runner
        while self.is_ready:
            self._look_around()
            runner.refuse_turns()
            if (runner.stopping or not process.is_alive()) and runner.withdraw(self):
                self._replace(process)

    def _look_around(self) -> None:
        with self._runner.changed:
            self._runner.changed.wait(LOOK_INTERVAL)
        self._runner.reap_orphans()

    def _replace(self, process: ModelProcess, reason: str = "") -> None:
        """End the process, and have the keeper's thread start a new one.

        Args:
            process: the process.
            reason: for the metrics; how the process ended by itself where not given.
        """
        ending = process.kill()
        if not self._runner.stopping:
            died = KILLED if process.exit_code == -signal.SIGKILL else CRASHED
            self._stats.restarts.add(reason or died)
            log.warning("the model process %s; a new one loads", ending)
        self._set_loading()

    def _set_loading(self) -> None:
        with self._runner.changed:
            self._process = None
            self.is_ready = False
            self.failure = None
            self.loading_since = time.monotonic()
            self._runner.changed.notify_all()

    def _set_failed(self, message: str) -> None:
        log.error("%s", message)
        with self._runner.changed:
            self.failure = Outcome(NOT_LOADED, message)
            self._retry_at = time.monotonic() + self._pause
            self._pause = min(2 * self._pause, LAST_PAUSE)
            self._runner.refuse_turns()
            self._runner.changed.notify_all()
