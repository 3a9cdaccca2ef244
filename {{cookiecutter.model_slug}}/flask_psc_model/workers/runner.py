"""Runners: they own the model, and run one job at a time."""

import logging
import os
import threading
import time
from abc import ABC, abstractmethod
from typing import Any, List

from ..errors import NOT_LOADED, ModelNotLoaded
from ..jobs.execution import answer_job
from ..jobs.job import Job
from ..jobs.outcome import READY, Outcome
from ..model.loading import ModelFactory, load_model
from ..model.spec import ModelSpec
from .stats import Stats

log = logging.getLogger(__name__)


class Runner(ABC):
    """What the routes need of the model.

    Attributes:
        stats: of its jobs and its model.
    """

    def __init__(self) -> None:
        self.stats = Stats()

    @abstractmethod
    def load(self) -> Outcome:
        """Wait until the model is loaded; a failed load is tried again."""

    @abstractmethod
    def run(self, job: Job) -> Outcome:
        """Run one job, after those that came before it."""

    @abstractmethod
    def refuse(self) -> None:
        """Let no other job start, not even one that waits."""

    @abstractmethod
    def finish(self) -> None:
        """Wait for the running job, and let no other one start."""

    @abstractmethod
    def count_waiting(self) -> int:
        """Return the number of jobs that wait for their turn."""

    @abstractmethod
    def list_processes(self) -> List[int]:
        """Return the ids of the processes that hold the model."""


class LocalRunner(Runner):
    """Runs the model in the process at hand, for debuggers, coverage and tests."""

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
        self._waiting: List[Job] = []

    def load(self) -> Outcome:
        """Load the model unless it is loaded; a failed load is tried again."""
        with self._loading:
            if self._model is None:
                started = time.monotonic()
                try:
                    self._spec = ModelSpec.of_model(self.factory)
                    self._model = load_model(self.factory)
                except ModelNotLoaded as error:
                    log.error("the model could not be loaded", exc_info=error.__cause__)
                    return Outcome.of(error)
                except ValueError as error:
                    return Outcome(NOT_LOADED, str(error))
                self.stats.load_times.add(time.monotonic() - started)
        return READY

    def run(self, job: Job) -> Outcome:
        """Run one job, after those that came before it."""
        outcome = self.load()
        if outcome is not READY:
            return outcome
        waiting_since = time.monotonic()
        self._waiting.append(job)
        with self._running:
            self._waiting.remove(job)
            started = time.monotonic()
            self.stats.wait_times.add(started - waiting_since)
            log_start(job)
            outcome = answer_job(self._model, job, self._spec)
            self.stats.run_times.add(time.monotonic() - started)
            return outcome

    def refuse(self) -> None:
        """Do nothing: the server ends with the job that runs, see `finish`."""

    def finish(self) -> None:
        """Wait for the running job, and let no other one start."""
        self._running.acquire()

    def count_waiting(self) -> int:
        """Return the number of jobs that wait for their turn."""
        return len(self._waiting)

    def list_processes(self) -> List[int]:
        """Return the id of the process at hand."""
        return [os.getpid()]


def log_start(job: Job) -> None:
    """Say in the log that a job begins."""
    log.info("running the job %s -> %s", job.input_folder, job.output_folder)
