"""What the scripts show: numbered steps, and colour only on a terminal."""

from __future__ import annotations

import os
import sys

BOLD, DIM, RED, GREEN = "1", "2", "31", "32"


class Console:
    """Writes to standard output, line by line."""

    def __init__(self, steps: int = 0) -> None:
        """Set the number of steps."""
        self._steps = steps
        self._step = 0
        self._indent = " " * 6 if steps else ""
        self._is_terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        self._has_color = self._is_terminal and not os.environ.get("NO_COLOR")

    def step(self, text: str) -> None:
        """Print which step begins."""
        self._step += 1
        self._write(self._paint(BOLD, f"\n[{self._step}/{self._steps}] {text}"))

    def command(self, text: str) -> None:
        """Show a command that is run."""
        self.say(self._paint(DIM, f"$ {text}"))

    def say(self, text: str) -> None:
        """Show something below the step."""
        self._write("\n".join(f"{self._indent}{line}".rstrip() for line in text.splitlines()))

    def progress(self, text: str) -> None:
        """Show how far a step has come, on one line of a terminal; a log is spared it."""
        if self._is_terminal:
            print(f"\r\033[K{self._indent}{text[:60]}", end="", flush=True)

    def end_progress(self) -> None:
        """Clear what `progress` has shown."""
        if self._is_terminal:
            print("\r\033[K", end="", flush=True)

    def success(self, text: str) -> None:
        """Print that all steps succeeded."""
        self._write(self._paint(GREEN, f"\n{text}"))

    def error(self, text: str) -> None:
        """Print what went wrong, on standard error."""
        sys.stdout.flush()
        print(self._paint(RED, f"\n{text}"), file=sys.stderr, flush=True)

    def _paint(self, color: str, text: str) -> str:
        return f"\033[{color}m{text}\033[0m" if self._has_color else text

    def _write(self, text: str) -> None:
        print(text, flush=True)
