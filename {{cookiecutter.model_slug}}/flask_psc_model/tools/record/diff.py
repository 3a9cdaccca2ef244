"""Changes of expected files as lines for a person."""

import difflib
import json
from typing import Iterator, List, Optional

from .. import show_name
from .recording import Change

#: The largest number of lines for one file, and of characters in a line.
MAX_LINES = 30
MAX_LENGTH = 120

#: The number of equal lines around a change.
CONTEXT = 2


def list_lines(change: Change) -> List[str]:
    """Return the difference between the old and the new content of a file."""
    lines = list(_list_all(change))
    more = len(lines) - MAX_LINES
    if more > 0:
        lines[MAX_LINES:] = [f"({more} more line{'s' if more > 1 else ''})"]
    return lines


def _list_all(change: Change) -> Iterator[str]:
    old = [] if change.old is None else _read_lines(change.old)
    new = _read_lines(change.new)
    if old is None or new is None:
        before = "" if change.old is None else f"{len(change.old)} bytes before, "
        yield f"({before}{len(change.new)} bytes now, not text)"
        return
    diff = list(difflib.unified_diff(old, new, n=CONTEXT, lineterm=""))
    # the first two lines are the names of files
    for line in diff[2:]:
        shown = show_name(line)
        is_long = len(shown) > MAX_LENGTH
        yield shown[: MAX_LENGTH - 3] + "..." if is_long else shown


def _read_lines(content: bytes) -> Optional[List[str]]:
    """Return the lines of a text, of JSON with a value on each; None if it is no text."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return None
    if "\0" in text:
        return None
    try:
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        pass
    return text.splitlines()
