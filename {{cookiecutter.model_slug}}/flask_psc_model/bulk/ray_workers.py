"""Workers in a Ray cluster, one actor each.

See https://docs.ray.io/en/latest/ray-core/fault_tolerance/actors.html.
"""

import contextlib
import os
from typing import Any, Optional

from ..errors import NOT_LOADED
from ..jobs.result import READY, JobResult, not_loaded
from ..model.loading import CLOSE_SECONDS, describe
from .jobs import FolderJob
from .workers import Model, ProcessWorker, Worker, WorkerLost

#: A worker stops when it was lost this often in a row before its model was loaded.
MAX_LOSSES = 5

#: Jobs that an actor runs at once, at most, and its calls beside them: the abort of the
#: jobs, and a sync.
MAX_JOBS, OTHER_CALLS = 64, 2


class ModelActor:
    """The actor: a worker and its model process on a machine of the cluster."""

    def __init__(self, model: Model) -> None:
        """Set the model; it is started in `load`, where errors have a message."""
        self._model = model
        self._worker: Optional[ProcessWorker] = None

    def load(self) -> JobResult:
        """Load the model and return the result."""
        try:
            if self._worker is None:
                os.chdir(self._model.folder)
                self._worker = ProcessWorker(self._model, {})
            return self._worker.load()
        except Exception as error:
            return JobResult(
                NOT_LOADED, f"cannot start on {os.uname()[1]}: {describe(error)}"
            )

    def run(self, job: FolderJob) -> JobResult:
        """Run a job; its result may be that the model could not be loaded again."""
        if self._worker is None:
            return not_loaded("the actor has not loaded the model")
        return self._worker.run(job)

    def count_slots(self) -> int:
        """Return how many jobs it runs at once."""
        return min(self._worker.capacity, MAX_JOBS) if self._worker else 1

    def sync(self) -> None:
        """Write all files of the machine to its disks."""
        os.sync()

    def stop(self) -> None:
        """Start no job that waits for the model."""
        if self._worker is not None:
            self._worker.stop()

    def abort(self) -> None:
        """Stop the running jobs, which leave no files."""
        if self._worker is not None:
            self._worker.abort()

    def close(self) -> None:
        """Close the model and stop its process, once no job runs."""
        if self._worker is not None:
            self._worker.close()


class RayWorker(Worker):
    """The driver's side of an actor; a lost actor is replaced on any machine."""

    def __init__(self, ray: Any, model: Model) -> None:
        """Request an actor, which waits until a machine can run it.

        Args:
            ray: the module, connected to a cluster.
            model: for the actor to load; its limits set the actor's resources.
        """
        self._ray = ray
        self._model = model
        self._is_loaded = False
        self._is_broken = False
        self._losses = 0
        self._actor = self._start_actor()

    def load(self) -> JobResult:
        """Wait until the actor has started and loaded the model.

        Raises:
            WorkerLost: the actor is gone, or cannot load the model again.
        """
        if self._is_broken:
            raise WorkerLost("the model could not be loaded again")
        if self._is_loaded:
            return READY
        try:
            result: JobResult = self._get(self._actor.load.remote())
            self.capacity = self._get(self._actor.count_slots.remote())
        except WorkerLost as error:
            self._losses += 1
            if self._losses < MAX_LOSSES:
                raise
            return JobResult(NOT_LOADED, f"lost {MAX_LOSSES} times: {error}")
        self._is_loaded = result.ok
        self._losses = 0
        return result

    def run(self, job: FolderJob) -> JobResult:
        """Run a job.

        Raises:
            WorkerLost: the actor is gone.
        """
        result: JobResult = self._get(self._actor.run.remote(job))
        if result.kind == NOT_LOADED:
            # another machine may load the model
            self._is_broken = True
        return result

    def replace(self) -> None:
        """Request another actor."""
        self._is_loaded = self._is_broken = False
        self._actor = self._start_actor()

    def sync(self) -> None:
        """Write all files of the actor's machine to its disks.

        Raises:
            WorkerLost: the actor is gone.
        """
        if self._is_loaded:
            try:
                self._ray.get(self._actor.sync.remote())
            except self._ray.exceptions.RayError as error:
                raise WorkerLost(str(error)) from error

    def stop(self) -> None:
        """Start no job that waits for the model: its result says so."""
        if self._is_loaded:
            self._actor.stop.remote()

    def abort(self) -> None:
        """Stop the running jobs, which leave no files."""
        if self._is_loaded:
            self._actor.abort.remote()

    def close(self) -> None:
        """Close the model, and kill the actor and its model process."""
        if self._is_loaded:
            # an actor that is gone has nothing to close
            with contextlib.suppress(self._ray.exceptions.RayError):
                self._ray.get(self._actor.close.remote(), timeout=2 * CLOSE_SECONDS)
        self._kill()

    def _kill(self) -> None:
        self._ray.kill(self._actor)

    def _start_actor(self) -> Any:
        limits = self._model.spec.limits
        actor = self._ray.remote(ModelActor).options(
            num_cpus=limits.cpus or 1,
            num_gpus=limits.gpus,
            memory=limits.memory,
            max_concurrency=MAX_JOBS + OTHER_CALLS,
        )
        return actor.remote(self._model)

    def _get(self, reference: Any) -> Any:
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            # it may only be unreachable: its job must not run twice
            self._kill()
            raise WorkerLost(str(error).strip().split("\n")[0]) from error
