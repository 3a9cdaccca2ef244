"""The HorizontalPodAutoscaler: more pods while they have much to do."""

from typing import Any, Dict

from .deployment import COMPONENT
from .workload import Workload

#: The share of their processors, in per cent, that the pods should have in use.
CPU_USE = 60


def make_autoscaler(
    workload: Workload, replicas: int, max_replicas: int
) -> Dict[str, Any]:
    """Return the HorizontalPodAutoscaler.

    A pod runs one job at a time, and the next ones wait: so the share of the processors
    that is in use says for how much of the time the pods run jobs. Well below all of it
    there is room for jobs that come at the same moment.

    Args:
        workload: what runs.
        replicas: the least number of pods, which is kept without any metrics, too.
        max_replicas: the greatest number of pods.
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
