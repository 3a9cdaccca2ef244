"""How Kubernetes finds out whether a server has started, is ready, and is alive.

All three ask `GET /status`, the one route of the container specification that changes
nothing. An answer from 200 to 399 passes; any other, or none in time, fails:
https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#container-probes. A
probe that takes longer than its period delays the next one.

What the server answers is the same for all of them:

- 200 at once while the model is loaded, also during a run, however long that takes;
- nothing while it loads, at the start and again after a crash or a time limit, until it
  is loaded or `timeout.status` is over; then 200 or 500;
- 500 at once when it could not be loaded, until the next attempt.
"""

import math
from typing import Any, Dict

from ...model.spec import Limits

#: The name of the port in the pod that is asked.
PORT = "http"

#: Seconds until the server listens, on a node that has much to do.
START_SECONDS = 30

#: Probes within `timeout.status`. One that is given up leaves a thread of the server
#: waiting until then: the server has 256, and up to 128 belong to jobs that wait.
MAX_WAITING_PROBES = 30

#: Seconds that an answer may take beyond the loading of the model.
ANSWER_SECONDS = 5


def make_startup_probe(limits: Limits) -> Dict[str, Any]:
    """Return the probe that the other two wait for.

    It allows `timeout.status` for the model to be loaded, and `START_SECONDS` for the
    server before that. Each probe waits for a whole period, so that the pod has started
    at the moment when the model is loaded, and so that loading that takes too long and
    loading that fails at once are given up after the same time. Then the container is
    started anew, after a pause that grows, and `kubectl get pods` shows it.
    """
    period = _share(limits, at_least=2)
    seconds = limits.status_timeout + START_SECONDS
    return _ask_status(period, period, math.ceil(seconds / period))


def make_readiness_probe(limits: Limits) -> Dict[str, Any]:
    """Return the probe that decides whether the Service sends requests to the pod.

    A run does not make it fail. While a model loads once more, after a crash or a time
    limit, the requests go to the other pods, as soon as three probes in a row have
    waited in vain: a model that is back before that stays where it is.
    """
    period = _share(limits, at_least=5)
    return _ask_status(period, period, 3)


def make_liveness_probe(limits: Limits) -> Dict[str, Any]:
    """Return the probe whose failure starts the container anew.

    A run does not make it fail, and loading the model once more does not either: it
    waits for as long as the server itself waits for the model. So it fails where no web
    process answers, or where the model could not be loaded three times in a row. No job
    runs then that would be lost, and a new container is the one remedy that the server
    does not have: it ends what holds the memory of a GPU, and gets the devices again.
    """
    timeout = math.ceil(limits.status_timeout) + ANSWER_SECONDS
    return _ask_status(30, timeout, 3)


def _share(limits: Limits, at_least: int) -> int:
    return max(at_least, math.ceil(limits.status_timeout / MAX_WAITING_PROBES))


def _ask_status(period: int, timeout: int, failures: int) -> Dict[str, Any]:
    return {
        "httpGet": {"path": "/status", "port": PORT},
        "periodSeconds": period,
        "timeoutSeconds": timeout,
        "failureThreshold": failures,
    }
