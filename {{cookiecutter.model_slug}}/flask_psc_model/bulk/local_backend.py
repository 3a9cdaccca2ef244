"""Where workers run: on this machine, or on those that a subclass knows."""

import os
from typing import Any, List

from ..model.spec import Limits
from ..workers.devices import deal_out_devices
from .capacity import Capacity
from .workers import Model, ProcessWorker, Worker

#: How many threads the libraries of numerical code start; all processors by default.
THREADS_VARIABLE = "OMP_NUM_THREADS"


class Unusable(Exception):
    """No worker can run there; the message says what to do."""


class Machines:
    """A context manager of what workers run on: this machine."""

    def __enter__(self) -> "Machines":
        return self

    def __exit__(self, *_: Any) -> None:
        """Do nothing: workers are closed by those who use them."""

    def count_room(self, limits: Limits) -> int:
        """Return how many model processes there is room for, at least one.

        Args:
            limits: of `model.yaml`, which say what each needs.

        Raises:
            Unusable: there is no room.
        """
        return max(Capacity.of_machine().count_processes(limits), 1)

    def start_workers(self, model: Model, count: int) -> List[Worker]:
        """Start workers.

        They share out the graphics processors, and do not compute with more threads
        than `resources` names processors, since they would be in each other's way.

        Args:
            model: what they load.
            count: how many.
        """
        environments = deal_out_devices(count, max(model.limits.gpus, 1))
        if count > 1 and THREADS_VARIABLE not in os.environ:
            threads = str(max(int(model.limits.cpus or 1), 1))
            for environment in environments:
                environment[THREADS_VARIABLE] = threads
        return [ProcessWorker(model, environment) for environment in environments]
