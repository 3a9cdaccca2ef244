"""Comparing an output with the expected one."""

import json
import math

import pytest
from flask_psc_model.model.comparison import find_difference, find_output_difference
from flask_psc_model.model.spec import FileSpec
from hypothesis import given
from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(st.text(), children, max_size=3)
    ),
    max_leaves=10,
)


@given(JSON)
def test_what_is_written_in_another_way_is_the_same(value):
    compact = json.dumps(value).encode()
    spread = json.dumps(value, indent=4, ensure_ascii=True).encode() + b"\n"
    assert find_difference(compact, spread) is None


@given(JSON, JSON)
def test_it_is_the_same_both_ways(one, other):
    one, other = json.dumps(one).encode(), json.dumps(other).encode()
    forth, back = find_difference(one, other), find_difference(other, one)
    assert (forth is None) == (back is None)


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        ('{"a": 1, "b": 2}', '{"b": 2, "a": 1}'),
        ("[1, 2]", "[1.0, 2.0]"),
        ("[NaN]", "[NaN]"),
        ('\ufeff{"a": 1}', '{"a": 1}'),
        ('"\\u00e9"', '"\u00e9"'),
        ("not JSON", "not JSON"),
        ("", ""),
    ],
)
def test_the_same(actual, expected):
    assert find_difference(actual.encode(), expected.encode()) is None


@pytest.mark.parametrize(
    ("actual", "expected", "difference"),
    [
        ("[1, 2]", "[1, 3]", "[1] is 2, not 3"),
        ("[1]", "[1, 3]", "it has 1 items, not 2"),
        (
            '{"a": {"b": [{"c": 1}]}}',
            '{"a": {"b": [{"c": 2}]}}',
            "a.b[0].c is 1, not 2",
        ),
        ('{"a": {}}', '{"a": {"b": 1}}', "a.b is missing"),
        ('{"a": {"b": 1}}', '{"a": {}}', 'a has a key too many: "b"'),
        ("true", "1", "it is true, not 1"),
        ("1", "true", "it is 1, not true"),
        ("0", "false", "it is 0, not false"),
        ("null", "0", "it is null, not 0"),
        ('"1"', "1", 'it is "1", not 1'),
        ("{}", "[]", "it is {}, not []"),
        ("5", "1e999", "it is 5, not Infinity"),
        ("[" * 600 + "]" * 600, "[" * 600 + "1" + "]" * 600, "it is nested too deeply"),
        ("Infinity", "NaN", "it is Infinity, not NaN"),
        ("1" + "0" * 400, "1", "it is 1000"),
        ("cats", "{}", "it is not JSON: b'cats'"),
        ("[" * 99999, "{}", "it is not JSON"),
        ("abc", "abd ", "byte 2 differs: b'c', not b'd ' (3 bytes, not 4)"),
        ("abc", "ab-", "byte 2 differs"),
        ("ab", "ab-", "byte 2 differs: b'', not b'-' (2 bytes, not 3)"),
        ("ab\r\n", "ab\n", "byte 2 differs"),
    ],
)
def test_the_first_difference_is_named(actual, expected, difference):
    found = find_difference(actual.encode(), expected.encode())
    assert found.startswith(difference)


@pytest.mark.parametrize(
    ("actual", "expected", "tolerance", "same"),
    [
        (0.5, 0.5009, 0.001, True),
        (0.5, 0.502, 0.001, False),
        (0.5, 0.5009, 0, False),
        # a share of what is expected, where that is large
        (5009, 5000, 0.01, True),
        (5051, 5000, 0.01, False),
        (-5009, -5000, 0.01, True),
        (10**400, 10**400, 0.01, True),
        (10**400, 2, 0.01, False),
        (2, 10**400, 0.01, False),
        (math.inf, math.inf, 0, True),
        (5, math.inf, 0.1, False),
        (math.inf, 5, 0.1, False),
        (-math.inf, math.inf, 10, False),
        (10**400, math.inf, 0.1, False),
        (math.nan, math.inf, 10, False),
        (True, 1, 10, False),
        ("0.5", "0.6", 10, False),
    ],
)
def test_numbers_may_differ_by_the_tolerance(actual, expected, tolerance, same):
    pair = [json.dumps({"a": [value]}).encode() for value in (actual, expected)]
    difference = find_difference(*pair + [tolerance])
    assert (difference is None) is same


def test_the_tolerance_is_for_json_only():
    assert find_difference(b"x 0.5", b"x 0.6", 10)


@pytest.mark.parametrize(
    ("name", "media_type", "is_json"),
    [
        ("results.json", "", True),
        ("areas.GeoJSON", "", True),
        ("results", "application/json", True),
        ("areas.txt", "application/geo+json", True),
        ("results.txt", "", False),
        ("results.txt", "text/plain", False),
        ("results.jsonl", "", False),
    ],
)
def test_an_output_is_json_by_its_name_or_media_type(name, media_type, is_json):
    media_types = (media_type,) if media_type else ()
    file = FileSpec(name, media_types)
    difference = find_output_difference(file, b"[0.5]", b"[ 0.5004 ]", 0.001)
    assert (difference is None) is is_json
    assert find_output_difference(file, b"[0.5]", b"[0.5]", 0) is None
    assert find_output_difference(file, b"[0.5]", b"[0.6]", 0.001)


@pytest.mark.parametrize(
    ("actual", "expected", "same"),
    [
        (30000, 30001, False),
        (30000.0, 30001, True),
        (30000, 30001.5, True),
        (30000, 30000, True),
    ],
)
def test_whole_numbers_of_an_output_have_to_be_equal(actual, expected, same):
    pair = [json.dumps([value]).encode() for value in (actual, expected)]
    difference = find_output_difference(FileSpec("a.json"), *pair + [0.001])
    assert (difference is None) is same
