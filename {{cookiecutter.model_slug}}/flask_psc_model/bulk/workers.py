"""Workers, each with a model process of its own, and the backends that run them."""

import os
from abc import ABC, abstractmethod
from typing import Any, Dict, List, NamedTuple

from ..jobs.job import Job
from ..jobs.result import JobResult
from ..logs import set_request_id
from ..model.spec import Limits, ModelSpec
from ..workers.pool import WorkerPool
from .jobs import FolderJob

#: Jobs that a worker has at least: while the model runs one, the next is made ready.
LEAST_JOBS = 2


class WorkerLost(Exception):
    """The worker is gone with its machine; the result of its job is unknown."""


class NoCapacity(Exception):
    """No worker can run; the message explains what to do."""


class Model(NamedTuple):
    """The model of a repository.

    Attributes:
        factory: dotted path of the class or function that returns the model.
        spec: of its `model.yaml`.
        folder: of the repository.
    """

    factory: str
    spec: ModelSpec
    folder: str


class Worker(ABC):
    """Runs jobs: one and the next, or as many as a batch model has in hand.

    Attributes:
        capacity: how many jobs it has at once, known when the model is loaded.
    """

    capacity = 1

    @abstractmethod
    def load(self) -> JobResult:
        """Wait until the model is loaded.

        Raises:
            WorkerLost: the worker is gone.
        """

    @abstractmethod
    def run(self, job: FolderJob) -> JobResult:
        """Run a job; several threads may. A job that has not run at all runs again.

        Raises:
            WorkerLost: the worker is gone.
        """

    @abstractmethod
    def replace(self) -> None:
        """Start again after the worker was lost."""

    @abstractmethod
    def sync(self) -> None:
        """Write to the disks what was published on the worker's machine; see sync(2).

        Raises:
            WorkerLost: the worker is gone.
        """

    @abstractmethod
    def stop(self) -> None:
        """Start no job that waits for the model: its result says so."""

    @abstractmethod
    def abort(self) -> None:
        """Stop the running jobs, which leave no files."""

    @abstractmethod
    def close(self) -> None:
        """Stop the worker once no job runs."""


class Backend(ABC):
    """A context manager that starts workers."""

    @abstractmethod
    def available_slots(self, limits: Limits) -> int:
        """Return how many model processes fit, at least one.

        Args:
            limits: of `model.yaml`, with the resources of each process.

        Raises:
            NoCapacity: there is none.
        """

    @abstractmethod
    def start_workers(self, model: Model, count: int) -> List[Worker]:
        """Start workers for a model; the caller closes them."""

    def __enter__(self) -> "Backend":
        return self

    @abstractmethod
    def __exit__(self, *_: Any) -> None:
        """Disconnect from what runs the workers."""


class ProcessWorker(Worker):
    """A worker on this machine."""

    def __init__(self, model: Model, environment: Dict[str, str]) -> None:
        """Start the model process.

        Args:
            model: to load.
            environment: variables to set for the process.
        """
        self._runner = WorkerPool([environment])
        self._runner.set_model(model.factory, model.spec)
        self._runner.start()

    def load(self) -> JobResult:
        """Wait until the model is loaded, at most `timeout.status`."""
        result = self._runner.load()
        self.capacity = max(self._runner.count_slots(), LEAST_JOBS)
        return result

    def run(self, job: FolderJob) -> JobResult:
        """Run a job; its result may be a crash or the time limit."""
        set_request_id(job.name)
        return self._runner.run(Job(job.input_folder, job.output_folder))

    def replace(self) -> None:
        """Do nothing: a local worker is lost only with this process."""

    def sync(self) -> None:
        """Write all files of this machine to its disks."""
        os.sync()

    def stop(self) -> None:
        """Start no job that waits for the model: its result says so."""
        self._runner.stop_accepting()

    def abort(self) -> None:
        """Stop the running jobs, which leave no files."""
        self._runner.abort()

    def close(self) -> None:
        """Stop the model process."""
        self._runner.drain()
