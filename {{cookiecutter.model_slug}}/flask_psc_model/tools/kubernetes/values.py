"""The values of the manifests that `model.yaml` and the Dockerfile give."""

import math
import os
from decimal import Decimal
from typing import Any, Dict, Optional

from ...model.spec import Limits, ModelSpec
from ...model.units import format_size
from ...version import __version__
from ..containers.image_user import ImageUser, read_user
from ..dockerfile import DOCKERFILE
from .names import make_label_value, make_name

#: The bytes that a container needs to start; Docker refuses less.
LEAST_MEMORY = 6 * 1024**2


def read_values(name: Optional[str] = None) -> Dict[str, Any]:
    """Return what the `model.yaml` of the working directory and its Dockerfile give.

    Args:
        name: of every object; None to make it from the model's name.

    Raises:
        OSError: there is no `model.yaml`.
        ValueError: a value in it is wrong or missing, no name can be made from the
            model's, or the Dockerfile does not name a user by ids.
    """
    spec = ModelSpec.load(os.getcwd())
    try:
        name = name or make_name(spec.name)
    except ValueError as error:
        raise ValueError(f"{spec.path}: name: {error}; pass --name") from error
    return {
        "name": name,
        "version": make_label_value(spec.version),
        "runtime": __version__,
        **find_user(os.path.dirname(spec.path))._asdict(),
        **list_resources(spec.limits, spec.path),
        **count_seconds(spec.limits),
    }


def list_resources(limits: Limits, path: str = "model.yaml") -> Dict[str, Any]:
    """Return the resources of a pod as Kubernetes writes them.

    See https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/.

    Args:
        limits: of `model.yaml`.
        path: of `model.yaml`, for messages.

    Raises:
        ValueError: `model.yaml` lacks a resource, or no container can have so little.
    """
    cpus = _require(limits.cpus, path, "resources.cpu.count")
    memory = _require(limits.memory, path, "resources.memory.size")
    if memory < LEAST_MEMORY:
        raise ValueError(
            f"{path}: resources.memory.size is {format_size(memory)}: a container needs"
            f" {format_size(LEAST_MEMORY)} or more"
        )
    resources = {"cpu": format_cpus(cpus), "memory": format_memory(memory)}
    return {**resources, "gpus": limits.gpus}


def count_seconds(limits: Limits) -> Dict[str, int]:
    """Return the time limits, and how often the probes poll.

    A probe that times out leaves a thread of the server waiting until `timeout.status`.
    Since threads belong to jobs, at most 30 probes of a kind wait at the same time.
    """
    load, share = limits.status_timeout, math.ceil(limits.status_timeout / 30)
    startup = max(2, share)
    return {
        "load_seconds": math.ceil(load),
        "run_seconds": math.ceil(limits.run_timeout),
        "startup_period": startup,
        # on a busy node, the server listens after up to 30 seconds
        "startup_failures": math.ceil((load + 30) / startup),
        "readiness_period": max(5, share),
    }


def find_user(folder: str) -> ImageUser:
    """Return the user of the Dockerfile in a folder.

    Raises:
        ValueError: it does not name a user by ids.
    """
    text = read_user(folder)
    if text is None:
        return ImageUser(1000, 1000)  # that of the template's Dockerfile
    path = os.path.join(folder, DOCKERFILE)
    if not text:
        raise ValueError(
            f"{path} has no USER, which the manifests need: add one, such as USER"
            " 1000:1000"
        )
    try:
        return ImageUser.parse(text)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def format_memory(size: int) -> str:
    """Return bytes in the largest binary unit that keeps them whole: `512Mi`, `2Gi`.

    To Kubernetes, `512M` is 512,000,000 bytes, less than it is in `model.yaml`.
    """
    for unit in ("", "Ki", "Mi", "Gi"):
        larger, rest = divmod(size, 1024)
        if rest:
            return f"{size}{unit}"
        size = larger
    return f"{size}Ti"


def format_cpus(cpus: float) -> str:
    """Return CPUs, rounded up to thousandths, the smallest unit: `2`, `500m`."""
    thousandths = math.ceil(Decimal(repr(cpus)) * 1000)
    whole, rest = divmod(thousandths, 1000)
    return f"{thousandths}m" if rest else str(whole)


def _require(amount: Any, path: str, key: str) -> Any:
    if amount is None:
        raise ValueError(f"{path} has no {key}, which the manifests need: add it")
    return amount
