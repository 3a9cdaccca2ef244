"""The routes of the API, `/metrics`, `/openapi.json`, and errors as JSON."""

import contextlib
import logging
import math
import time
from functools import partial
from typing import Dict

from flask import Blueprint, Response, current_app, g, jsonify, request
from werkzeug.exceptions import ClientDisconnected, HTTPException

from ..errors import (
    FAILED,
    SERVER_ERROR,
    ApiError,
    ForeignPage,
    JobTooLarge,
    RequestTimeout,
)
from ..logs import set_request_id
from ..model.loading import describe, import_object
from ..model.spec import ModelSpec
from ..version import __version__
from ..workers.runner import Runner
from .browsers import check_browser
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
    if current_app.extensions.get("psc_status") != result[:2]:
        current_app.extensions["psc_status"] = result[:2]
        log.info("flask_psc_model %s: %s", __version__, result.message)
    response = MessageResponse.of_kind(result.kind, result.message)
    response.headers["X-PSC-Version"] = __version__
    return response


@api.route("/run", methods=["POST"], provide_automatic_options=False)
def run() -> Response:
    """Run one job: read the input folder, write the output folder."""
    g.job = job = parse_job(_read_body(), request.is_json)
    is_gone = partial(has_left, get_socket(request.environ))
    g.result = result = _runner().run(job, is_gone)
    response = MessageResponse.of_kind(result.kind, result.message)
    response.reason = response.reason and result.reason or response.reason
    return response


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

    accept = request.headers.get("Accept", "")
    text, content_type = write_stats(_runner(), _find_spec(), accept)
    return Response(text, content_type=content_type)


@api.route("/openapi.json", methods=["GET"], provide_automatic_options=False)
def openapi() -> Response:
    """Return the OpenAPI document of the API."""
    return jsonify(describe_api(_find_spec()))


@api.before_app_request
def begin_request() -> None:
    """Set the request's id, for the log and the client."""
    headers = request.headers
    g.request_id = set_request_id(
        headers.get("X-Request-ID"), headers.get("traceparent", "")
    )
    g.started = time.monotonic()


@api.before_app_request
def refuse_foreign_pages() -> None:
    """Refuse what a browser sends for a page of another server."""
    try:
        check_browser(current_app, request)
    except ForeignPage:
        # a client that still sends may find its connection reset, and no answer
        with contextlib.suppress(ApiError):
            _read_body()
        raise


@api.after_app_request
def end_request(response: Response) -> Response:
    """Log the response and return the request's id in a header."""
    response.headers["X-Request-ID"] = g.request_id
    code = response.status_code
    if code == 503:
        seconds = math.ceil(_runner().estimate_wait())
        response.headers["Retry-After"] = str(min(max(seconds, 1), LONGEST_WAIT))
    if request.endpoint == "psc_model.run":
        _runner().stats.jobs.add((str(code), getattr(response, "reason", "")))
    if code >= 400:
        level = logging.ERROR if code >= 500 else logging.WARNING
    else:
        level = logging.DEBUG if request.path in POLLED else logging.INFO
    if log.isEnabledFor(level):
        _log_response(level, response)
    return response


def _log_response(level: int, response: Response) -> None:
    seconds = time.monotonic() - g.started
    fields: Dict[str, object] = {
        "method": request.method,
        "route": request.path,
        "status": response.status_code,
        "duration": round(seconds, 6),
    }
    details = ""
    if "job" in g:
        fields["input"], fields["output"] = g.job.input_folder, g.job.output_folder
        details = f": {g.job.input_folder} -> {g.job.output_folder}"
    if "result" in g and g.result.process:
        fields["model_process"] = g.result.process
        details = f" in process {g.result.process}{details}"
    log.log(
        level,
        "%s %s: %s after %.3f s%s: %s",
        request.method,
        request.path,
        response.status_code,
        seconds,
        details,
        getattr(response, "message", ""),
        extra={"fields": fields},
    )


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
    response = MessageResponse.of_kind(FAILED, f"unexpected error: {describe(error)}")
    response.reason = SERVER_ERROR
    return response


def _runner() -> Runner:
    runner = current_app.extensions["psc_model"]
    assert isinstance(runner, Runner)
    return runner


def _find_spec() -> ModelSpec:
    factory = current_app.config["PSC_MODEL_FACTORY"]
    return ModelSpec.of_model(factory, strict=False)


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
