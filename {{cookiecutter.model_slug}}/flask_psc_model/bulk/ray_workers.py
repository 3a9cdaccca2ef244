"""Workers on the machines of a Ray cluster, one actor each.

https://docs.ray.io/en/latest/ray-core/fault_tolerance/actors.html tells what is lost
when.
"""

import os
from typing import Any, Optional

from ..errors import NOT_LOADED
from ..jobs.outcome import READY, Outcome
from ..model.loading import describe
from .jobs import FolderJob
from .workers import Model, ProcessWorker, Worker, WorkerLost

#: How often a worker may be lost in a row before its model is loaded.
MAX_LOSSES = 5

#: Of an actor: a job, and what stops it.
CONCURRENT_CALLS = 2


class ModelActor:
    """What runs on a machine of the cluster: a worker with its model process."""

    def __init__(self, model: Model) -> None:
        """Choose the model; an error here would have no message."""
        self._model = model
        self._worker: Optional[ProcessWorker] = None

    def load(self) -> Outcome:
        """Load the model, and return what came of it."""
        try:
            if self._worker is None:
                os.chdir(self._model.folder)
                self._worker = ProcessWorker(self._model, {})
            return self._worker.load()
        except Exception as error:
            return Outcome(
                NOT_LOADED, f"cannot start on {os.uname()[1]}: {describe(error)}"
            )

    def run(self, job: FolderJob) -> Optional[Outcome]:
        """Run a job; return nothing where the model could not be loaded again."""
        if self._worker is None or not self._worker.load().ok:
            return None
        return self._worker.run(job)

    def abort(self) -> None:
        """Stop a running job, of which nothing is left."""
        if self._worker is not None:
            self._worker.abort()


class RayWorker(Worker):
    """The driver's side of an actor; a lost one is replaced on any other machine."""

    def __init__(self, ray: Any, model: Model) -> None:
        """Ask the cluster for an actor, which waits until there is room for it.

        Args:
            ray: the module, connected to a cluster.
            model: what the actor loads; its limits say what it needs.
        """
        self._ray = ray
        self._model = model
        self._is_loaded = False
        self._losses = 0
        self._actor = self._ask()

    def load(self) -> Outcome:
        """Wait for the actor to have a place and the model.

        Raises:
            WorkerLost: the actor has gone.
        """
        if self._is_loaded:
            return READY
        try:
            outcome: Outcome = self._get(self._actor.load.remote())
        except WorkerLost as error:
            self._losses += 1
            if self._losses < MAX_LOSSES:
                raise
            return Outcome(NOT_LOADED, f"lost {MAX_LOSSES} times: {error}")
        self._is_loaded = outcome.ok
        self._losses = 0
        return outcome

    def run(self, job: FolderJob) -> Outcome:
        """Run a job.

        Raises:
            WorkerLost: the actor has gone, or cannot load the model again.
        """
        outcome: Optional[Outcome] = self._get(self._actor.run.remote(job))
        if outcome is None:
            raise WorkerLost("the model could not be loaded again")
        return outcome

    def replace(self) -> None:
        """Ask for another actor."""
        self._is_loaded = False
        self._actor = self._ask()

    def abort(self) -> None:
        """Stop a running job, of which nothing is left."""
        if self._is_loaded:
            self._actor.abort.remote()

    def close(self) -> None:
        """End the actor; its model process ends with it."""
        self._ray.kill(self._actor)

    def _ask(self) -> Any:
        limits = self._model.limits
        actor = self._ray.remote(ModelActor).options(
            num_cpus=limits.cpus or 1,
            num_gpus=limits.gpus,
            memory=limits.memory,
            max_concurrency=CONCURRENT_CALLS,
        )
        return actor.remote(self._model)

    def _get(self, answer: Any) -> Any:
        try:
            return self._ray.get(answer)
        except self._ray.exceptions.RayError as error:
            # it may only be out of reach: its job is to run once
            self.close()
            raise WorkerLost(str(error).strip().split("\n")[0]) from error
