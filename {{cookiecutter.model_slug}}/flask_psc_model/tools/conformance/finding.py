"""What a check finds: what it expected, and what it got."""

from typing import Any, Callable, NamedTuple, Optional


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
            where it is not. An `OSError` means that the server did not answer.
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
    return Finding(subject, expected, got, passed, is_recommendation, is_silent)
