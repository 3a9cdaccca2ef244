"""The first difference between an output file and the one that a case expects."""

import json
import math
from typing import Any, NamedTuple, Optional

from .spec import FileSpec

#: How much a number in a JSON output may differ, unless a test says otherwise.
TOLERANCE = 0.001


def find_output_difference(
    file: FileSpec, actual: bytes, expected: bytes, tolerance: float
) -> Optional[str]:
    """Return the first difference of an output from the expected one in words, if any.

    JSON files are compared as JSON, by their name or media type, and all others byte by
    byte.

    Args:
        file: the output.
        actual: what the model wrote.
        expected: what the case expects.
        tolerance: how much a number with a fraction may differ; see `find_difference`.
            Whole numbers count or name something: they have to be equal.
    """
    if file.name.lower().endswith("json") or file.media_type.lower().endswith("json"):
        return find_difference(actual, expected, tolerance, exact_integers=True)
    return None if actual == expected else _compare_bytes(actual, expected)


def find_difference(
    actual: bytes,
    expected: bytes,
    tolerance: float = 0.0,
    exact_integers: bool = False,
) -> Optional[str]:
    """Return the first difference of two files in words, None if there is none.

    They are compared as JSON if the expected file is JSON, else byte by byte.

    Args:
        actual: what the model wrote.
        expected: what the case expects.
        tolerance: how much a number in JSON may differ: the difference itself if the
            expected number is below 1, else its share of that number.
        exact_integers: compare two integers without the tolerance.
    """
    if actual == expected:
        return None
    try:
        expected_value = _parse(expected)
    except ValueError:
        return _compare_bytes(actual, expected)
    try:
        limits = _Limits(tolerance, exact_integers)
        return _compare("", _parse(actual), expected_value, limits)
    except ValueError:
        return f"it is not JSON: {actual[:80]!r}"
    except RecursionError:
        return "it is nested too deeply to be compared, and differs in bytes"


class _Limits(NamedTuple):
    """How much numbers may differ; see `find_difference`."""

    tolerance: float
    exact_integers: bool


def _parse(data: bytes) -> Any:
    try:
        return json.loads(data.decode("utf-8-sig"))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _compare_bytes(actual: bytes, expected: bytes) -> str:
    pairs = zip(actual, expected)
    position = next(
        (index for index, (one, other) in enumerate(pairs) if one != other),
        min(len(actual), len(expected)),
    )
    part = slice(position, position + 20)
    return (
        f"byte {position} differs: {actual[part]!r}, not {expected[part]!r}"
        f" ({len(actual)} bytes, not {len(expected)})"
    )


def _compare(path: str, actual: Any, expected: Any, limits: _Limits) -> Optional[str]:
    if isinstance(actual, dict) and isinstance(expected, dict):
        return _compare_objects(path, actual, expected, limits)
    if isinstance(actual, list) and isinstance(expected, list):
        return _compare_lists(path, actual, expected, limits)
    if _are_numbers(actual, expected):
        same = _are_near(actual, expected, limits)
    else:
        same = type(actual) is type(expected) and actual == expected
    if same:
        return None
    return f"{path or 'it'} is {_show(actual)}, not {_show(expected)}"


def _compare_objects(
    path: str, actual: Any, expected: Any, limits: _Limits
) -> Optional[str]:
    for key in expected:
        where = f"{path}.{key}" if path else key
        if key not in actual:
            return f"{where} is missing"
        difference = _compare(where, actual[key], expected[key], limits)
        if difference:
            return difference
    for key in actual:
        if key not in expected:
            return f"{path or 'it'} has a key too many: {_show(key)}"
    return None


def _compare_lists(
    path: str, actual: Any, expected: Any, limits: _Limits
) -> Optional[str]:
    for index, (one, other) in enumerate(zip(actual, expected)):
        difference = _compare(f"{path}[{index}]", one, other, limits)
        if difference:
            return difference
    if len(actual) == len(expected):
        return None
    return f"{path or 'it'} has {len(actual)} items, not {len(expected)}"


def _are_numbers(*values: Any) -> bool:
    return all(
        isinstance(value, (int, float)) and not isinstance(value, bool)
        for value in values
    )


def _are_near(actual: float, expected: float, limits: _Limits) -> bool:
    if actual == expected or (actual != actual and expected != expected):
        return True
    if limits.exact_integers and isinstance(actual, int) and isinstance(expected, int):
        return False
    try:
        if math.isinf(actual) or math.isinf(expected):
            return False
        return abs(actual - expected) <= limits.tolerance * max(1.0, abs(expected))
    except OverflowError:
        # an integer too large for a float
        return False


def _show(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."
