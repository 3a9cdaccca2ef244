"""The pods: what they run, and what they may use."""

import math
from typing import Any, Dict, Optional, TypeVar

from ...model.spec import Limits
from ...model.units import format_size
from ..containers.engine import MOUNT_POINT
from ..containers.image_user import ImageUser
from .quantities import format_cpus, format_memory
from .workload import Workload

#: What lets root write to folders of any user, as it may outside a cluster.
ROOT_CAPABILITIES = ["DAC_OVERRIDE", "FOWNER"]

#: Seconds beyond `timeout.run` that a server or a bulk run may take to end; Gunicorn's
#: `graceful_timeout` is 15 of them.
STOP_SECONDS = 20

#: The name of the container.
CONTAINER = "model"

#: The folder for temporary files; a pod that fills it is evicted, and not its node.
_TEMPORARY = {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}}
#: The bytes that a container needs to start; Docker refuses less.
LEAST_MEMORY = 6 * 1024**2

Amount = TypeVar("Amount", int, float)


def make_pod_template(
    workload: Workload,
    component: str,
    running: Dict[str, Any],
    stop_seconds: int,
    **policy: Any,
) -> Dict[str, Any]:
    """Return the template of the pods of a component.

    The pods follow the profile `restricted` of the Pod Security Standards: no root, no
    capability; where the image's user is root, `baseline`. The root file system is
    read-only. All temporary files, Gunicorn's too, are in `/tmp`; the pods do not use
    `/dev/shm`.

    Service links are off: the variable of a Service named `psc-model` would be
    `PSC_MODEL_PORT`, with a value that begins with `tcp://`.

    Args:
        workload: what runs.
        component: what the pods belong to.
        running: the keys of the container that define what it runs.
        stop_seconds: from the signal to stop to the kill.
        policy: more of the pods' `spec`, such as `restartPolicy`.
    """
    container: Dict[str, Any] = {"name": CONTAINER, "image": workload.image}
    container.update(running)
    capabilities = {"drop": ["ALL"]}
    if workload.user.user == 0:
        capabilities["add"] = ROOT_CAPABILITIES
    container.update(
        resources=make_resources(workload.limits, workload.path),
        volumeMounts=[
            {"name": "data", "mountPath": MOUNT_POINT},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
        securityContext={
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": capabilities,
        },
    )
    spec = dict(
        policy,
        automountServiceAccountToken=False,
        enableServiceLinks=False,
        terminationGracePeriodSeconds=stop_seconds,
        securityContext=_make_security_context(workload.user),
        containers=[container],
        volumes=[_make_data_volume(workload), _TEMPORARY],
    )
    return {"metadata": {"labels": workload.make_labels(component)}, "spec": spec}


def make_resources(limits: Limits, path: str = "model.yaml") -> Dict[str, Any]:
    """Return the resources of a pod: its limits are its requests.

    So a node never has less than the model needs, and the pod is among the last that it
    evicts (the class `Guaranteed`).

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
    amounts = {"cpu": format_cpus(cpus), "memory": format_memory(memory)}
    if limits.gpus:
        amounts["nvidia.com/gpu"] = str(limits.gpus)
    return {"requests": amounts, "limits": amounts}


def count_stop_seconds(limits: Limits) -> int:
    """Return the seconds in which a run that has just begun and its process can end."""
    return math.ceil(limits.run_timeout) + STOP_SECONDS


def _require(amount: Optional[Amount], path: str, key: str) -> Amount:
    if amount is None:
        raise ValueError(f"{path} has no {key}, which the manifests need: add it")
    return amount


def _make_security_context(user: ImageUser) -> Dict[str, Any]:
    context: Dict[str, Any] = {"runAsNonRoot": user.user != 0, "runAsUser": user.user}
    if user.group is not None:
        context["runAsGroup"] = user.group
    if user.user != 0:
        # fsGroup lets the user write to the volumes; on a large volume, the owners of
        # all files are changed the first time only
        context["fsGroup"] = user.user if user.group is None else user.group
        context["fsGroupChangePolicy"] = "OnRootMismatch"
    context["seccompProfile"] = {"type": "RuntimeDefault"}
    return context


def _make_data_volume(workload: Workload) -> Dict[str, Any]:
    if workload.claim is None:
        return {"name": "data", "emptyDir": {}}
    return {"name": "data", "persistentVolumeClaim": {"claimName": workload.claim}}
