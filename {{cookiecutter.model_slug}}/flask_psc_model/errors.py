"""What can go wrong with a job, and the HTTP status that tells a client so.

The statuses are those of the container specification's "HTTP API Specification".
"""


class ApiError(Exception):
    """An error that is answered with the response object.

    Attributes:
        message: the text for the client.
        status_code: the HTTP status.
    """

    status_code = 500

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidJob(ApiError):
    """The job is malformed, or its files cannot be found, read or written: 400."""

    status_code = 400


class ForeignPage(ApiError):
    """A page of another server asks for what only this server's page may: 403."""

    status_code = 403


class RequestTimeout(ApiError):
    """The client stopped sending in the middle of a request: 408."""

    status_code = 408


class LengthRequired(ApiError):
    """The request does not say how long its body is: 411."""

    status_code = 411


class JobTooLarge(ApiError):
    """The body is larger than any job configuration, or its files, can be: 413."""

    status_code = 413


class NotJson(ApiError):
    """The body is not JSON and does not claim to be: 415."""

    status_code = 415


class InvalidInput(ApiError):
    """The model refused the content of an input file: 422."""

    status_code = 422


class ModelFailed(ApiError):
    """The model broke while it ran: 500."""


class ModelNotLoaded(ApiError):
    """The model could not be loaded: 500."""
