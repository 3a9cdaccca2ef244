"""The report of the checks, a line each."""

import json
import os
import sys
from typing import Any, Dict, List

import click

from .result import ADVICE, FAILED, LEFT_OUT, PASSED, VERDICTS, Result

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
            came = "expected {}; came {}".format(result.expected, came)
        self._write(
            "{}  {}: {} [{}]".format(
                click.style(label, fg=COLOURS[result.verdict]),
                result.name,
                came,
                result.section,
            )
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
        counts = ["{} {}".format(self.count(verdict), verdict) for verdict in VERDICTS]
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
