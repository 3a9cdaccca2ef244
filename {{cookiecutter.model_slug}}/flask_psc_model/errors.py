"""What can go wrong with a job, by kind, and the HTTP status of each kind.

The runtime speaks of kinds; the server and `errors.jsonl` look up the status. The
statuses are those of the container specification's "HTTP API Specification".
"""

DONE = "done"
FAILED = "failed"
INVALID_INPUT = "invalid_input"
NOT_LOADED = "not_loaded"
NOT_STARTED = "not_started"

#: The HTTP status of each kind.
STATUS_CODES = {
    DONE: 200,
    "invalid_job": 400,
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

    kind = "invalid_job"


class ForeignPage(ApiError):
    """The page of another server requests what only this server's page may request."""

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
