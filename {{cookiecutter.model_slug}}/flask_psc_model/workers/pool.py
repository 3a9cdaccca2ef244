"""The runner under Gunicorn and in bulk runs: a queue of jobs before model processes.

Each process has a supervisor (see `supervisor`). A job goes to the process with the fewest
jobs, of several to the one that has been idle longest, or waits for one; the thread of its
request waits for the job's future, and commits the outputs itself. Suspects go before all
others, and while one waits for a process of its own, so do they. One lock, `changed`,
guards the queue and all states.
"""

import concurrent.futures
import heapq
import itertools
import logging
import math
import threading
import time
from typing import Callable, Dict, List, Optional, Sequence

from ..errors import BUSY, CLIENT_GONE, SHUTDOWN
from ..jobs.job import Job
from ..jobs.result import READY, JobResult, failed, not_loaded, not_started
from ..logs import WRITER, get_context
from ..model.spec import ModelSpec
from .prctl import adopt_orphans
from .runner import Runner
from .supervisor import PendingJob, State, Supervisor
from .table import MAX_JOBS

#: Threads of the web process, each of which can hold a job, and those that never do, of
#: so many or more than twice as many: they answer while no other job is accepted.
THREADS, FREE_THREADS = 256, 32

#: Seconds between two looks at whether the model is loaded.
POLL_SECONDS = 0.25

SHUTTING_DOWN = not_started("the server is shutting down", SHUTDOWN)
BROKEN_OFF = failed("the run was broken off, and the server is shutting down", SHUTDOWN)
GONE = not_started("the client has left", CLIENT_GONE)

log = logging.getLogger(__name__)


