"""What became of a job."""

from typing import NamedTuple, Optional

from ..errors import DONE, FAILED, MODEL_ERROR, NOT_LOADED, NOT_STARTED, ApiError
from .outputs import Staged

#: Bytes of a message: a longer one says nothing more to a person.
MAX_MESSAGE = 10000


class JobResult(NamedTuple):
    """How a job, or the loading of the model, ended.

    Attributes:
        kind: a key of `errors.STATUS_CODES`.
        message: for the client.
        staged: the outputs, which whoever answers has still to commit.
        condemns: whether the process that ran the job can run no other one.
        reason: of a failure, where the kind does not say it; see `errors`.
        process: id of the process that ran the job; 0 where none did.
        batch_jobs: jobs of the batch that it was computed in; 0 where there was none.
        batch_seconds: that this batch took.
    """

    kind: str
    message: str
    staged: Optional[Staged] = None
    condemns: bool = False
    reason: str = ""
    process: int = 0
    batch_jobs: int = 0
    batch_seconds: float = 0.0

    @classmethod
    def of(cls, error: ApiError) -> "JobResult":
        """Return the result that an error stands for."""
        return cls(error.kind, cut(error.message))

    @property
    def ok(self) -> bool:
        """Whether all went well."""
        return self.kind == DONE


def cut(message: str) -> str:
    """Return a message of at most `MAX_MESSAGE` bytes."""
    data = message.encode("utf-8", "surrogatepass")
    is_long = len(data) > MAX_MESSAGE
    return data[:MAX_MESSAGE].decode("utf-8", "ignore") if is_long else message


def failed(message: str, reason: str = MODEL_ERROR) -> JobResult:
    """Return the result of a job that broke the model."""
    return JobResult(FAILED, cut(message), reason=reason)


def not_loaded(message: str) -> JobResult:
    """Return the result where the model cannot be loaded."""
    return JobResult(NOT_LOADED, cut(message))


def not_started(message: str, reason: str) -> JobResult:
    """Return the result of a job that no model has seen."""
    return JobResult(NOT_STARTED, cut(message), reason=reason)


READY = JobResult(DONE, "the model is ready")
