"""What came of a request."""

from typing import NamedTuple

from ..errors import DONE, ApiError

#: A longer message says nothing more to a person.
MAX_MESSAGE = 10000


class Outcome(NamedTuple):
    """A kind, of `errors.STATUS_CODES`, and the message for the client."""

    kind: str
    message: str

    @classmethod
    def of(cls, error: ApiError) -> "Outcome":
        """Return the outcome that an error stands for."""
        return cls(error.kind, error.message[:MAX_MESSAGE])

    @property
    def ok(self) -> bool:
        """Return whether all went well."""
        return self.kind == DONE


READY = Outcome(DONE, "the model is ready")
