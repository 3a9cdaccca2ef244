"""The crew: its workers, and the jobs that they share."""

import collections
import contextlib
import logging
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Deque, Dict, Iterable, List, Optional, Sequence, Tuple

from ..errors import FAILED
from ..jobs.result import JobResult
from ..model.loading import describe
from .jobs import FolderJob
from .workers import Worker, WorkerLost

#: A job fails when it was lost this often: it may be what kills its workers.
MAX_LOSSES = 3

log = logging.getLogger(__name__)


class Crew:
    """Runs jobs on workers until no job is left.

    Each worker has a thread, and one for each job that it runs at once. A worker that
    cannot load the model stops. A job whose worker was lost runs again, alone in its
    worker.

    Attributes:
        failure: why the last worker that stopped could not load the model.
    """

    def __init__(self, workers: Sequence[Worker], jobs: Iterable[FolderJob]) -> None:
        """Set the workers and their jobs; `start` starts them.

        Args:
            workers: at least one.
            jobs: to run.
        """
        self.failure = ""
        self._workers = workers
        self._changed = threading.Condition()
        self._waiting: Deque[FolderJob] = collections.deque(jobs)
        self._running: Dict[Worker, List[FolderJob]] = {each: [] for each in workers}
        self._losses: List[str] = []
        self._results: "queue.Queue[Tuple[FolderJob, JobResult]]" = queue.Queue()
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
            return bool(self._waiting) and not self._is_stopping and has_workers

    def wait(self, seconds: float) -> Optional[Tuple[FolderJob, JobResult]]:
        """Return the next result, or None if there is none in time."""
        with contextlib.suppress(queue.Empty):
            return self._results.get(timeout=seconds)
        return None

    def stop(self) -> None:
        """Start no other job; running jobs finish."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()

    def abort(self) -> None:
        """Stop running jobs, too: they have no result and leave no files."""
        self._is_aborted = True
        self.stop()
        for worker in self._workers:
            worker.abort()

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
                with ThreadPoolExecutor(worker.capacity) as pool:
                    runs = [
                        pool.submit(self._run_jobs, worker)
                        for _ in range(worker.capacity)
                    ]
                if all(run.result() for run in runs):
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

    def _run_jobs(self, worker: Worker) -> bool:
        """Run one job after the other; return False if the worker has to load again.

        Raises:
            WorkerLost: the worker is gone.
        """
        while worker.load().ok:
            job = self._next_job(worker)
            if job is None:
                return True
            self._run(worker, job)
        return False

    def _run(self, worker: Worker, job: FolderJob) -> None:
        try:
            result = worker.run(job)
        except WorkerLost:
            self._requeue(worker, job)
            raise
        except Exception as error:
            log.exception("the job %s failed", job.name)
            result = JobResult(FAILED, f"unexpected error: {describe(error)}")
        self._finish(worker, job, result)

    def _next_job(self, worker: Worker) -> Optional[FolderJob]:
        """Wait for a job and return it, or None when no more will come.

        A job that runs on another worker comes back if that worker is lost.
        """
        with self._changed:
            while not self._is_stopping:
                if self._can_run_next(worker):
                    job = self._waiting.popleft()
                    self._running[worker].append(job)
                    return job
                if not self._waiting and not any(self._running.values()):
                    break
                self._changed.wait()
            return None

    def _can_run_next(self, worker: Worker) -> bool:
        """Return whether the next job can run in a worker beside those it has."""
        beside = self._running[worker]
        if not self._waiting or not beside:
            return bool(self._waiting)
        lost = self._waiting[0].name in self._losses
        return not lost and beside[0].name not in self._losses

    def _finish(self, worker: Worker, job: FolderJob, result: JobResult) -> None:
        with self._changed:
            if not self._is_aborted:
                self._results.put((job, result))
            self._running[worker].remove(job)
            self._changed.notify_all()

    def _requeue(self, worker: Worker, job: FolderJob) -> None:
        self._losses.append(job.name)
        if self._losses.count(job.name) >= MAX_LOSSES:
            message = f"the machine or process that ran it was lost {MAX_LOSSES} times"
            self._finish(worker, job, JobResult(FAILED, message))
            return
        with self._changed:
            self._running[worker].remove(job)
            self._waiting.appendleft(job)
            self._changed.notify_all()
