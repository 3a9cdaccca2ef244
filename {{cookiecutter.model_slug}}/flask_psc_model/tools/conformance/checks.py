"""All checks, in the order in which they are made."""

from typing import Callable, Dict, Iterable, Iterator, List, Optional, Sequence

from . import container_checks, server_checks
from .finding import Finding
from .server_under_test import Target

#: The page of a repository that explains each check, in a section of its name.
PAGE = "docs/server/checking.md"

#: The sections of the specification.
CONTAINER = "Docker container specification"
RESPONSE = "HTTP API specification: response object"
STATUS = "HTTP API specification: status"
RUN = "HTTP API specification: run"
SHUTDOWN = "HTTP API specification: shutdown"
#: No section asks for it: it is what a good server does besides.
STANDARD = "our standards"

Find = Callable[[Target], Iterator[Finding]]


class Check:
    """One thing to check.

    Attributes:
        name: by which it is chosen.
        section: of the specification.
        docs: where the check is explained.
        summary: what it checks, in a line.
        find: yields what it finds; None where the start of the container shows it.
        options: of `docker run`, where it takes a container of its own; None where it
            does not.
        needs_container: whether a running server is not enough.
        is_advice: what it finds is advice, and no failure.
    """

    def __init__(
        self,
        name: str,
        section: str,
        summary: str,
        find: Optional[Find] = None,
        options: Optional[Sequence[str]] = None,
        needs_container: bool = False,
        is_advice: bool = False,
    ) -> None:
        self.name = name
        self.section = section
        self.docs = f"{PAGE}#{name}"
        self.summary = summary
        self.find = find
        self.options = options
        self.needs_container = needs_container
        self.is_advice = is_advice or section == STANDARD


#: What the start of the container shows.
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
    "status", STATUS, "/status answers 200 within timeout.status of model.yaml"
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
        is_advice=True,
    ),
    Check(
        "non-root",
        STANDARD,
        "the image's user is not root",
        container_checks.check_user,
        needs_container=True,
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
        "a job that is malformed gets 400",
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
        "a job whose input is missing gets 400",
        server_checks.check_missing_input,
    ),
    Check(
        "response-object",
        RESPONSE,
        "the answers of every route are the response object",
        server_checks.check_response_object,
    ),
    Check(
        "fresh-output",
        RUN,
        "an old file does not pass for the output of a job",
        server_checks.check_fresh_output,
    ),
    Check(
        "same-job-twice",
        RUN,
        "the same job runs a second time",
        server_checks.check_same_job_twice,
    ),
    Check(
        "parallel-jobs",
        STANDARD,
        "jobs that are sent at the same time all run",
        server_checks.check_parallel_jobs,
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
        STANDARD,
        "/status answers while a job runs",
        container_checks.check_status_during_run,
        options=(),
    ),
    Check(
        "sigterm",
        STANDARD,
        "the container exits with 0 on SIGTERM",
        container_checks.check_sigterm,
        options=(),
        needs_container=True,
    ),
    Check(
        "read-only",
        STANDARD,
        "it runs with a read-only root and a /tmp of its own",
        container_checks.check_one_job,
        options=("--read-only", "--tmpfs", "/tmp"),
        needs_container=True,
    ),
    Check(
        "no-shared-memory",
        STANDARD,
        "it runs without shared memory (--ipc=none)",
        container_checks.check_one_job,
        options=("--ipc", "none"),
        needs_container=True,
    ),
)

BY_NAME: Dict[str, Check] = {check.name: check for check in CHECKS}


def choose_checks(names: Iterable[str]) -> List[Check]:
    """Return the checks of some names, in their own order; all where none is named.

    Raises:
        ValueError: there is no check of a name.
    """
    chosen = set(names)
    unknown = sorted(chosen - set(BY_NAME))
    if unknown:
        raise ValueError(
            "there is no check {}; there are: {}".format(
                " and no check ".join(unknown), ", ".join(BY_NAME)
            )
        )
    return [check for check in CHECKS if not chosen or check.name in chosen]
