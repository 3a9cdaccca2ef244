"""The routes of the API, `/metrics`, `/openapi.json`, and errors as JSON."""

import logging
import math
import time
from functools import partial

from flask import Blueprint, Response, current_app, g, jsonify, request
from werkzeug.exceptions import ClientDisconnected, HTTPException

from ..errors import FAILED, ApiError, JobTooLarge, RequestTimeout
from ..logs import set_request_id
from ..model.loading import describe, import_object
from ..model.spec import ModelSpec
from ..version import __version__
from ..workers.runner import Runner
from .gunicorn.front import get_socket, has_left
from .job_request import parse_job
from .openapi import describe_api
from .responses import MessageResponse

MAX_JOB_BYTES = 1024 * 1024

#: A body that is too large is read up to this size before it is refused: many clients
#: read no response until they have sent everything.
MAX_DRAINED_BYTES = 256 * 1024 * 1024

#: Seconds after which a client whose job was not started may send it again, at most.
LONGEST_WAIT = 60

#: Polled routes: successes are logged at DEBUG.
POLLED = ("/status", "/metrics")

api = Blueprint("psc_model", __name__)
log = logging.getLogger(__name__)


@api.route("/status", methods=["GET"], provide_automatic_options=False)
def status() -> Response:
    """Return 200 when the model is loaded, 500 when it cannot be loaded."""
    result = _runner().load()
    # platforms poll this route: log changes only
    if current_app.extensions.get("psc_status") != result:
        current_app.extensions["psc_status"] = result
        log.info("flask_psc_model %s: %s", __version__, result.message)
    return MessageResponse.of_kind(result.kind, result.message)


@api.route("/run", methods=["POST"], provide_automatic_options=False)
def run() -> Response:
    """Run one job: read the input folder, write the output folder."""
    job = parse_job(_read_body(), request.is_json)
    result = _runner().run(job, partial(has_left, get_socket(request.environ)))
    return MessageResponse.of_kind(result.kind, result.message)


@api.route("/shutdown", methods=["POST"], provide_automatic_options=False)
def shutdown() -> Response:
    """Stop the server; it exits with code 0 after the running job."""
    function = current_app.config["PSC_SHUTDOWN_FUNCTION"]
    if isinstance(function, str):
        function = import_object(function)
    function()
    return MessageResponse(202, "the server is shutting down")


@api.route("/metrics", methods=["GET"], provide_automatic_options=False)
def metrics() -> Response:
    """Return the stats in the text format of Prometheus."""
    # imported here: it costs time and memory that other requests do not need
    from .prometheus import write_stats

    text, content_type = write_stats(_runner(), request.headers.get("Accept", ""))
    return Response(text, content_type=content_type)


@api.route("/openapi.json", methods=["GET"], provide_automatic_options=False)
def openapi() -> Response:
    """Return the OpenAPI document of the API."""
    factory = current_app.config["PSC_MODEL_FACTORY"]
    return jsonify(describe_api(ModelSpec.of_model(factory, strict=False)))


@api.before_app_request
def begin_request() -> None:
    """Set the request's id, for the log and the client."""
    g.request_id = set_request_id(request.headers.get("X-Request-ID"))
    g.started = time.monotonic()


@api.after_app_request
def end_request(response: Response) -> Response:
    """Log the response and return the request's id in a header."""
    response.headers["X-Request-ID"] = g.request_id
    code = response.status_code
    if code == 503:
        seconds = math.ceil(_runner().estimate_wait())
        response.headers["Retry-After"] = str(min(max(seconds, 1), LONGEST_WAIT))
    if request.endpoint == "psc_model.run":
        _runner().stats.jobs.add(str(code))
    if code >= 400:
        level = logging.ERROR if code >= 500 else logging.WARNING
    else:
        level = logging.DEBUG if request.path in POLLED else logging.INFO
    if log.isEnabledFor(level):
        log.log(
            level,
            "%s %s: %s after %.3f s: %s",
            request.method,
            request.path,
            code,
            time.monotonic() - g.started,
            getattr(response, "message", ""),
        )
    return response


@api.app_errorhandler(ApiError)
def answer_api_error(error: ApiError) -> Response:
    """Return an error of a job with its own status."""
    return MessageResponse.of_kind(error.kind, error.message)


@api.app_errorhandler(HTTPException)
def answer_http_error(error: HTTPException) -> Response:
    """Return Flask's own errors, such as an unknown route, as JSON."""
    response = MessageResponse(
        error.code or 500,
        f"{request.method} {request.path}: {error.description}",
    )
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


@api.app_errorhandler(Exception)
def answer_unexpected_error(error: Exception) -> Response:
    """Return 500 for any other error and log its traceback."""
    log.error("unexpected error", exc_info=error)
    return MessageResponse.of_kind(FAILED, f"unexpected error: {describe(error)}")


def _runner() -> Runner:
    runner = current_app.extensions["psc_model"]
    assert isinstance(runner, Runner)
    return runner


def _read_body() -> bytes:
    """Return the body of the request, a job.

    Raises:
        JobTooLarge: the body is larger than any job.
        RequestTimeout: the client stopped sending.
    """
    try:
        body = request.stream.read(MAX_JOB_BYTES + 1)
        drained = len(body)
        while drained > MAX_JOB_BYTES and drained < MAX_DRAINED_BYTES:
            chunk = request.stream.read(MAX_JOB_BYTES)
            if not chunk:
                break
            drained += len(chunk)
    # Gunicorn raises an OSError, too, when a chunked body breaks off
    except (OSError, ClientDisconnected) as error:
        raise RequestTimeout(
            "the body of the request did not arrive completely"
        ) from error
    if len(body) > MAX_JOB_BYTES:
        raise JobTooLarge(
            f"the body of the request is larger than {MAX_JOB_BYTES} bytes; a job holds"
            " only the paths of two folders"
        )
    return body
