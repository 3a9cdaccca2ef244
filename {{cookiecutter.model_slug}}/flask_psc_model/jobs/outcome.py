"""What came of a request."""

from typing import NamedTuple

from ..errors import ApiError

#: A longer message says nothing more to a person.
MAX_MESSAGE = 10000


class Outcome(NamedTuple):
    """An HTTP status and the message for the client."""

    status_code: int
    message: str

    @classmethod
    def of(cls, error: ApiError) -> "Outcome":
        """Return the outcome that an error stands for."""
        return cls(error.status_code, error.message[:MAX_MESSAGE])


READY = Outcome(200, "the model is ready")
