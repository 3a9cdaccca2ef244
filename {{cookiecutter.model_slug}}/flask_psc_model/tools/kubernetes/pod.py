"""The pods: what they run, what they may use, and what is taken from them."""

import math
from typing import Any, Dict, Optional, TypeVar

from ...model.spec import Limits
from ..containers.engine import MOUNT_POINT
from .quantities import format_cpus, format_memory
from .workload import Workload

#: The user and the group that the image runs as, by its Dockerfile.
USER = 1000

#: Seconds beyond `timeout.run` in which a server or a bulk run ends: Gunicorn gives its
#: processes 5 of them (`graceful_timeout` in `gunicorn.conf.py`).
STOP_SECONDS = 10

Amount = TypeVar("Amount", int, float)


def make_pod_template(
    workload: Workload,
    component: str,
    running: Dict[str, Any],
    stop_seconds: int,
    **policy: Any,
) -> Dict[str, Any]:
    """Return the template of the pods of a component.

    The pods need no more than the container does: no root, no capability, no change of
    the image's files. That is the profile `restricted` of the Pod Security Standards.
    The server's temporary files, Gunicorn's among them, are in `/tmp`, so that nothing
    is needed of `/dev/shm`.

    No Service of the cluster becomes a variable: one named `psc-model` would set
    `PSC_MODEL_PORT`, to `tcp://` and an address.

    Args:
        workload: what is to run.
        component: what the pods belong to.
        running: the part of the container that says what it runs.
        stop_seconds: from the request to stop to the kill.
        policy: more of the pods' `spec`, such as `restartPolicy`.
    """
    container: Dict[str, Any] = {"name": "model", "image": workload.image}
    container.update(running)
    container.update(
        resources=make_resources(workload.limits),
        volumeMounts=[
            {"name": "data", "mountPath": MOUNT_POINT},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
        securityContext={
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    )
    spec = dict(
        policy,
        automountServiceAccountToken=False,
        enableServiceLinks=False,
        terminationGracePeriodSeconds=stop_seconds,
        securityContext=_make_security_context(),
        containers=[container],
        volumes=[_make_data_volume(workload), {"name": "tmp", "emptyDir": {}}],
    )
    return {"metadata": {"labels": workload.make_labels(component)}, "spec": spec}


def make_resources(limits: Limits) -> Dict[str, Any]:
    """Return what a pod is given: what it asks for, and no more.

    So a node never has less than the model was measured to need, and the pod is among
    the last that it evicts (the class `Guaranteed`).

    Raises:
        ValueError: `model.yaml` does not say what the model needs.
    """
    amounts = {
        "cpu": format_cpus(_require(limits.cpus, "resources.cpu.count")),
        "memory": format_memory(_require(limits.memory, "resources.memory.size")),
    }
    if limits.gpus:
        amounts["nvidia.com/gpu"] = str(limits.gpus)
    return {"requests": amounts, "limits": amounts}


def count_stop_seconds(limits: Limits) -> int:
    """Return the seconds in which a run that has just begun can end, and its process."""
    return math.ceil(limits.run_timeout) + STOP_SECONDS


def _require(amount: Optional[Amount], key: str) -> Amount:
    if amount is None:
        raise ValueError(
            f"model.yaml has no {key}: Kubernetes has to know what a pod needs"
        )
    return amount


def _make_security_context() -> Dict[str, Any]:
    # as their group, the user may write to the volumes; on a large one the owners of
    # all files are changed the first time only
    return {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _make_data_volume(workload: Workload) -> Dict[str, Any]:
    if workload.claim is None:
        return {"name": "data", "emptyDir": {}}
    return {"name": "data", "persistentVolumeClaim": {"claimName": workload.claim}}
