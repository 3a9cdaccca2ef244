"""The report of the checks: a line each, as JSON or as JUnit XML."""

import json
import os
import re
import sys
from typing import Any, Dict, List, NamedTuple
from xml.etree import ElementTree

import click

from .. import show_name, to_line
from .check import Check, Finding

PASSED = "passed"
FAILED = "failed"
RECOMMENDATION = "recommendation"
SKIPPED = "skipped"

#: In the order of the summary.
VERDICTS = (PASSED, FAILED, RECOMMENDATION, SKIPPED)


class Result(NamedTuple):
    """What one check found about one thing.

    Attributes:
        check: its name.
        subject: what it looked at; empty where the name of the check is enough.
        verdict: `PASSED`; `FAILED` if it breaks the specification; `RECOMMENDATION` if
            the specification does not require it; `SKIPPED` if it could not be checked.
        section: of the specification.
        docs: where the check is explained.
        expected: in words.
        got: in words.
        seconds: that it took.
        log: what the container wrote meanwhile, unless it passed.
    """

    check: str
    subject: str
    verdict: str
    section: str
    docs: str
    expected: str
    got: str
    seconds: float
    log: str

    @property
    def name(self) -> str:
        """The name of the check, and of what it looked at."""
        return "/".join(filter(None, (self.check, self.subject)))


def make_result(
    check: Check, finding: Finding, seconds: float = 0.0, log: str = ""
) -> Result:
    """Return the result of a finding.

    Args:
        check: that found it.
        finding: what was found.
        seconds: that it took.
        log: what the container wrote meanwhile.
    """
    return Result(
        check.name,
        show_name(finding.subject),
        _judge(check, finding),
        check.section,
        check.docs,
        show_name(to_line(finding.expected)),
        show_name(to_line(finding.got)),
        seconds,
        log,
    )


def _judge(check: Check, finding: Finding) -> str:
    if finding.passed is None:
        return SKIPPED
    if finding.passed:
        return PASSED
    is_recommendation = check.is_recommendation or finding.is_recommendation
    return RECOMMENDATION if is_recommendation else FAILED


LABELS = {
    PASSED: "ok",
    FAILED: "FAIL",
    RECOMMENDATION: "recommendation",
    SKIPPED: "skipped",
}
COLOURS = {PASSED: "green", FAILED: "red", RECOMMENDATION: "yellow", SKIPPED: "cyan"}
WIDTH = max(len(label) for label in LABELS.values())

#: The longest text of what a check got that a line shows.
LONGEST_PASSED = 80
LONGEST = 500

CLEAR_LINE = "\r\x1b[K"


class Report:
    """Shows results as they come in, and keeps them.

    Attributes:
        subject: the image or the URL that is checked.
        results: in the order in which they came in.
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
        """Show what is being done, where that takes a while."""
        self._write_row("...", text, to_error=True)

    def begin(self, text: str) -> None:
        """Show on a terminal what is being checked, until there is a result."""
        if self._is_live:
            click.echo(CLEAR_LINE + text, err=True, nl=False)

    def add(self, result: Result) -> None:
        """Add a result and show it."""
        self.results.append(result)
        longest = LONGEST_PASSED if result.verdict == PASSED else LONGEST
        text = _shorten(result.got, longest)
        if result.verdict != SKIPPED:
            text = f"expected {result.expected}, got {text}"
        label = f"{LABELS[result.verdict]:{WIDTH}}"
        self._write(
            click.style(label, fg=COLOURS[result.verdict])
            + f"  {result.name}: {text} [{result.docs}]"
        )
        for line in result.log.splitlines():
            self._write_row("", "| " + line)

    def warn(self, text: str) -> None:
        """Show a problem that is not the image's."""
        self._write("warning: " + text, to_error=True)

    def count(self, verdict: str) -> int:
        """Return how many results have a verdict."""
        return sum(result.verdict == verdict for result in self.results)

    def has_failed(self) -> bool:
        """Return whether the image breaks the specification."""
        return self.count(FAILED) > 0

    def conclude(self) -> None:
        """Show how many results of each kind there are."""
        counts = [f"{self.count(verdict)} {verdict}" for verdict in VERDICTS]
        if self.count(RECOMMENDATION) != 1:
            counts[VERDICTS.index(RECOMMENDATION)] += "s"
        self._write(f"{self.subject}: {', '.join(counts)}")

    def to_json(self) -> str:
        """Return the report as JSON."""
        content: Dict[str, Any] = {
            "subject": self.subject,
            "passed": not self.has_failed(),
            "counts": {verdict: self.count(verdict) for verdict in VERDICTS},
            "results": [
                dict(result._asdict(), seconds=round(result.seconds, 3))
                for result in self.results
            ],
        }
        return json.dumps(content, indent=2)

    def _write_row(self, label: str, text: str, to_error: bool = False) -> None:
        self._write(f"{label:{WIDTH}}  {text}", to_error)

    def _write(self, line: str, to_error: bool = False) -> None:
        if self._is_live:
            click.echo(CLEAR_LINE, err=True, nl=False)
        # None lets click decide: colours on a terminal only
        colour = False if os.environ.get("NO_COLOR") else None
        click.echo(line, err=to_error or self._to_error, color=colour)


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


#: What XML cannot hold: control characters and halves of surrogate pairs.
_NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def prepare_folder(path: str) -> None:
    """Make the folder of a report, before the checks.

    Raises:
        OSError: it cannot be made, or the report cannot be written there.
    """
    folder = os.path.dirname(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    if os.path.isdir(path):
        raise IsADirectoryError(f"{path} is a folder: name a file")
    if not os.access(path if os.path.exists(path) else folder, os.W_OK):
        raise PermissionError(f"{path} cannot be written: name another file")


def write_junit(report: Report, path: str) -> None:
    """Write a report as JUnit XML.

    Recommendations are "skipped" there, too: JUnit has nothing else that is shown and is
    no failure.

    Raises:
        OSError: the file cannot be written.
    """
    results = report.results
    skipped = sum(result.verdict not in (PASSED, FAILED) for result in results)
    suites = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(
        suites,
        "testsuite",
        name=_clean(f"check_container {report.subject}"),
        tests=str(len(results)),
        failures=str(report.count(FAILED)),
        errors="0",
        skipped=str(skipped),
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
        if result.verdict != PASSED:
            tag = "failure" if result.verdict == FAILED else "skipped"
            message = _clean(
                f"{result.verdict}: expected {result.expected}, got {result.got}"
                f" [{result.docs}]"
            )
            ElementTree.SubElement(case, tag, message=message)
        if result.log:
            ElementTree.SubElement(case, "system-out").text = _clean(result.log)
    ElementTree.ElementTree(suites).write(path, "utf-8", xml_declaration=True)


def _clean(text: str) -> str:
    return _NO_XML.sub("", text)
