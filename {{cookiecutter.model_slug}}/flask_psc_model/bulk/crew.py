"""The crew: its workers, and the jobs that they share."""

import collections
import contextlib
import itertools
import logging
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import (
    Container,
    Deque,
    Dict,
    Iterable,
    Iterator,
    List,
    Optional,
    Sequence,
    Set,
)

from ..errors import (
    FAILED,
    NOT_LOADED,
    NOT_STARTED,
    SHUTDOWN,
    STATUS_CODES,
    InvalidJob,
)
from ..jobs.result import JobResult
from ..model.loading import describe
from .jobs import FolderJob
from .journal import MAX_LOSSES, Ended, Inputs, Journal
from .workers import Worker, WorkerLost

#: Kinds of the results of jobs that no model has seen.
NOT_RUN = (NOT_LOADED, NOT_STARTED)

log = logging.getLogger(__name__)


class Crew:
    """Runs jobs on workers until no job is left.

    Each worker has a thread, and one for each job that it runs at once. A worker that
    cannot load the model stops; the job that it could not start is put back. A job whose
    worker was lost runs again, alone in its worker. A job that fails with a status of 500
    or above runs again after all others, as often as is allowed.

    Attributes:
        failure: why the last worker that stopped could not load the model.
        error: of the journal, after which no other job starts.
    """

    def __init__(
        self,
        workers: Sequence[Worker],
        jobs: Iterable[FolderJob],
        journal: Journal,
        retries: int = 0,
        attempts: Optional[Dict[str, int]] = None,
        suspects: Container[str] = (),
    ) -> None:
        """Set the workers and their jobs; `start` starts them.

        Args:
            workers: at least one.
            jobs: to run; each is fetched when a worker is free.
            journal: records which jobs run, and which run again.
            retries: how often a job runs again after it has failed.
            attempts: of jobs that have failed in earlier runs, by their names.
            suspects: names of jobs beside which no other one runs.
        """
        self.failure = ""
        self.error: Optional[OSError] = None
        self._workers = workers
        self._journal = journal
        self._retries = retries
        self._suspects = suspects
        self._changed = threading.Condition()
        self._jobs: Iterator[FolderJob] = iter(jobs)
        self._waiting: Deque[FolderJob] = collections.deque()
        self._failed: Deque[FolderJob] = collections.deque()
        self._running: Dict[Worker, List[FolderJob]] = {each: [] for each in workers}
        # their threads run no other job until the model is loaded again
        self._leaving: Set[Worker] = set()
        self._losses: List[str] = []
        self._attempts = dict(attempts or {})
        self._results: "queue.Queue[Ended]" = queue.Queue()
        self._is_stopping = False
        self._is_aborted = False
        self._threads = [
            threading.Thread(target=self._work, args=[worker], daemon=True)
            for worker in workers
        ]

    def start(self) -> None:
        """Start a thread for each worker."""
        for thread in self._threads:
            thread.start()

    def is_working(self) -> bool:
        """Return whether another result may come."""
        with self._changed:
            if not self._results.empty() or any(self._running.values()):
                return True
            has_workers = any(thread.is_alive() for thread in self._threads)
            return not self._is_stopping and has_workers and bool(self._peek())

    def wait(self, seconds: float) -> Optional[Ended]:
        """Return the next result, or None if there is none in time."""
        with contextlib.suppress(queue.Empty):
            return self._results.get(timeout=seconds)
        return None

    def stop(self) -> None:
        """Start no other job; running jobs finish."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        for worker in self._workers:
            worker.stop()

    def abort(self) -> None:
        """Stop running jobs, too: they have no result and leave no files."""
        self._is_aborted = True
        self.stop()
        for worker in self._workers:
            worker.abort()

    def sync(self) -> None:
        """Have every machine write to its disks what the workers have published."""
        for worker in self._workers:
            # of a lost one, the files are seen as far as they have left its machine
            with contextlib.suppress(WorkerLost):
                worker.sync()

    def close(self) -> None:
        """Close the workers once no job runs."""
        self.stop()
        with self._changed:
            self._changed.wait_for(lambda: not any(self._running.values()))
        with ThreadPoolExecutor(len(self._workers)) as pool:
            for closing in [pool.submit(worker.close) for worker in self._workers]:
                closing.result()
        for thread in self._threads:
            thread.join()

    def _work(self, worker: Worker) -> None:
        is_lost = False
        while not self._is_stopping:
            try:
                if is_lost:
                    worker.replace()
                    is_lost = False
                if not self._load(worker):
                    return
                self._leaving.discard(worker)
                with ThreadPoolExecutor(worker.capacity) as pool:
                    runs = [
                        pool.submit(self._run_jobs, worker)
                        for _ in range(worker.capacity)
                    ]
                for run in runs:
                    run.result()
                if not self._has_jobs():
                    return
            except WorkerLost as error:
                is_lost = True
                if not self._is_stopping:
                    log.warning("replacing a lost worker: %s", error)

    def _load(self, worker: Worker) -> bool:
        result = worker.load()
        if result.ok:
            return True
        if not self._is_stopping:
            self.failure = result.message
            log.error("a worker stops: %s", result.message)
        return False

    def _run_jobs(self, worker: Worker) -> None:
        """Run one job after the other, in one of the threads of a worker.

        Raises:
            WorkerLost: the worker is gone.
        """
        try:
            while worker.load().ok:
                job = self._next_job(worker)
                if job is None:
                    return
                self._run(worker, job)
        finally:
            # the worker starts again once all of its threads have ended
            with self._changed:
                self._leaving.add(worker)
                self._changed.notify_all()

    def _run(self, worker: Worker, job: FolderJob) -> None:
        try:
            self._journal.start(job)
        except OSError as error:
            self._fail(error)
            self._leave(worker, job)
            return
        inputs: Inputs = {}
        try:
            inputs = self._journal.read_inputs(job)
            result = self._execute(worker, job)
        except WorkerLost:
            self._requeue(worker, job, inputs)
            raise
        except InvalidJob as error:
            result = JobResult.of(error)
        except Exception as error:
            log.exception("the job %s failed", job.name)
            result = JobResult(FAILED, f"unexpected error: {describe(error)}")
        self._finish(worker, job, result, inputs)

    def _execute(self, worker: Worker, job: FolderJob) -> JobResult:
        try:
            job.prepare()
            result = worker.run(job)
            if result.ok:
                job.finish()
            return result
        finally:
            # before another worker runs the job
            job.clean_up()

    def _next_job(self, worker: Worker) -> Optional[FolderJob]:
        """Wait for a job and return it, or None when no more will come.

        None comes, too, when another thread of the worker has ended. A job that runs on
        another worker comes back if that worker is lost.
        """
        with self._changed:
            while not self._is_stopping and worker not in self._leaving:
                job = self._peek()
                if job and not self._must_wait(worker, job):
                    self._waiting.popleft()
                    self._running[worker].append(job)
                    return job
                if not job and not any(self._running.values()):
                    break
                self._changed.wait()
            return None

    def _has_jobs(self) -> bool:
        with self._changed:
            return bool(self._peek()) or any(self._running.values())

    def _peek(self) -> Optional[FolderJob]:
        """Return the next job without removing it; the lock is held."""
        if not self._waiting:
            self._waiting.extend(itertools.islice(self._jobs, 1))
        if not self._waiting and self._failed:
            self._waiting.append(self._failed.popleft())
        return self._waiting[0] if self._waiting else None

    def _must_wait(self, worker: Worker, job: FolderJob) -> bool:
        """Return whether a job may not run beside those that run; the lock is held."""
        others = [each.name for jobs in self._running.values() for each in jobs]
        if others and (job.name in self._suspects or others[0] in self._suspects):
            return True
        beside = self._running[worker]
        return bool(beside) and (
            job.name in self._losses or beside[0].name in self._losses
        )

    def _finish(
        self, worker: Worker, job: FolderJob, result: JobResult, inputs: Inputs
    ) -> None:
        attempts = self._attempts.get(job.name, 0) + 1
        if result.kind in NOT_RUN or self._is_aborted or result.reason == SHUTDOWN:
            # it has not run to its end; the journal may be what has ended the run
            with contextlib.suppress(OSError):
                self._journal.stop(job)
            self._put_back(worker, job)
            return
        ended = Ended(job, result, inputs, attempts)
        if STATUS_CODES[result.kind] >= 500 and attempts <= self._retries:
            self._retry(ended)
        else:
            self._results.put(ended)
        self._leave(worker, job)

    def _retry(self, ended: Ended) -> None:
        """Run a job again after all others, in this run or in the one that continues it."""
        job, result = ended.job, ended.result
        log.warning("running %s again: %s", job.name, result.message)
        self._attempts[job.name] = ended.attempts
        try:
            self._journal.end(ended)
        except OSError as error:
            self._fail(error)
        with self._changed:
            self._failed.append(job)

    def _fail(self, error: OSError) -> None:
        self.error = error
        self.stop()

    def _leave(self, worker: Worker, job: FolderJob) -> None:
        with self._changed:
            self._running[worker].remove(job)
            self._changed.notify_all()

    def _requeue(self, worker: Worker, job: FolderJob, inputs: Inputs) -> None:
        with self._changed:
            # its other threads would lose the job again
            self._leaving.add(worker)
        self._losses.append(job.name)
        if self._losses.count(job.name) >= MAX_LOSSES:
            message = f"the machine or process that ran it was lost {MAX_LOSSES} times"
            self._finish(worker, job, JobResult(FAILED, message), inputs)
            return
        self._put_back(worker, job)

    def _put_back(self, worker: Worker, job: FolderJob) -> None:
        """Let a job run once its worker has started again, or on another one."""
        with self._changed:
            self._leaving.add(worker)
            self._waiting.appendleft(job)
        self._leave(worker, job)
