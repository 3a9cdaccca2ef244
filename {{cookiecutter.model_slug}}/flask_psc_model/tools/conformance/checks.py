"""All checks, in the order in which they are made."""

from typing import Callable, Iterable, Iterator, List, NamedTuple, Optional, Sequence

from . import container_checks, server_checks
from .finding import Finding
from .server_under_test import ServerUnderTest

#: The sections of the specification, as the README of a repository calls them.
CONTAINER = "Docker container specification"
RESPONSE = "HTTP API specification: response object"
STATUS = "HTTP API specification: status"
RUN = "HTTP API specification: run"
SHUTDOWN = "HTTP API specification: shutdown"
#: No section requires it: a good server does it all the same.
BEST_PRACTICE = "best practice"


class Check(NamedTuple):
    """One thing to check.

    Attributes:
        name: by which `--only` chooses it.
        section: of the specification.
        summary: what it checks, in a line.
        find: yields what it finds; None where starting the container shows it.
        options: of `docker run`, for a check that needs a container of its own.
        needs_container: whether a running server is not enough.
        is_recommendation: the specification does not require it.
    """

    name: str
    section: str
    summary: str
    find: Optional[Callable[[ServerUnderTest], Iterator[Finding]]] = None
    options: Optional[Sequence[str]] = None
    needs_container: bool = False
    is_recommendation: bool = False


#: What starting the container shows.
COMMAND = Check(
    "command",
    CONTAINER,
    "the container runs with no command argument",
    needs_container=True,
)
PORT = Check(
    "port",
    CONTAINER,
    "the server listens on the port of PSC_MODEL_PORT",
    needs_container=True,
)
STATUS_CHECK = Check(
    "status", STATUS, "/status answers 200 within model.yaml's timeout.status"
)

CHECKS = (
    COMMAND,
    PORT,
    STATUS_CHECK,
    Check(
        "exec-form",
        CONTAINER,
        "the image's CMD is in exec form",
        container_checks.check_exec_form,
        needs_container=True,
        is_recommendation=True,
    ),
    Check(
        "non-root",
        BEST_PRACTICE,
        "the image's user is not root",
        container_checks.check_user,
        needs_container=True,
        is_recommendation=True,
    ),
    Check(
        "examples",
        RUN,
        "every example case gives its expected outputs",
        server_checks.check_examples,
    ),
    Check(
        "validation-errors",
        RUN,
        "every validation-error case gets 422 and its message",
        server_checks.check_refusals,
    ),
    Check(
        "malformed-jobs",
        RUN,
        "a malformed job gets 400",
        server_checks.check_malformed_jobs,
    ),
    Check(
        "media-type",
        RUN,
        "a body that is not JSON gets 415",
        server_checks.check_media_type,
    ),
    Check(
        "missing-input",
        RUN,
        "a job with a missing input gets 400",
        server_checks.check_missing_input,
    ),
    Check(
        "response-object",
        RESPONSE,
        "every route answers with the response object",
        server_checks.check_response_object,
    ),
    Check(
        "fresh-output",
        RUN,
        "an old file is never taken for a job's output",
        server_checks.check_fresh_output,
    ),
    Check(
        "same-job-twice",
        RUN,
        "the same job runs twice, with the same outputs",
        server_checks.check_same_job_twice,
    ),
    Check(
        "parallel-jobs",
        BEST_PRACTICE,
        "jobs sent at the same time all run",
        server_checks.check_parallel_jobs,
        is_recommendation=True,
    ),
    Check(
        "shutdown",
        SHUTDOWN,
        "/shutdown answers 202 and the container exits with 0",
        container_checks.check_shutdown,
        needs_container=True,
    ),
    Check(
        "status-during-run",
        BEST_PRACTICE,
        "/status answers while a job runs",
        container_checks.check_status_during_run,
        options=(),
        is_recommendation=True,
    ),
    Check(
        "sigterm",
        BEST_PRACTICE,
        "the container exits with 0 on SIGTERM",
        container_checks.check_sigterm,
        options=(),
        needs_container=True,
        is_recommendation=True,
    ),
    Check(
        "read-only",
        BEST_PRACTICE,
        "a job runs with a read-only root and a writable /tmp",
        container_checks.check_one_job,
        options=("--read-only", "--tmpfs", "/tmp"),
        needs_container=True,
        is_recommendation=True,
    ),
    Check(
        "no-shared-memory",
        BEST_PRACTICE,
        "a job runs without shared memory (--ipc=none)",
        container_checks.check_one_job,
        options=("--ipc", "none"),
        needs_container=True,
        is_recommendation=True,
    ),
)


def choose_checks(names: Iterable[str]) -> List[Check]:
    """Return the checks of some names, in their own order; all if none is named.

    Raises:
        ValueError: there is no check of a name.
    """
    chosen = set(names)
    known = [check.name for check in CHECKS]
    unknown = sorted(chosen - set(known))
    if unknown:
        raise ValueError(
            f"there is no check {' and no check '.join(unknown)}; there are:"
            f" {', '.join(known)}"
        )
    return [check for check in CHECKS if not chosen or check.name in chosen]
