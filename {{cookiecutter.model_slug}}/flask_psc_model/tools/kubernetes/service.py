"""The Service: one address for all pods of the server."""

from typing import Any, Dict

from .deployment import COMPONENT
from .probes import PORT
from .workload import Workload


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
