"""The Deployment: pods with the model's server."""

import math
from typing import Any, Dict

from .pod import count_stop_seconds, make_pod_template
from .probes import (
    PORT,
    START_SECONDS,
    make_liveness_probe,
    make_readiness_probe,
    make_startup_probe,
)
from .workload import Workload

#: The label of the server's pods and of what belongs to them.
COMPONENT = "server"

#: Seconds until every node knows that a pod is going away. Gunicorn stops accepting
#: connections as soon as it gets the signal to stop, so the signal comes after them.
LEAVING_SECONDS = 5

#: Seconds without progress after which a rollout fails: Kubernetes' default, to which
#: the time to load the model is added.
PROGRESS_SECONDS = 600


def make_deployment(workload: Workload, port: int) -> Dict[str, Any]:
    """Return the Deployment.

    The number of pods is the autoscaler's: set here, it would be reset each time this
    is applied.

    Args:
        workload: what runs.
        port: that the server listens on.

    Raises:
        ValueError: `model.yaml` lacks a resource.
    """
    limits = workload.limits
    running = {
        "env": [{"name": "PSC_MODEL_PORT", "value": str(port)}],
        "ports": [{"name": PORT, "containerPort": port}],
        "startupProbe": make_startup_probe(limits),
        "readinessProbe": make_readiness_probe(limits),
        "livenessProbe": make_liveness_probe(limits),
        "lifecycle": {
            "preStop": {"exec": {"command": ["sleep", str(LEAVING_SECONDS)]}}
        },
    }
    stop_seconds = LEAVING_SECONDS + count_stop_seconds(limits)
    start_seconds = START_SECONDS + math.ceil(limits.status_timeout)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": workload.make_metadata(COMPONENT),
        "spec": {
            "progressDeadlineSeconds": PROGRESS_SECONDS + start_seconds,
            "selector": {"matchLabels": workload.make_selector(COMPONENT)},
            "template": make_pod_template(workload, COMPONENT, running, stop_seconds),
        },
    }
