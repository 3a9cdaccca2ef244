"""Runners: they own the model and run jobs, and they publish what it wrote."""

import logging
import os
import threading
import time
from abc import ABC, abstractmethod
from typing import Any, Callable, List

from ..errors import InvalidJob, ModelNotLoaded
from ..jobs.execution import Execution
from ..jobs.job import Job
from ..jobs.outputs import Destination
from ..jobs.result import READY, JobResult, not_loaded
from ..jobs.transaction import commit, recover
from ..logs import begin_job, end_job, get_context, set_context
from ..model.loading import ModelFactory, close_model, is_batch_model, load_model
from ..model.spec import ModelSpec
from .batching import Attempt, compute
from .stats import Stats
from .table import JobTable

log = logging.getLogger(__name__)


def never() -> bool:
    """Return False: somebody waits for the job."""
    return False


class Runner(ABC):
    """What the routes need of the model.

    Attributes:
        stats: of its jobs and its model.
    """

    def __init__(self) -> None:
        self.stats = Stats()

    def run(self, job: Job, is_gone: Callable[[], bool] = never) -> JobResult:
        """Run one job, and move its outputs into place: all of them, or none.

        Args:
            job: to run.
            is_gone: returns whether nobody waits for it any more; it must not block.
        """
        recover(job.output_folder)
        destination = Destination(job.output_folder)
        try:
            result = self._run(job, destination.name, is_gone)
            if result.staged:
                commit(result.staged, job.output_folder)
                return result
        except InvalidJob as error:
            result = JobResult.of(error)
        except BaseException:
            destination.clean_up()
            raise
        destination.clean_up()
        return result

    @abstractmethod
    def load(self) -> JobResult:
        """Wait until the model is loaded; a failed load is tried again."""

    @abstractmethod
    def stop_accepting(self) -> None:
        """Refuse all other jobs; signal handlers may call it."""

    @abstractmethod
    def drain(self) -> None:
        """Wait for the jobs that run, and let no other one start."""

    @abstractmethod
    def count_waiting(self) -> int:
        """Return the number of jobs that wait."""

    @abstractmethod
    def count_running(self) -> int:
        """Return the number of jobs that run."""

    @abstractmethod
    def count_ready(self) -> int:
        """Return the number of processes in which the model is loaded."""

    @abstractmethod
    def list_processes(self) -> List[int]:
        """Return the ids of the processes that hold the model."""

    def estimate_wait(self) -> float:
        """Return in how many seconds a job may start that is refused now."""
        return 0.0

    @abstractmethod
    def _run(
        self, job: Job, staging_name: str, is_gone: Callable[[], bool]
    ) -> JobResult:
        """Run one job, up to its staged outputs, after those that came before it."""


class LocalRunner(Runner):
    """Runs the model in the process at hand, for debuggers, coverage and tests.

    It has no threads of its own: jobs of a batch model meet where they wait for a call of
    `predict` that runs, and whoever is next computes all of them.
    """

    def __init__(self, factory: ModelFactory) -> None:
        """Choose the model, without loading it.

        Args:
            factory: makes the model.
        """
        super().__init__()
        self.factory = factory
        self._model: Any = None
        self._spec = ModelSpec()
        self._loading = threading.Lock()
        self._running = threading.Lock()
        self._waiting: List[Attempt] = []
        self._is_batch = False

    def load(self) -> JobResult:
        """Load the model unless it is loaded; a failed load is tried again."""
        with self._loading:
            if self._model is None:
                started = time.monotonic()
                try:
                    self._spec = ModelSpec.of_model(self.factory)
                    model = load_model(self.factory)
                    self._is_batch = is_batch_model(model)
                    self._model = model
                except ModelNotLoaded as error:
                    log.error("the model could not be loaded", exc_info=error.__cause__)
                    return JobResult.of(error)
                except ValueError as error:
                    return not_loaded(str(error))
                self.stats.load_times.add(time.monotonic() - started)
        return READY

    def stop_accepting(self) -> None:
        """Do nothing: the server ends with the job that runs, see `drain`."""

    def drain(self) -> None:
        """Wait for the running job, and let no other one start."""
        self._running.acquire()
        close_model(self._model)

    def unload(self) -> None:
        """Close the model and forget it, while no job runs; the next job loads it again."""
        with self._loading, self._running:
            model, self._model = self._model, None
            close_model(model)

    def hold(self) -> Any:
        """Return a context in which no job is computed, so that they gather."""
        return self._running

    def count_waiting(self) -> int:
        """Return the number of jobs that wait."""
        return len(self._waiting)

    def count_running(self) -> int:
        """Return the number of jobs that run: one at most."""
        return int(self._running.locked())

    def count_ready(self) -> int:
        """Return 1 if the model is loaded, else 0."""
        return int(self._model is not None)

    def list_processes(self) -> List[int]:
        """Return the id of the process at hand."""
        return [os.getpid()]

    def _run(
        self, job: Job, staging_name: str, is_gone: Callable[[], bool]
    ) -> JobResult:
        result = self.load()
        if not result.ok:
            return result
        attempt = Attempt(
            1,
            get_context(),
            Execution(self._model, job, self._spec, staging_name),
            JobTable().add(1),
        )
        begin_job(attempt.context)
        try:
            self._finish(attempt)
        finally:
            end_job(attempt.context)
            # this thread may have computed the jobs of others
            set_context(attempt.context)
        if attempt.is_interrupted:
            raise KeyboardInterrupt
        return attempt.describe()._replace(process=os.getpid())

    def _finish(self, attempt: Attempt) -> None:
        came = time.monotonic()
        if self._is_batch:
            # in the thread of its request, and others in theirs
            attempt.preprocess()
        if attempt.result:
            return
        self._waiting.append(attempt)
        with self._running:
            started = time.monotonic()
            self.stats.wait_times.add(started - came)
            # unless another thread has computed it with its own
            while attempt in self._waiting:
                self._compute()
            if attempt.batch_size:
                self.stats.batch_jobs.add(attempt.batch_size)
            if not attempt.result:
                attempt.postprocess()
            self.stats.run_times.add(time.monotonic() - started)

    def _compute(self) -> None:
        """Run the job that has waited longest, or a batch of those that wait."""
        size = self._model.max_batch_size if self._is_batch else 1
        batch = self._waiting[:size]
        del self._waiting[:size]
        if self._is_batch:
            compute(self._model, batch, lambda _: None)
        else:
            batch[0].run()
