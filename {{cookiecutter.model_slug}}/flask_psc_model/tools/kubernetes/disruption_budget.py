"""The PodDisruptionBudget: how many pods may be evicted at once."""

from typing import Any, Dict

from .deployment import COMPONENT
from .workload import Workload


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
