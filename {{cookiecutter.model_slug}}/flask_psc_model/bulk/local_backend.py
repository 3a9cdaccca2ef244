"""Workers on this machine."""

from typing import Any, List

from ..model.spec import Limits
from ..workers.devices import assign_devices, limit_threads
from .capacity import Capacity
from .workers import Backend, Model, ProcessWorker, Worker


class LocalBackend(Backend):
    """Starts workers on this machine."""

    def __exit__(self, *_: Any) -> None:
        """Do nothing: there is no connection."""

    def available_slots(self, limits: Limits) -> int:
        """Return how many model processes fit, at least one."""
        return max(Capacity.of_machine().count_processes(limits), 1)

    def start_workers(self, model: Model, count: int) -> List[Worker]:
        """Start workers that share the GPUs and have the CPUs of `resources` each."""
        environments = assign_devices(count, max(model.spec.limits.gpus, 1))
        if count > 1:
            for environment in environments:
                environment.update(limit_threads(model.spec.limits.cpus or 1, 1))
        return [ProcessWorker(model, environment) for environment in environments]
