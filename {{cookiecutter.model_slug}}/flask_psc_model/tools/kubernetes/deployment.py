"""The objects that serve a model: Deployment, Service, autoscaler, disruption budget."""

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

#: The percentage of their CPUs that the pods should use.
CPU_USE = 60


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
    strategy = {}
    if limits.gpus:
        # a new pod needs the GPU of an old one
        rolling = {"maxSurge": 0, "maxUnavailable": 1}
        strategy = {"strategy": {"type": "RollingUpdate", "rollingUpdate": rolling}}
    stop_seconds = LEAVING_SECONDS + count_stop_seconds(limits)
    start_seconds = START_SECONDS + math.ceil(limits.status_timeout)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": workload.make_metadata(COMPONENT),
        "spec": {
            "progressDeadlineSeconds": PROGRESS_SECONDS + start_seconds,
            **strategy,
            "selector": {"matchLabels": workload.make_selector(COMPONENT)},
            "template": make_pod_template(workload, COMPONENT, running, stop_seconds),
        },
    }


def make_service(workload: Workload, port: int) -> Dict[str, Any]:
    """Return the Service, which only the cluster can reach.

    Args:
        workload: what runs.
        port: that the Service listens on.
    """
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": workload.make_metadata(COMPONENT),
        "spec": {
            "type": "ClusterIP",
            "selector": workload.make_selector(COMPONENT),
            "ports": [{"name": PORT, "port": port, "targetPort": PORT}],
        },
    }


def make_autoscaler(
    workload: Workload, replicas: int, max_replicas: int
) -> Dict[str, Any]:
    """Return the HorizontalPodAutoscaler.

    A pod runs one job at a time while others wait, so its CPU use shows for how much of
    the time it runs jobs. A target well below 100 % leaves room for simultaneous jobs.

    Args:
        workload: what runs.
        replicas: the minimum number of pods, kept without any metrics, too.
        max_replicas: the maximum number of pods.
    """
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": workload.make_metadata(COMPONENT),
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "name": workload.name,
            },
            "minReplicas": replicas,
            "maxReplicas": max_replicas,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {
                        "name": "cpu",
                        "target": {
                            "type": "Utilization",
                            "averageUtilization": CPU_USE,
                        },
                    },
                }
            ],
        },
    }


def make_disruption_budget(workload: Workload) -> Dict[str, Any]:
    """Return the PodDisruptionBudget.

    Draining a node evicts one pod at a time. With a minimum of available pods instead, a
    node with the only pod could never be drained. A pod that is not ready does no work,
    and may be evicted at any time.

    Args:
        workload: what runs.
    """
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": workload.make_metadata(COMPONENT),
        "spec": {
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": workload.make_selector(COMPONENT)},
        },
    }
