"""Workers: each has a model process of its own, and runs one job at a time."""

from abc import ABC, abstractmethod
from typing import Dict, NamedTuple

from ..jobs.job import Job
from ..jobs.outcome import Outcome
from ..logs import set_request_id
from ..model.spec import Limits
from ..workers.process_runner import ProcessRunner
from .jobs import FolderJob


class WorkerLost(Exception):
    """The worker has gone with its machine, and nobody knows what became of its job."""


class Model(NamedTuple):
    """The model of a repository.

    Attributes:
        factory: dotted path of what makes it.
        metadata: path of its `model.yaml`, empty where there is none.
        limits: of that file.
        folder: the repository's.
    """

    factory: str
    metadata: str
    limits: Limits
    folder: str


class Worker(ABC):
    """Runs jobs, one at a time."""

    @abstractmethod
    def load(self) -> Outcome:
        """Wait until the model is loaded.

        Raises:
            WorkerLost: the worker has gone.
        """

    @abstractmethod
    def run(self, job: FolderJob) -> Outcome:
        """Run a job.

        Raises:
            WorkerLost: the worker has gone.
        """

    @abstractmethod
    def replace(self) -> None:
        """Start again, after the worker was lost."""

    @abstractmethod
    def abort(self) -> None:
        """Stop a running job, of which nothing is left."""

    @abstractmethod
    def close(self) -> None:
        """End, once no job runs."""


class ProcessWorker(Worker):
    """A worker on this machine."""

    def __init__(self, model: Model, environment: Dict[str, str]) -> None:
        """Start the model process.

        Args:
            model: what it loads.
            environment: variables to set for it.
        """
        self._runner = ProcessRunner([environment])
        self._runner.choose(model.factory, model.metadata, model.limits)
        self._runner.start()

    def load(self) -> Outcome:
        """Wait until the model is loaded, at most `timeout.status`."""
        return self._runner.load()

    def run(self, job: FolderJob) -> Outcome:
        """Run a job; a crash or the time limit is its outcome."""
        set_request_id(job.name)
        return self._runner.run(Job(job.input_folder, job.output_folder))

    def replace(self) -> None:
        """Do nothing: a worker on this machine is lost only with this process."""

    def abort(self) -> None:
        """Stop a running job, of which nothing is left."""
        self._runner.abort()

    def close(self) -> None:
        """End the model process."""
        self._runner.finish()
