"""The PodDisruptionBudget: how many pods may be taken away at once."""

from typing import Any, Dict

from .deployment import COMPONENT
from .workload import Workload


def make_disruption_budget(workload: Workload) -> Dict[str, Any]:
    """Return the PodDisruptionBudget.

    A node that is emptied takes one pod at a time. A number of pods that have to stay
    would be no better, and with a single pod the node could never be emptied. A pod
    that is not ready does no work, and may go at any time.

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
