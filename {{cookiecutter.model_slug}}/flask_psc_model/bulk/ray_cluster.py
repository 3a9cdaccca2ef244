"""A Ray cluster, whose machines run workers.

All of them see the repository and the jobs' folders under the same paths. Ray is
optional: only connecting to a cluster imports it.
"""

import os
import sys
from typing import Any, List

from ..model.loading import describe
from ..model.spec import Limits
from .capacity import Capacity
from .ray_workers import RayWorker
from .workers import Backend, Model, NoCapacity, Worker


class RayCluster(Backend):
    """Workers in a Ray cluster; entering the context connects to it."""

    def __init__(self, address: str, folder: str) -> None:
        """Set the cluster.

        Args:
            address: of its head, such as `10.0.0.1:6379`, or `auto` for the cluster of
                this machine.
            folder: of the repository, from which the machines import the runtime.
        """
        self.address = address
        self.folder = folder
        self._ray: Any = None

    def __enter__(self) -> "RayCluster":
        """Connect.

        Raises:
            NoCapacity: Ray is not installed, or the cluster does not respond.
        """
        try:
            import ray
        except ImportError as error:
            python = ".".join(map(str, sys.version_info[:2]))
            raise NoCapacity(
                f"--ray needs Ray ({error}): pip install -r requirements-ray.txt, on"
                f" every machine of the cluster and with Python {python}"
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
            raise NoCapacity(
                f"cannot connect to a Ray cluster at {self.address}: {describe(error)}"
            ) from error
        self._ray = ray
        return self

    def __exit__(self, *_: Any) -> None:
        self._ray.shutdown()

    def available_slots(self, limits: Limits) -> int:
        """Return how many model processes fit on its machines now.

        Raises:
            NoCapacity: none fits.
        """
        slots = sum(
            _measure(node).count_processes(limits)
            for node in self._ray.nodes()
            if node["Alive"]
        )
        if slots < 1:
            raise NoCapacity(
                "no machine of the Ray cluster has the resources for a model process:"
                " lower them in model.yaml, or set --processes to wait for new machines"
            )
        return slots

    def start_workers(self, model: Model, count: int) -> List[Worker]:
        """Start workers on any machines that can run them."""
        return [RayWorker(self._ray, model) for _ in range(count)]


def _measure(node: Any) -> Capacity:
    resources = node["Resources"]
    return Capacity(*[resources.get(name, 0) for name in ("CPU", "memory", "GPU")])
