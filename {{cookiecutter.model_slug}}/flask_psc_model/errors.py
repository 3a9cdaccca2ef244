"""What can go wrong with a job, by kind, and the HTTP status of each kind.

The runtime speaks of kinds; the server and `errors.jsonl` look up the status. The
statuses are those of the container specification's "HTTP API Specification".
"""

import sys
from typing import NoReturn

DONE = "done"
FAILED = "failed"
INVALID_INPUT = "invalid_input"
INVALID_JOB = "invalid_job"
NOT_LOADED = "not_loaded"
NOT_STARTED = "not_started"

#: Why a job failed or was not started; for the metrics. Other kinds say it themselves.
MODEL_ERROR = "model_error"
CRASH = "crash"
TIME_LIMIT = "time_limit"
RECYCLED = "recycled"
BUSY = "busy"
SHUTDOWN = "shutdown"
CLIENT_GONE = "client_gone"
SERVER_ERROR = "server_error"

#: The HTTP status of each kind.
STATUS_CODES = {
    DONE: 200,
    INVALID_JOB: 400,
    "foreign_page": 403,
    "request_timeout": 408,
    "length_required": 411,
    "job_too_large": 413,
    "not_json": 415,
    INVALID_INPUT: 422,
    FAILED: 500,
    NOT_LOADED: 500,
    # an addition to the specification: another server may run the job
    NOT_STARTED: 503,
}

#: All kinds.
KINDS = frozenset(STATUS_CODES)


class ApiError(Exception):
    """An error that becomes a response object.

    Attributes:
        message: the text for the client.
        kind: of the failure, a key of `STATUS_CODES`.
    """

    kind = FAILED

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidJob(ApiError):
    """The job is malformed, or its files cannot be found, read or written."""

    kind = INVALID_JOB


class ForeignPage(ApiError):
    """A browser sends a request for a page that is not this server's own."""

    kind = "foreign_page"


class RequestTimeout(ApiError):
    """The client stopped sending in the middle of a request."""

    kind = "request_timeout"


class LengthRequired(ApiError):
    """The request has no Content-Length."""

    kind = "length_required"


class JobTooLarge(ApiError):
    """The body is larger than any job configuration, or its files, can be."""

    kind = "job_too_large"


class NotJson(ApiError):
    """The body is not JSON, and its content type is not JSON."""

    kind = "not_json"


class InvalidInput(ApiError):
    """The model rejected the content of an input file."""

    kind = INVALID_INPUT


class ModelFailed(ApiError):
    """The model failed while it ran."""


class ModelNotLoaded(ApiError):
    """The model could not be loaded."""

    kind = NOT_LOADED


def get_message(error: BaseException) -> str:
    """Return the message of an exception, whatever its own `__str__` does."""
    try:
        # of a class of their own, texts may do anything, too
        return str.strip(str(error))
    except BaseException as fault:
        name = type(error).__name__
        return f"its text cannot be made: {name}.__str__ raised {type(fault).__name__}"


def exit_with_error(error: object, code: int = 1) -> NoReturn:
    """Print an error on one line, and exit.

    Args:
        error: what went wrong.
        code: the exit status.
    """
    print("error: " + " ".join(str(error).split()), file=sys.stderr, flush=True)
    sys.exit(code)
