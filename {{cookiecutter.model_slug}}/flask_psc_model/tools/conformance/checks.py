"""All checks, in the order in which they run."""

from typing import Iterable, List

from . import container_checks, server_checks
from .check import CONTAINER, STATUS, Check

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
    "status", STATUS, "/status returns 200 within model.yaml's timeout.status"
)

CHECKS = (
    COMMAND,
    PORT,
    STATUS_CHECK,
    container_checks.check_exec_form,
    container_checks.check_user,
    server_checks.check_examples,
    server_checks.check_refusals,
    server_checks.check_malformed_jobs,
    server_checks.check_media_type,
    server_checks.check_missing_input,
    server_checks.check_response_object,
    server_checks.check_fresh_output,
    server_checks.check_same_job_twice,
    server_checks.check_parallel_jobs,
    container_checks.check_shutdown,
    container_checks.check_status_during_run,
    container_checks.check_sigterm,
    container_checks.check_read_only,
    container_checks.check_no_shared_memory,
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
