"""The response object of the container specification."""

from flask import Response, jsonify
from werkzeug.http import HTTP_STATUS_CODES


def respond(status_code: int, message: str) -> Response:
    """Build the response object: `statusCode`, `status` and `message`.

    Args:
        status_code: an HTTP status.
        message: the text for the client; where it is blank the status's own phrase
            takes its place, since an answer should always say something.
    """
    status = HTTP_STATUS_CODES.get(status_code, "Unknown")
    response = jsonify(
        statusCode=status_code,
        status=status,
        message=message.strip() or status,
    )
    response.status_code = status_code
    return response
