"""The result of a check: its verdict, and what led to it."""

from typing import Any, Dict

from .check import Check
from .finding import Finding

PASSED = "passed"
FAILED = "failed"
ADVICE = "advice"
LEFT_OUT = "left out"

#: In the order of the summary.
VERDICTS = (PASSED, FAILED, ADVICE, LEFT_OUT)


class Result:
    """What one check found about one thing.

    Attributes:
        name: of the check and of what it looked at.
        section: of the specification.
        expected: in words.
        came: in words.
        verdict: `PASSED`; `FAILED` where the specification is not kept; `ADVICE` where
            only our standards are not; `LEFT_OUT` where it could not be found out.
        seconds: that it took.
        log: what the container wrote meanwhile, where it is not passed.
    """

    def __init__(
        self, check: Check, finding: Finding, seconds: float = 0.0, log: str = ""
    ) -> None:
        self.name = "/".join(filter(None, (check.name, finding.subject)))
        self.check = check.name
        self.subject = finding.subject
        self.section = check.section
        self.expected = _to_line(finding.expected)
        self.came = _to_line(finding.came)
        self.verdict = _judge(check, finding)
        self.seconds = seconds
        self.log = log

    def to_dict(self) -> Dict[str, Any]:
        """Return the result for the JSON output."""
        return {
            "check": self.check,
            "subject": self.subject,
            "verdict": self.verdict,
            "section": self.section,
            "expected": self.expected,
            "came": self.came,
            "seconds": round(self.seconds, 3),
            "log": self.log,
        }


def _judge(check: Check, finding: Finding) -> str:
    if finding.passed is None:
        return LEFT_OUT
    if finding.passed:
        return PASSED
    return ADVICE if check.is_advice or finding.is_advice else FAILED


def _to_line(text: str) -> str:
    return " ".join(text.split())
