"""What a check finds: what was expected, and what came."""

from typing import Any, Callable, Optional


class Unexpected(Exception):
    """Something else came than what was expected; the message says what came."""


class Finding:
    """What was expected of one thing, and what came.

    Attributes:
        subject: what was looked at, such as the name of a case; empty where the name of
            the check says it all.
        expected: in words.
        came: in words.
        passed: whether that is the same; None where it could not be found out.
        is_advice: the specification does not ask for it, also where it asks for what
            else the check looks at.
        is_silent: the server did not answer.
    """

    def __init__(
        self,
        subject: str,
        expected: str,
        came: str,
        passed: Optional[bool],
        is_advice: bool = False,
    ) -> None:
        self.subject = subject
        self.expected = expected
        self.came = came
        self.passed = passed
        self.is_advice = is_advice
        self.is_silent = False


def observe(
    subject: str,
    expected: str,
    look: Callable[..., str],
    *args: Any,
    is_advice: bool = False,
) -> Finding:
    """Look at one thing.

    Args:
        subject: what is looked at.
        expected: in words.
        look: returns what came where that is as expected, and raises `Unexpected` where
            it is not. An `OSError` means that the server did not answer.
        args: of `look`.
        is_advice: the specification does not ask for it.
    """
    try:
        return Finding(subject, expected, look(*args), True, is_advice)
    except Unexpected as error:
        return Finding(subject, expected, str(error), False, is_advice)
    except OSError as error:
        came = "no answer: {}".format(getattr(error, "reason", error))
        finding = Finding(subject, expected, came, False, is_advice)
        finding.is_silent = True
        return finding
