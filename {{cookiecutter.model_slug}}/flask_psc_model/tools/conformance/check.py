"""A check, and what it finds: what it expected, and what it got."""

from typing import Any, Callable, Iterator, NamedTuple, Optional, Sequence

from ..containers.engine import EngineError
from ..containers.shared_folder import FolderFailed

#: The page of a repository that explains each check, in a section of its name.
PAGE = "docs/server/checking.md"

#: The sections of the specification.
CONTAINER = "Docker container specification"
RESPONSE = "HTTP API specification: response object"
STATUS = "HTTP API specification: status"
RUN = "HTTP API specification: run"
SHUTDOWN = "HTTP API specification: shutdown"
#: No section requires it: a good server does it all the same.
BEST_PRACTICE = "best practice"


class Unexpected(Exception):
    """A server did something else than expected; the message describes what."""


class Finding(NamedTuple):
    """What a check expected of one thing, and what it got.

    Attributes:
        subject: what was looked at, such as the name of a case; empty where the name of
            the check is enough.
        expected: in words.
        got: in words.
        passed: whether the two agree; None where the check could not be made.
        is_recommendation: the specification does not require it, even if it requires
            the rest of the check.
        is_silent: the server did not answer.
    """

    subject: str
    expected: str
    got: str
    passed: Optional[bool]
    is_recommendation: bool = False
    is_silent: bool = False


def observe(
    subject: str,
    expected: str,
    look: Callable[..., str],
    *args: Any,
    is_recommendation: bool = False,
) -> Finding:
    """Return the finding of one look.

    Args:
        subject: what is looked at.
        expected: in words.
        look: returns what it got where that is as expected, and raises `Unexpected`
            where it is not. An `OSError` means that the server did not answer. Any
            error but one of this machine is a finding, and does not end the run.
        args: of `look`.
        is_recommendation: the specification does not require it.
    """
    passed, is_silent = True, False
    try:
        got = look(*args)
    except Unexpected as error:
        passed, got = False, str(error)
    except OSError as error:
        passed, is_silent, got = False, True, f"no answer: {error}"
    except (EngineError, FolderFailed):
        raise
    except Exception as error:
        passed, got = False, f"{type(error).__name__}: {error}"
    return Finding(subject, expected, got, passed, is_recommendation, is_silent)


#: Yields what it finds in a `ServerUnderTest`.
Find = Callable[..., Iterator[Finding]]


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
    find: Optional[Find] = None
    options: Optional[Sequence[str]] = None
    needs_container: bool = False
    is_recommendation: bool = False

    @property
    def docs(self) -> str:
        """Where the check is explained."""
        return f"{PAGE}#{self.name}"


def check(name: str, section: str, summary: str, **how: Any) -> Callable[[Find], Check]:
    """Return a decorator that turns a function into a check.

    Args:
        name: of the check.
        section: of the specification.
        summary: what it checks, in a line.
        how: the other attributes of the check.
    """
    how.setdefault("is_recommendation", section == BEST_PRACTICE)
    return lambda find: Check(name, section, summary, find, **how)