class WorkerPool(Runner):
    """Runs jobs in model processes, in the order in which they came.

    Attributes:
        changed: guards everything here and the states of the supervisors.
        model_set: set once it is known which model to load.
        max_jobs: after which a process is replaced; 0 for never.
        grace: seconds that the jobs which run and wait may take after `stop_accepting`;
            None: those that wait do not start, and those that run finish.
    """

    def __init__(
        self,
        environments: Sequence[Dict[str, str]],
        max_jobs: int = 0,
        threads: int = THREADS,
    ) -> None:
        """Choose the processes, without starting them.

        Args:
            environments: variables to set, one mapping a model process.
            max_jobs: after which a process is replaced; 0 for never.
            threads: of the process that answers.
        """
        super().__init__()
        self.factory = ""
        self.spec = ModelSpec()
        self.max_jobs = max_jobs
        self.changed = threading.Condition()
        self.model_set = threading.Event()
        self.grace: Optional[float] = None
        self._max_held = max(threads - min(FREE_THREADS, threads // 2), 1)
        self._accepting = True
        self._deadline = math.inf
        # a heap
        self._queue: List[PendingJob] = []
        self._numbers = itertools.count(1)
        self._supervisors = [Supervisor(self, each) for each in environments]

    @property
    def aborted(self) -> bool:
        """Whether the running jobs are stopped, too."""
        return time.monotonic() >= self._deadline

    @property
    def stopping(self) -> bool:
        """Whether no other job starts, not even one that waits."""
        if self._accepting:
            return False
        return self.grace is None or not self._queue or self.aborted

    def start(self) -> None:
        """Start the model processes: they get ready while the app is imported."""
        adopt_orphans()
        WRITER.start()
        for supervisor in self._supervisors:
            supervisor.thread.start()

    def set_model(self, factory: str, spec: ModelSpec) -> None:
        """Set the model, which is loaded at once.

        Args:
            factory: dotted path of the model's factory.
            spec: of the model.
        """
        self.factory, self.spec = factory, spec
        self.model_set.set()

    def load(self) -> JobResult:
        """Wait until the model is loaded, at most `timeout.status`.

        A failed load is tried again once its pause is over.
        """
        deadline = time.monotonic() + self.spec.limits.status_timeout
        with self.changed:
            self._retry()
            while True:
                if not self._accepting:
                    return not_loaded(SHUTTING_DOWN.message)
                result = self._get_readiness()
                left = deadline - time.monotonic()
                if result is not None:
                    return result
                if left <= 0:
                    return self._still_loading()
                self.changed.wait(min(left, POLL_SECONDS))

    def stop_accepting(self) -> None:
        """Refuse all other jobs; safe to call from a signal handler.

        Those that wait run until the queue is empty or `grace` is over.
        """
        if self._accepting and self.grace is not None:
            self._deadline = time.monotonic() + self.grace
        self._accepting = False
        for supervisor in self._supervisors:
            supervisor.wake()

    def abort(self) -> None:
        """Let no other job start, and stop the running ones; nothing is left of them."""
        self.stop_accepting()
        self._deadline = 0.0

    def drain(self) -> None:
        """Refuse all other jobs, wait for those that may run, and end the processes."""
        self.stop_accepting()
        self.model_set.set()
        for supervisor in self._supervisors:
            if supervisor.thread.is_alive():
                supervisor.thread.join()

    def count_waiting(self) -> int:
        """Return the number of jobs that wait."""
        return len(self._queue)

    def count_running(self) -> int:
        """Return the number of jobs that run."""
        return sum(each.count_jobs() for each in self._supervisors)

    def count_ready(self) -> int:
        """Return the number of model processes in which the model is loaded."""
        return sum(each.state is State.READY for each in self._supervisors)

    def estimate_wait(self) -> float:
        """Return in how many seconds a job may start that is refused now."""
        counts, seconds = self.stats.run_times.read()
        return len(self._queue) * seconds / (sum(counts) or 1) / len(self._supervisors)

    def list_processes(self) -> List[int]:
        """Return the ids of the model processes that there are now."""
        return [pid for pid in (each.pid for each in self._supervisors) if pid]

    def count_slots(self) -> int:
        """Return how many jobs the model processes hold at once."""
        return sum(each.room for each in self._supervisors)

    def can_spare(self, supervisor: Supervisor) -> bool:
        """Return whether all other processes are ready; the lock is held."""
        others = [each for each in self._supervisors if each is not supervisor]
        return all(each.is_accepting for each in others)

    def limit_room(self, jobs: int) -> int:
        """Return how many jobs a process may hold, of those that its model could."""
        threads = max(self._max_held // len(self._supervisors), 1)
        room = min(jobs, threads, MAX_JOBS)
        if room < jobs:
            log.warning(
                "a model process holds at most %d jobs, not %d (twice max_batch_size): the"
                " server has threads for %d, and the table of its jobs has room for %d",
                room,
                jobs,
                threads,
                MAX_JOBS,
            )
        return room

    def put_back(self, pending: PendingJob) -> None:
        """Put a job that no process has any more into the queue; the lock is held.

        During a shutdown it is answered: nothing runs again then.
        """
        pending.handed = None
        if self._accepting:
            heapq.heappush(self._queue, pending)
        else:
            result = BROKEN_OFF if pending.was_started else SHUTTING_DOWN
            pending.future.set_result(result)

    def dispatch(self) -> None:
        """Hand out what waits, and send it away if no process will ever be there."""
        if not self._queue:
            return
        handed: List[Supervisor] = []
        with self.changed:
            refusal = self._find_refusal()
            while self._queue:
                # it leaves the queue last: whatever fails before, it is not lost
                pending = self._queue[0]
                free = [each for each in self._supervisors if each.has_room(pending)]
                if pending.was_started and not self._accepting:
                    pending.future.set_result(BROKEN_OFF)
                elif refusal:
                    pending.future.set_result(refusal)
                elif not free:
                    break
                elif pending.is_gone():
                    self._drop(pending)
                else:
                    handed.append(min(free, key=lambda each: each.load))
                    handed[-1].hand(pending)
                heapq.heappop(self._queue)
        for supervisor in handed:
            supervisor.flush()

    def _drop(self, pending: PendingJob) -> None:
        self.stats.dropped_jobs += 1
        pending.future.set_result(GONE)

    def _run(
        self, job: Job, staging_name: str, is_gone: Callable[[], bool]
    ) -> JobResult:
        pending = self._make_pending(job, staging_name, is_gone)
        try:
            with self.changed:
                self._retry()
                refusal = self._find_refusal()
                if refusal or not self._accepting:
                    return refusal or SHUTTING_DOWN
                held = self._count_held()
                if held >= self._max_held:
                    why = f"busy: {held} jobs are running or waiting"
                    return not_started(why, BUSY)
                heapq.heappush(self._queue, pending)
            self.dispatch()
            return self._wait(pending)
        except BaseException:
            # the caller removes the staging folder: no process may have the job then
            if not self._withdraw(pending):
                concurrent.futures.wait([pending.future])
            raise

    def _count_held(self) -> int:
        """Return how many jobs hold a thread, without those that nobody waits for."""
        held = sum(each.load[0] for each in self._supervisors)
        if held + len(self._queue) >= self._max_held:
            for pending in list(self._queue):
                if pending.is_gone():
                    self._queue.remove(pending)
                    self._drop(pending)
            heapq.heapify(self._queue)
        return held + len(self._queue)

    def _make_pending(
        self, job: Job, staging_name: str, is_gone: Callable[[], bool]
    ) -> PendingJob:
        number = next(self._numbers)
        message = {
            "number": number,
            "input": job.input_folder,
            "output": job.output_folder,
            "staging": staging_name,
            "context": get_context(),
        }
        return PendingJob(number, message, is_gone)

    def _wait(self, pending: PendingJob) -> JobResult:
        while True:
            try:
                return pending.future.result(self.spec.limits.status_timeout)
            except concurrent.futures.TimeoutError:
                if self._has_been_loading() and self._withdraw(pending):
                    return self._still_loading()

    def _withdraw(self, pending: PendingJob) -> bool:
        """Remove a job from the queue; return whether no process has it."""
        with self.changed:
            if pending in self._queue:
                self._queue.remove(pending)
                heapq.heapify(self._queue)
                return True
            return pending.handed is None

    def _retry(self) -> None:
        for supervisor in self._supervisors:
            supervisor.retry()

    def _find_refusal(self) -> Optional[JobResult]:
        """Return the result of all jobs that wait, if no process will run them."""
        readiness = self._get_readiness()
        return readiness if readiness and not readiness.ok else None

    def _get_readiness(self) -> Optional[JobResult]:
        """Return READY or a failure; nothing while it is not decided."""
        if self.stopping:
            return SHUTTING_DOWN
        if any(each.state is State.READY for each in self._supervisors):
            return READY
        failures = [each.failure for each in self._supervisors]
        return None if None in failures else failures[0]

    def _has_been_loading(self) -> bool:
        since = time.monotonic() - self.spec.limits.status_timeout
        return all(
            each.state is not State.READY and each.loading_since <= since
            for each in self._supervisors
        )

    def _still_loading(self) -> JobResult:
        seconds = self.spec.limits.status_timeout
        return not_loaded(
            f"the model is still loading after {seconds:g} s (timeout.status in"
            " model.yaml); ask again later"
        )
