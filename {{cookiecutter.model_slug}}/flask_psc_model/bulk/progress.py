"""The progress of a bulk run: a bar on a terminal, a line every 10 s elsewhere."""

import logging
import os
import shutil
import time
from typing import TextIO

import click

from ..logs import is_json

#: Seconds between two updates of the bar, and between two lines.
BAR_INTERVAL = 0.1
LINE_INTERVAL = 10.0

BAR_WIDTH = 20
CLEAR_LINE = "\x1b[K"

log = logging.getLogger(__name__)


class Progress:
    """Counts jobs and shows them.

    Attributes:
        total: number of jobs.
        done: number of those that have succeeded.
        failed: number of those that have failed.
    """

    def __init__(self, total: int, stream: TextIO) -> None:
        """Start the clock.

        Args:
            total: number of jobs.
            stream: for the bar or the lines, such as standard error.
        """
        self.total = total
        self.done = 0
        self.failed = 0
        self.started = time.monotonic()
        self._first = 0.0
        self._stream = stream
        self._is_terminal = self._stream.isatty()
        self._interval = BAR_INTERVAL if self._is_terminal else LINE_INTERVAL
        self._next = self.started + (0 if self._is_terminal else LINE_INTERVAL)

    @property
    def seconds(self) -> float:
        """The time since the start."""
        return time.monotonic() - self.started

    @property
    def ended(self) -> int:
        """The number of jobs that have run."""
        return self.done + self.failed

    def add(self, is_done: bool) -> None:
        """Count a job that has run, by whether it has succeeded."""
        if not self.ended:
            self._first = time.monotonic()
        self.done += is_done
        self.failed += not is_done

    def show(self) -> None:
        """Show the progress, at most once in an interval."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + self._interval
        if not self._is_terminal:
            self.write_line(self.describe())
            return
        # the cursor goes back, so that a log line overwrites the bar
        width = shutil.get_terminal_size().columns - 1
        self._write(self._draw_bar(width) + CLEAR_LINE + "\r")

    def close(self) -> None:
        """Draw the bar a last time and end its line."""
        if self._is_terminal:
            self._next = 0
            self.show()
            self._write("\n")

    def write_line(self, line: str) -> None:
        """Write a line, over the bar; one of the log where that is JSON."""
        if is_json():
            log.info("%s", line)
        else:
            self._write((CLEAR_LINE if self._is_terminal else "") + line + "\n")

    def describe(self) -> str:
        """Return the progress in words: jobs, rate, time left and errors."""
        ended = self.ended
        parts = [f"{ended:,}/{self.total:,} jobs"]
        rate = self._measure_rate()
        if rate:
            parts.append(format_rate(rate))
            if ended < self.total:
                left = (self.total - ended) / rate
                parts.append(f"{format_time(left)} left")
        parts.append(f"{self.failed:,} error{'' if self.failed == 1 else 's'}")
        return ", ".join(parts)

    def _measure_rate(self) -> float:
        """Return the jobs per second since the first one ended, to exclude loading."""
        seconds = time.monotonic() - self._first
        return (self.ended - 1) / seconds if self.ended > 1 and seconds else 0.0

    def _draw_bar(self, width: int) -> str:
        share = self.ended / self.total if self.total else 1.0
        filled = int(share * BAR_WIDTH)
        bar = "#" * filled + "-" * (BAR_WIDTH - filled)
        line = f"[{bar}] {int(share * 100):3.0f}% {self.describe()}"[:width]
        if not self.failed or os.environ.get("NO_COLOR"):
            return line
        head, comma, errors = line.rpartition(", ")
        return head + comma + click.style(errors, fg="red")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def format_rate(rate: float) -> str:
    """Format a rate in jobs per second, such as `12.5/s` or `3/min`."""
    for unit, seconds in (("s", 1), ("min", 60)):
        if rate * seconds >= 1:
            return _format_number(rate * seconds) + "/" + unit
    return _format_number(rate * 3600) + "/h"


def format_time(seconds: float) -> str:
    """Format a time in seconds, such as `2 min 05 s`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"


def _format_number(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
