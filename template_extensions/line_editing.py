"""Editing at the questions: the arrow keys, Home and End work while an answer is typed."""

from __future__ import annotations

import contextlib
import re
import sys
from typing import Any

from rich.console import Console
from rich.prompt import PromptBase


def enable() -> None:
    """Let Cookiecutter's questions be read with readline, where Python has it."""
    with contextlib.suppress(ImportError):
        # input() uses it once it is imported
        import readline  # noqa: F401

        PromptBase.get_input = staticmethod(read_line)  # type: ignore[method-assign]


def read_line(console: Console, prompt: Any, password: bool, stream: Any = None) -> str:
    """Show a question and return what is typed.

    Rich prints the question itself. readline would not know of it, and would overwrite it at a press of Home.
    """
    if password or stream or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return console.input(prompt, password=password, stream=stream)
    with console.capture() as capture:
        console.print(prompt, end="")
    lines = capture.get().split("\n")
    print(*lines[:-1], sep="\n", end="\n" if lines[:-1] else "")
    # readline counts what is between these two characters as no column
    return input(re.sub(r"\x1b\[[0-9;]*m", "\001\\g<0>\002", lines[-1]))
