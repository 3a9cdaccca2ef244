"""`model.yaml` against the JSON Schema that stands beside it."""

import json
import os
from importlib import import_module
from typing import Any, Dict, Iterator, List, Tuple

from ..limits import Limits
from ..metadata import load_metadata
from .point import Problem

FILENAME = "model.schema.json"


class CannotValidate(Exception):
    """The package `jsonschema` is missing; the message says how to get it."""


def import_jsonschema() -> Any:
    """Return the package that validates.

    It is no part of the image, so that it is imported only when it is needed.

    Raises:
        CannotValidate: it is not installed.
    """
    try:
        return import_module("jsonschema")
    except ImportError as error:
        raise CannotValidate(
            "the package jsonschema is not installed: pip install -r"
            " requirements-dev.txt"
        ) from error


def find_schema_problems(folder: str) -> Iterator[Problem]:
    """Yield where `model.yaml` does not follow the schema, or cannot be read."""
    metadata = load_metadata(os.path.join(folder, "model.yaml"))
    with open(os.path.join(folder, FILENAME), encoding="utf-8") as file:
        schema = json.load(file)
    problems = list(_validate(_to_plain(metadata), schema))
    yield from problems
    if not problems:
        # what the server itself would refuse
        Limits(metadata)


def _validate(content: Any, schema: Dict[str, Any]) -> Iterator[Problem]:
    validator = import_jsonschema().Draft7Validator(schema)
    seen = set()
    for error in sorted(validator.iter_errors(content), key=_get_position):
        path = list(error.absolute_path)
        for problem in _describe(error, path):
            if str(problem) not in seen:
                seen.add(str(problem))
                yield problem


def _describe(error: Any, path: List[Any]) -> Iterator[Problem]:
    if error.validator != "required":
        shown = "blank" if error.instance in (None, "") else repr(error.instance)
        yield _make_problem(path, "is " + shown, error.schema)
        return
    # there is one error for each key that is missing, and none names it
    for key in error.validator_value:
        if key not in error.instance:
            yield _make_problem(
                path + [key], "is missing", error.schema["properties"][key]
            )


def _make_problem(path: List[Any], problem: str, schema: Dict[str, Any]) -> Problem:
    where = ".".join(map(str, path))
    return Problem(
        "model.yaml, " + where if where else "model.yaml",
        "{}; it should be this: {}".format(problem, schema["description"]),
    )


def _get_position(error: Any) -> Tuple[str, ...]:
    return tuple(map(str, error.absolute_path))


def _to_plain(value: Any) -> Any:
    """Turn frozen metadata into what JSON has."""
    if isinstance(value, dict):
        return {key: _to_plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_to_plain(item) for item in value]
    return value
