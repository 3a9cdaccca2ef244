"""A bare WSGI app with the model inside the web process: what Gunicorn does by itself."""

import json
from collections.abc import Callable
from typing import Any

from hosted_model import DONE, READY, HostedModel

model = HostedModel()


def app(environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], object]) -> list[bytes]:
    """Answer `GET /status` and `POST /run`.

    Args:
        environ: the request, as PEP 3333 describes it.
        start_response: takes the status line and the headers.

    Returns:
        The body.
    """
    route = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    status, answer = "200 OK", READY
    if route == ("POST", "/run"):
        job = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        model.run(job["input"], job["output"])
        answer = DONE
    elif route != ("GET", "/status"):
        status, answer = "404 Not Found", {"statusCode": 404, "status": "Not Found", "message": "unknown route"}
    body = json.dumps(answer).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
