"""A Ray cluster, whose machines run workers.

All of them see the repository and the jobs' folders under the same paths. Ray is
optional: only connecting to a cluster imports it.
"""

import contextlib
import logging
import os
import socket
import sys
from typing import Any, List

from ..model.loading import describe
from ..model.spec import Limits
from .capacity import Capacity
from .ray_workers import RayWorker
from .workers import Backend, Model, NoCapacity, Worker

#: Seconds in which the head of a cluster has to accept a connection.
CONNECT_SECONDS = 5

log = logging.getLogger(__name__)


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
        # Ray prints what happens to its machines
        self._redirection = contextlib.redirect_stdout(sys.stderr)

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
        _check_head(self.address)
        self._redirection.__enter__()
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
            self.__exit__()
            raise NoCapacity(
                f"cannot connect to a Ray cluster at {self.address}: {describe(error)}"
            ) from error
        self._ray = ray
        return self

    def __exit__(self, *_: Any) -> None:
        if self._ray:
            self._ray.shutdown()
        self._redirection.__exit__(None, None, None)

    def available_slots(self, limits: Limits) -> int:
        """Return how many model processes fit on its machines now, at least one.

        A full cluster is no error: the first process waits.

        Raises:
            NoCapacity: none fits even on an idle cluster.
        """
        slots = sum(
            _measure(node["Resources"]).count_processes(limits)
            for node in self._ray.nodes()
            if node["Alive"]
        )
        free = _measure(self._ray.available_resources())
        if slots >= 1 and not free.count_processes(limits):
            log.warning(
                "the Ray cluster is full (free: %g CPUs, %.0f MB of memory, %g GPUs):"
                " waiting for %s, the resources of model.yaml",
                free.cpus,
                free.memory / 1e6,
                free.gpus,
                _describe(limits),
            )
        if slots < 1:
            raise NoCapacity(
                "no machine of the Ray cluster has the resources for a model process:"
                " lower them in model.yaml, or set --processes to wait for new machines"
            )
        return max(min(slots, free.count_processes(limits)), 1)

    def start_workers(self, model: Model, count: int) -> List[Worker]:
        """Start workers on any machines that can run them."""
        return [RayWorker(self._ray, model) for _ in range(count)]


def _check_head(address: str) -> None:
    """Connect to the head once: Ray itself tries for a minute and more.

    Raises:
        NoCapacity: nobody listens there.
    """
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if not colon or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise NoCapacity(
            f"cannot connect to a Ray cluster at {address}: {describe(error)}; check the"
            " address that `ray start --head` printed"
        ) from error


def _describe(limits: Limits) -> str:
    parts = [f"{limits.cpus or 1:g} CPUs"]
    if limits.memory:
        parts.append(f"{limits.memory / 1e6:.0f} MB of memory")
    if limits.gpus:
        parts.append(f"{limits.gpus} GPUs")
    return ", ".join(parts)


def _measure(resources: Any) -> Capacity:
    return Capacity(*[resources.get(name, 0) for name in ("CPU", "memory", "GPU")])
