"""Sizes and times are read the way people write them."""

import math

import pytest
from flask_psc_model.model.units import (
    format_duration,
    format_size,
    parse_duration,
    parse_size,
)
from hypothesis import given
from hypothesis import strategies as st

NO_QUANTITIES = [
    None,
    "",
    "   ",
    "M",
    "s",
    "some",
    "-1",
    "-1M",
    "-20s",
    0,
    "0",
    "0M",
    "0s",
    "0m0s",
    -1,
    -0.5,
    True,
    False,
    [],
    ["20s"],
    {},
    {"size": "1M"},
    b"20s",
    float("nan"),
    float("inf"),
    float("-inf"),
    "nan",
    "inf",
    "1e3",
    "1,5M",
    "1 000",
    "0x10",
    "512 apples",
    "20s20",
    "20 s ago",
    "1..5",
    "9" * 400,
    "9" * 400 + "s",
    "9" * 300 + "T",
    10**400,
]


def _shorten(text):
    return repr(text)[:20]


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512M", 512 * 1024**2),
        ("512m", 512 * 1024**2),
        ("512MB", 512 * 1024**2),
        ("512 MB", 512 * 1024**2),
        ("512Mi", 512 * 1024**2),
        ("512MiB", 512 * 1024**2),
        ("1 GiB", 1024**3),
        ("1g", 1024**3),
        ("1.5G", 1024**3 * 3 // 2),
        ("0.5 K", 512),
        ("2T", 2 * 1024**4),
        ("1K", 1024),
        ("90", 90),
        ("90B", 90),
        ("90 b", 90),
        (90, 90),
        (90.0, 90),
        ("  90  ", 90),
    ],
)
def test_a_size_is_read_in_bytes(text, size):
    assert parse_size(text) == size
    assert isinstance(parse_size(text), int)


@pytest.mark.parametrize(
    "text", NO_QUANTITIES + ["20s", "1m30s", "5P", "5X", "0.4"], ids=_shorten
)
def test_what_is_no_size_is_an_error_that_shows_one(text):
    with pytest.raises(ValueError, match="such as 512M or 1 GiB"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("20s", 20),
        ("20 s", 20),
        ("20S", 20),
        ("1m30s", 90),
        ("1m 30s", 90),
        ("1 m 30 s", 90),
        ("2h", 7200),
        ("1h1m1s", 3661),
        ("500ms", 0.5),
        ("1.5s", 1.5),
        ("0m1s", 1),
        ("90", 90),
        ("0.5", 0.5),
        (90, 90),
        (0.5, 0.5),
        ("  20s  ", 20),
    ],
)
def test_a_time_is_read_in_seconds(text, seconds):
    assert math.isclose(parse_duration(text), seconds)


@pytest.mark.parametrize(
    "text", NO_QUANTITIES + ["512K", "1 GiB", "s20", "5d", "5min"], ids=_shorten
)
def test_what_is_no_time_is_an_error_that_shows_one(text):
    with pytest.raises(ValueError, match="such as 20s or 1m30s"):
        parse_duration(text)


@given(st.integers(min_value=1, max_value=10**15), st.sampled_from(" KMGT"))
def test_every_whole_size_is_exact(number, unit):
    size = number * 1024 ** " KMGT".index(unit)
    assert parse_size("{}{}".format(number, unit)) == size


@given(st.integers(0, 999), st.integers(0, 59), st.integers(1, 59))
def test_the_parts_of_a_time_are_added(hours, minutes, seconds):
    text = "{}h{}m{}s".format(hours, minutes, seconds)
    assert parse_duration(text) == hours * 3600 + minutes * 60 + seconds


@given(
    st.one_of(
        st.text(),
        st.from_regex(r"[\d.]{1,400}\s?[a-zA-Z]{0,3}"),
        st.floats(),
        st.none(),
    )
)
def test_whatever_is_written_is_a_number_above_zero_or_a_value_error(value):
    for parse in (parse_size, parse_duration):
        try:
            number = parse(value)
        except ValueError:
            continue
        assert 0 < number < math.inf


@given(st.integers(1, 10**6), st.integers(0, 3))
def test_what_is_written_is_read_as_the_same(number, exponent):
    size = number * 1024**exponent
    assert parse_size(format_size(size)) == size
    assert parse_duration(format_duration(number)) == number


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (90, "90B"),
        (1000, "1000B"),
        (1536, "1536B"),
        (16 * 1024, "16K"),
        (512 * 1024**2, "512M"),
        (1536 * 1024**2, "1536M"),
        (2 * 1024**3, "2G"),
        (1024**4, "1T"),
        (1024**5, "1024T"),
    ],
)
def test_a_size_is_written_in_the_largest_unit_that_leaves_it_whole(size, text):
    assert format_size(size) == text
