"""The HorizontalPodAutoscaler: more pods under load."""

from typing import Any, Dict

from .deployment import COMPONENT
from .workload import Workload

#: The percentage of their CPUs that the pods should use.
CPU_USE = 60


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
