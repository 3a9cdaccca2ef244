"""The JSON Schema of `model.yaml`."""

import json
import os
import re
import shutil

import jsonschema
import pytest
import yaml
from flask_psc_model.model.metadata import _loaded
from flask_psc_model.model.units import parse_duration, parse_size
from flask_psc_model.tools.checklist.metadata import find_schema_problems
from flask_psc_model.tools.checklist.point import Point
from hypothesis import example, given
from hypothesis import strategies as st

from .template import TEMPLATE
from .test_checklist import METADATA
from .test_units import NO_QUANTITIES

with open(os.path.join(TEMPLATE, "model.schema.json"), encoding="utf-8") as file:
    SCHEMA = json.load(file)


def list_problems(folder, metadata):
    """Return the problems of a `model.yaml`, as text."""
    shutil.copy(os.path.join(TEMPLATE, "model.schema.json"), str(folder))
    path = folder / "model.yaml"
    path.write_text(yaml.safe_dump(metadata, allow_unicode=True), encoding="utf-8")
    # the folder of a test that has passed is another test's, if pytest removes it
    _loaded.clear()
    found = Point("", find_schema_problems).list_problems(str(folder))
    return [str(problem) for problem in found]


def change(key, value):
    """Return valid metadata with another value under a key, or without it."""
    metadata = yaml.safe_load(METADATA)
    *parents, name = key
    holder = metadata
    for parent in parents:
        holder = holder[parent]
    if value is None and name in holder:
        del holder[name]
    else:
        holder[name] = value
    return metadata


def list_keys(value, path=()):
    """Yield the path of every key in metadata, those of mappings included."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield path + (key,)
            yield from list_keys(item, path + (key,))


KEYS = list(list_keys(yaml.safe_load(METADATA)))

#: The files may have any name, and how large they are need not be said.
OPTIONAL = {"input.txt", "results.json", "maxSize", "description"}


def test_the_schema_is_one():
    jsonschema.Draft7Validator.check_schema(SCHEMA)


def list_schemas(schema, path=""):
    """Yield every part of a schema that describes a key."""
    for name, part in schema.get("properties", {}).items():
        yield path + name, part
        yield from list_schemas(part, path + name + ".")
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from list_schemas(schema[key], path)


@pytest.mark.parametrize(("name", "part"), list(list_schemas(SCHEMA)))
def test_every_key_has_a_description_that_an_editor_shows(name, part):
    assert part["description"].endswith("."), name
    assert part["description"].strip(), name


def test_valid_metadata_has_no_problem(tmp_path):
    assert list_problems(tmp_path, yaml.safe_load(METADATA)) == []


@pytest.mark.parametrize(
    "key", [key for key in KEYS if key[-1] not in OPTIONAL or len(key) == 1]
)
def test_a_key_that_is_missing_is_named(key, tmp_path):
    [problem] = list_problems(tmp_path, change(key, None))
    where = ".".join(key)
    assert problem.startswith("model.yaml, {}: is missing; it should be".format(where))


@pytest.mark.parametrize("key", KEYS)
def test_a_value_of_a_wrong_kind_is_named(key, tmp_path):
    value = yaml.safe_load(METADATA)
    for part in key:
        value = value[part]
    other = 7.5 if isinstance(value, (dict, list)) else ["x"]
    [problem] = list_problems(tmp_path, change(key, other))
    where = ".".join(key)
    assert problem.startswith(
        "model.yaml, {}: is {!r}; it should be".format(where, other)
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (("version",), "1.2"),
        (("version",), "1.2.x"),
        (("version",), 1.2),
        (("name",), " "),
        (("inputs",), {}),
        (("inputs", "input.txt", "acceptedMediaTypes"), []),
        (("resources", "cpu", "count"), 0),
        (("resources", "gpu", "count"), 0.5),
        (("resources", "gpu", "count"), True),
        (("metrics",), [{"label": "A", "type": "b", "value": "x", "description": ""}]),
        # a number by the schema, but not a number of CPUs
        (("resources", "cpu", "count"), float("inf")),
    ],
)
def test_a_value_that_means_nothing_is_a_problem(key, value, tmp_path):
    [problem] = list_problems(tmp_path, change(key, value))
    assert key[0] in problem


def test_a_blank_value_is_called_so(tmp_path):
    metadata = yaml.safe_load(METADATA)
    metadata["timeout"]["run"] = None
    [problem] = list_problems(tmp_path, metadata)
    assert problem.startswith("model.yaml, timeout.run: is blank; it should be")


def test_more_keys_than_the_schema_has_are_fine(tmp_path):
    assert list_problems(tmp_path, change(("own",), {1: "x", "y": [2]})) == []


def accepts(definition, value):
    """Return whether a definition of the schema accepts a value."""
    part = dict(SCHEMA, **{"$ref": "#/definitions/" + definition})
    return jsonschema.Draft7Validator(part).is_valid(value)


def parses(parse, value):
    """Return whether the server accepts a value."""
    try:
        parse(value)
    except ValueError:
        return False
    return True


NUMBERS = st.sampled_from(["0", "1", "20", "0.5", "00", "1.", ".5", "-1", "1e3", "1,5"])
UNITS = ["", "k", "K", "m", "M", "ms", "S", "h", "G", "T", "B", "MB", "Mi", "GiB", "iB"]
TEXTS = st.lists(
    st.tuples(NUMBERS, st.sampled_from(["", " "]), st.sampled_from(UNITS)).map("".join),
    min_size=1,
    max_size=3,
).map("".join)


@given(st.one_of(TEXTS, st.integers(-2, 100), st.booleans(), st.none()))
@example(" 20s ")
@example("1 m 30 s")
@example("0M")
@example("0m0s")
@example("s")
@example("00.5")
def test_the_schema_takes_the_sizes_and_times_that_the_server_reads(value):
    assert accepts("time", value) is parses(parse_duration, value)
    # a part of a byte is left to the server
    if not re.match(r"0+\.5", str(value)):
        assert accepts("size", value) is parses(parse_size, value)


#: Those that JSON has; that no number goes on for ever is left to the server.
REFUSED = [
    value
    for value in NO_QUANTITIES
    if not isinstance(value, (bytes, float)) and len(str(value)) < 100
]


@pytest.mark.parametrize("value", REFUSED, ids=repr)
def test_what_is_no_quantity_is_refused(value):
    assert not accepts("size", value)
    assert not accepts("time", value)
