"""The three routes of the container specification, and errors as JSON."""

import logging

from flask import Blueprint, Response, current_app, request
from werkzeug.exceptions import HTTPException

from .errors import ApiError, JobTooLarge
from .job import Job
from .loading import describe, import_object
from .responses import respond
from .runner import Runner

MAX_JOB_BYTES = 1024 * 1024

api = Blueprint("psc_model", __name__)
log = logging.getLogger(__name__)


@api.route("/status", methods=["GET"], provide_automatic_options=False)
def status() -> Response:
    """Answer 200 when the model is loaded and ready, 500 when it cannot be loaded."""
    _runner().load()
    return respond(200, "the model is ready")


@api.route("/run", methods=["POST"], provide_automatic_options=False)
def run() -> Response:
    """Run one job: read the input folder, write the output folder."""
    job = Job.parse(_read_body(), request.is_json)
    log.info("running the job %s -> %s", job.input_folder, job.output_folder)
    _runner().run(job)
    return respond(200, "the outputs are in {}".format(job.output_folder))


@api.route("/shutdown", methods=["POST"], provide_automatic_options=False)
def shutdown() -> Response:
    """Ask the server to stop; it exits with code 0 once the running job is done."""
    function = current_app.config["PSC_SHUTDOWN_FUNCTION"]
    if isinstance(function, str):
        function = import_object(function)
    function()
    return respond(202, "the server is shutting down")


@api.app_errorhandler(ApiError)
def answer_api_error(error: ApiError) -> Response:
    """Answer an error of the job or the model with its own status."""
    log.log(
        logging.ERROR if error.status_code >= 500 else logging.WARNING,
        "%s: %s",
        error.status_code,
        error.message,
        exc_info=error.__cause__ if error.status_code >= 500 else None,
    )
    return respond(error.status_code, error.message)


@api.app_errorhandler(HTTPException)
def answer_http_error(error: HTTPException) -> Response:
    """Answer what Flask itself refuses, such as an unknown route, as JSON."""
    code = error.code or 500
    message = "{} {}: {}".format(request.method, request.path, error.description)
    log.warning("%s: %s", code, message)
    response = respond(code, message)
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


@api.app_errorhandler(Exception)
def answer_unexpected_error(error: Exception) -> Response:
    """Answer anything else with 500; its traceback goes to the log."""
    log.error("500: unexpected error", exc_info=error)
    return respond(500, "unexpected error: {}".format(describe(error)))


def _runner() -> Runner:
    runner = current_app.extensions["psc_model"]
    assert isinstance(runner, Runner)
    return runner


def _read_body() -> bytes:
    if (request.content_length or 0) <= MAX_JOB_BYTES:
        body = request.stream.read(MAX_JOB_BYTES + 1)
        if len(body) <= MAX_JOB_BYTES:
            return body
    raise JobTooLarge(
        "the body of the request is larger than {} bytes; a job holds only the paths of"
        " two folders".format(MAX_JOB_BYTES)
    )
