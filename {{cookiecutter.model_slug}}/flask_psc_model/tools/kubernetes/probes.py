"""The probes: whether a server has started, is ready, and is alive.

All three poll `GET /status`, the only route of the container specification that changes
nothing. A status from 200 to 399 passes; any other, or none in time, fails:
https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#container-probes. A
probe that takes longer than its period delays the next one.

The server answers all of them alike:

- 200 at once while the model is loaded, also during a run of any length;
- nothing while it loads, at the start or after a crash or a time limit; then 200 once it
  is loaded, or 500 when `timeout.status` is over;
- 500 at once if it could not be loaded, until the next attempt.
"""

import math
from typing import Any, Dict

from ...model.spec import Limits

#: The name of the server's port in the pod.
PORT = "http"

#: Seconds until the server listens on a busy node.
START_SECONDS = 30

#: Probes within `timeout.status`. Each one that times out leaves a thread of the server
#: waiting until then; of its 256 threads, up to 128 belong to waiting jobs.
MAX_WAITING_PROBES = 30

#: Seconds that a response may take beyond the loading of the model.
RESPONSE_SECONDS = 5


def make_startup_probe(limits: Limits) -> Dict[str, Any]:
    """Return the probe that the other two wait for.

    It allows `timeout.status` to load the model, after `START_SECONDS` for the server.
    Each probe waits for a whole period, so the pod has started as soon as the model is
    loaded, and a model that fails at once gets as much time as one that loads too long.
    Then Kubernetes restarts the container, after a growing pause, and `kubectl get pods`
    shows it.
    """
    period = _share(limits, at_least=2)
    seconds = limits.status_timeout + START_SECONDS
    return _poll_status(period, period, math.ceil(seconds / period))


def make_readiness_probe(limits: Limits) -> Dict[str, Any]:
    """Return the probe that decides whether the Service sends requests to the pod.

    A run does not make it fail. While a model is reloaded, after a crash or a time
    limit, requests go to the other pods once three probes in a row have timed out; a
    model that is back before that keeps its requests.
    """
    period = _share(limits, at_least=5)
    return _poll_status(period, period, 3)


def make_liveness_probe(limits: Limits) -> Dict[str, Any]:
    """Return the probe whose failure restarts the container.

    Neither a run nor reloading the model makes it fail: it waits as long as the server
    itself waits for the model. It fails if no web process answers, or if the model could
    not be loaded three times in a row. No running job is lost then, and a new container
    does what the server cannot: it ends whatever holds the memory of a GPU, and gets the
    devices again.
    """
    timeout = math.ceil(limits.status_timeout) + RESPONSE_SECONDS
    return _poll_status(30, timeout, 3)


def _share(limits: Limits, at_least: int) -> int:
    return max(at_least, math.ceil(limits.status_timeout / MAX_WAITING_PROBES))


def _poll_status(period: int, timeout: int, failures: int) -> Dict[str, Any]:
    return {
        "httpGet": {"path": "/status", "port": PORT},
        "periodSeconds": period,
        "timeoutSeconds": timeout,
        "failureThreshold": failures,
    }
