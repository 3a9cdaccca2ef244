"""The response object of the container specification."""

import json

from flask import Response
from werkzeug.http import HTTP_STATUS_CODES

from ..errors import DONE, FAILED, MODEL_ERROR, STATUS_CODES


class MessageResponse(Response):
    """The response object: `statusCode`, `status` and `message`.

    Attributes:
        message: the text for the client.
        reason: of a failure, for the metrics; otherwise empty.
    """

    reason = ""

    def __init__(self, status_code: int, message: str) -> None:
        """Build the response.

        Args:
            status_code: an HTTP status.
            message: the text for the client; the phrase of the status replaces a
                blank one.
        """
        status = HTTP_STATUS_CODES.get(status_code, "Unknown")
        self.message = message.strip() or status
        content = {
            "statusCode": status_code,
            "status": status,
            "message": self.message,
        }
        super().__init__(
            json.dumps(content) + "\n", status_code, content_type="application/json"
        )

    @classmethod
    def of_kind(cls, kind: str, message: str) -> "MessageResponse":
        """Build the response with the status of a kind; see `errors.STATUS_CODES`."""
        response = cls(STATUS_CODES[kind], message)
        if kind != DONE:
            response.reason = MODEL_ERROR if kind == FAILED else kind
        return response
