"""Sizes and times as people write them in `model.yaml`."""

import math
import re
from typing import Any

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([KMGT])(i?)B?|B)?", re.IGNORECASE)
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|[smh])\s*", re.IGNORECASE)
_DURATION = re.compile(f"(?:{_DURATION_PART.pattern})+", re.IGNORECASE)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
_EXPONENTS = {"K": 1, "M": 2, "G": 3, "T": 4}


def parse_size(text: Any) -> int:
    """Read a size in bytes.

    `512M`, `512 MB` and `512Mi` are all 512 * 1024 * 1024 bytes, like Docker's
    `--memory 512m`. A number without a unit is in bytes.

    Raises:
        ValueError: the text is not a size above zero.
    """
    match = _SIZE.fullmatch(_as_text(text))
    size = 0.0
    if match:
        number, unit, _ = match.groups()
        exponent = _EXPONENTS[unit.upper()] if unit else 0
        size = float(number) * 1024**exponent
    if not 1 <= size < math.inf:
        raise ValueError("expected a size such as 512M or 1 GiB")
    return int(size)


def parse_duration(text: Any) -> float:
    """Read a time in seconds.

    Examples: `20s`, `1m30s`, `2h`, `500ms`. A number without a unit is in seconds.

    Raises:
        ValueError: the text is not a time above zero.
    """
    text = _as_text(text)
    seconds = 0.0
    if _NUMBER.fullmatch(text):
        seconds = float(text)
    elif _DURATION.fullmatch(text):
        for number, unit in _DURATION_PART.findall(text):
            seconds += float(number) * _SECONDS[unit.lower()]
    if not 0 < seconds < math.inf:
        raise ValueError("expected a time such as 20s or 1m30s")
    return seconds


def format_size(size: int) -> str:
    """Format a size for `model.yaml`, such as `512M`, `2G` or `90B`.

    The unit is the largest that leaves the number whole.
    """
    unit = "B"
    for larger in _EXPONENTS:
        if size % 1024:
            break
        size, unit = size // 1024, larger
    return f"{size}{unit}"


def format_duration(seconds: int) -> str:
    """Format a time for `model.yaml`, such as `90s`."""
    return f"{seconds}s"


def _as_text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return ""
    return str(value).strip()
