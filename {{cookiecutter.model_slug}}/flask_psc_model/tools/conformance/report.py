"""The report of the checks: a line each, as JSON or as JUnit XML."""

import json
import os
import sys
from typing import Any, Dict, List
from xml.etree import ElementTree

import click

from .checks import Check
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
        docs: where the check is explained.
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
        self.docs = check.docs
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
            "docs": self.docs,
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


LABELS = {PASSED: "ok", FAILED: "FAIL", ADVICE: "advice", LEFT_OUT: "left out"}
COLOURS = {PASSED: "green", FAILED: "red", ADVICE: "yellow", LEFT_OUT: "cyan"}
WIDTH = max(len(label) for label in LABELS.values())

#: Characters of what came that are shown.
LENGTHS = {PASSED: 80, FAILED: 500, ADVICE: 500, LEFT_OUT: 500}

CLEAR_LINE = "\r\x1b[K"


class Report:
    """Shows results as they come, and keeps them.

    Attributes:
        subject: the image or the URL that is checked.
        results: in the order in which they came.
    """

    def __init__(self, subject: str, keep_output_clear: bool = False) -> None:
        """Begin a report.

        Args:
            subject: the image or the URL that is checked.
            keep_output_clear: write to standard error only.
        """
        self.subject = subject
        self.results: List[Result] = []
        self._to_error = keep_output_clear
        self._is_live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def announce(self, text: str) -> None:
        """Say what is done now, and takes a while."""
        self._write("{:{}}  {}".format("...", WIDTH, text), to_error=True)

    def begin(self, text: str) -> None:
        """Say what is checked now, on a terminal, until there is a result."""
        if self._is_live:
            click.echo(CLEAR_LINE + text, err=True, nl=False)

    def add(self, result: Result) -> None:
        """Take a result and show it."""
        self.results.append(result)
        label = "{:{}}".format(LABELS[result.verdict], WIDTH)
        came = _shorten(result.came, LENGTHS[result.verdict])
        if result.verdict != LEFT_OUT:
            came = f"expected {result.expected}; came {came}"
        self._write(
            f"{click.style(label, fg=COLOURS[result.verdict])}  {result.name}: {came} [{result.docs}]"
        )
        for line in result.log.splitlines():
            self._write("{:{}}  | {}".format("", WIDTH, line))

    def warn(self, text: str) -> None:
        """Show what went wrong beside the checks."""
        self._write("warning: " + text, to_error=True)

    def count(self, verdict: str) -> int:
        """Return how many results have a verdict."""
        return sum(result.verdict == verdict for result in self.results)

    def has_failed(self) -> bool:
        """Tell whether the specification is not kept."""
        return self.count(FAILED) > 0

    def conclude(self) -> None:
        """Show how many results of each kind there are."""
        counts = [f"{self.count(verdict)} {verdict}" for verdict in VERDICTS]
        self._write("{}: {}".format(self.subject, ", ".join(counts)))

    def to_json(self) -> str:
        """Return the report as JSON."""
        content: Dict[str, Any] = {
            "subject": self.subject,
            "passed": not self.has_failed(),
            "counts": {verdict: self.count(verdict) for verdict in VERDICTS},
            "results": [result.to_dict() for result in self.results],
        }
        return json.dumps(content, indent=2)

    def _write(self, line: str, to_error: bool = False) -> None:
        if self._is_live:
            click.echo(CLEAR_LINE, err=True, nl=False)
        # None leaves it to click: colours on a terminal only
        colour = False if os.environ.get("NO_COLOR") else None
        click.echo(line, err=to_error or self._to_error, color=colour)


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


_CONTROLS = {code: None for code in range(32) if chr(code) not in "\t\n\r"}


def write_junit(report: Report, path: str) -> None:
    """Write a report as JUnit XML.

    Advice and what was left out are "skipped": JUnit knows nothing else that is shown
    and is no failure.

    Raises:
        OSError: the file cannot be written.
    """
    results = report.results
    others = sum(result.verdict not in (PASSED, FAILED) for result in results)
    suite = ElementTree.Element(
        "testsuite",
        name=f"check_container {report.subject}",
        tests=str(len(results)),
        failures=str(report.count(FAILED)),
        errors="0",
        skipped=str(others),
        time=f"{sum(result.seconds for result in results):.3f}",
    )
    for result in results:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=result.check,
            name=result.name,
            time=f"{result.seconds:.3f}",
        )
        text = f"expected {result.expected}; came {result.came} [{result.docs}]"
        if result.verdict != PASSED:
            tag = "failure" if result.verdict == FAILED else "skipped"
            message = _clean(f"{result.verdict}: {text}")
            ElementTree.SubElement(case, tag, message=message)
        if result.log:
            ElementTree.SubElement(case, "system-out").text = _clean(result.log)
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.ElementTree(suites).write(path, "utf-8", xml_declaration=True)


def _clean(text: str) -> str:
    # XML has no way to write control characters, nor half of a surrogate pair
    return text.translate(_CONTROLS).encode("utf-8", "replace").decode("utf-8")
