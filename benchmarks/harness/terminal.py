"""What a benchmark shows while it runs; in colour on a terminal."""

import os
import sys
from typing import TextIO

GREEN, RED, DIM, RESET = "\033[32m", "\033[31m", "\033[2m", "\033[0m"


def progress(line: str) -> None:
    """Print the progress, apart from the results.

    Args:
        line: the text.
    """
    print(paint(line, DIM, sys.stderr), file=sys.stderr, flush=True)


def paint(text: str, color: str, stream: TextIO) -> str:
    """Colour a text where that can be seen and is wanted.

    Args:
        text: what to colour.
        color: an escape sequence.
        stream: where it will be written.
    """
    return f"{color}{text}{RESET}" if stream.isatty() and not os.environ.get("NO_COLOR") else text
