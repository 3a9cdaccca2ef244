"""A Ray cluster: many machines, on which workers run.

They see the repository and the jobs' folders under the same paths. Ray is imported
here only, since few need it.
"""

import os
import sys
from typing import Any, List

from ..model.loading import describe
from ..model.spec import Limits
from .capacity import Capacity
from .local_backend import Machines, Unusable
from .ray_workers import RayWorker
from .workers import Model, Worker


class RayCluster(Machines):
    """A context manager of the connection to a cluster."""

    def __init__(self, address: str, folder: str) -> None:
        """Choose the cluster.

        Args:
            address: of its head, such as `10.0.0.1:6379`; or `auto` for the one that
                this machine is in.
            folder: of the repository, from which the machines import the runtime.
        """
        self.address = address
        self.folder = folder
        self._ray: Any = None

    def __enter__(self) -> "RayCluster":
        """Connect.

        Raises:
            Unusable: that is not possible.
        """
        try:
            import ray
        except ImportError as error:
            raise Unusable(
                "--ray needs Ray ({}): pip install -r requirements-ray.txt, on Python"
                " {}.{} and on every machine of the cluster".format(
                    error, *sys.version_info
                )
            ) from error
        paths = [self.folder, os.environ.get("PYTHONPATH", "")]
        variables = {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
        try:
            ray.init(
                address=self.address,
                runtime_env={"env_vars": variables},
                log_to_driver=False,
                logging_level="error",
            )
        except Exception as error:
            raise Unusable(
                f"there is no Ray cluster at {self.address}: {describe(error)}"
            ) from error
        self._ray = ray
        return self

    def __exit__(self, *_: Any) -> None:
        self._ray.shutdown()

    def count_room(self, limits: Limits) -> int:
        """Return how many model processes its machines have room for now.

        Raises:
            Unusable: there is no room.
        """
        room = sum(
            _measure(node).count_processes(limits)
            for node in self._ray.nodes()
            if node["Alive"]
        )
        if room < 1:
            raise Unusable(
                "no machine of the Ray cluster has room for a model process: lower"
                " resources in model.yaml, or let --processes wait for machines to come"
            )
        return room

    def start_workers(self, model: Model, count: int) -> List[Worker]:
        """Start workers, wherever there is room for them."""
        return [RayWorker(self._ray, model) for _ in range(count)]


def _measure(node: Any) -> Capacity:
    resources = node["Resources"]
    return Capacity(*[resources.get(name, 0) for name in ("CPU", "memory", "GPU")])
