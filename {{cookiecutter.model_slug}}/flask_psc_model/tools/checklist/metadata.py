"""Whether `model.yaml` follows its schema, was measured, and fits image and Dockerfile."""

import json
import os
import shutil
from importlib import import_module
from typing import Any, Dict, Iterator, List, Tuple

from ...model.metadata import load_metadata
from ...model.spec import Limits, ModelSpec
from .. import show_name
from ..containers.engine import Engine, EngineError
from ..dockerfile import DOCKERFILE
from ..files import read_text
from ..health_check import find_wrong_times
from ..image_files import describe_outdated, find_outdated
from ..measurement.record import FILENAME as RECORD
from ..measurement.record import Record
from .point import Problem

SCHEMA = "model.schema.json"

#: The container engines, the preferred one first.
ENGINES = ("docker", "podman")


class CannotValidate(Exception):
    """The package `jsonschema` is missing; the message explains how to install it."""


def import_jsonschema() -> Any:
    """Return the package `jsonschema`, which images do not have.

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
    """Yield where `model.yaml` breaks its schema."""
    metadata = load_metadata(os.path.join(folder, "model.yaml"))
    schema = json.loads(read_text(os.path.join(folder, SCHEMA)))
    problems = list(_validate(_to_plain(metadata), schema))
    yield from problems
    if not problems:
        # what the server itself would reject
        ModelSpec.decode(metadata)


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
    # each missing key is an error of its own, which does not name the key
    for key in error.validator_value:
        if key not in error.instance:
            yield _make_problem(
                path + [key], "is missing", error.schema["properties"][key]
            )


def _make_problem(path: List[Any], problem: str, schema: Dict[str, Any]) -> Problem:
    where = ".".join(map(str, path))
    return Problem(
        "model.yaml, " + where if where else "model.yaml",
        f"{problem}; it should be this: {schema['description']}",
    )


def _get_position(error: Any) -> Tuple[str, ...]:
    return tuple(map(str, error.absolute_path))


def _to_plain(value: Any) -> Any:
    """Return frozen metadata as dicts and lists."""
    if isinstance(value, dict):
        return {key: _to_plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_to_plain(item) for item in value]
    return value


COMMAND = "python -m flask_psc_model.cli.measure IMAGE --write"


def find_unmeasured(folder: str) -> Iterator[Problem]:
    """Yield the values of `model.yaml` that no measurement covers."""
    try:
        record = Record.load(folder)
    except FileNotFoundError:
        yield Problem(
            "model.yaml, resources and timeout",
            f"are not measured: build the image, and run {COMMAND}",
        )
        return
    except ValueError as error:
        yield Problem(RECORD, f"is {error}: measure again, run {COMMAND}")
        return
    spec = ModelSpec.decode(load_metadata(os.path.join(folder, "model.yaml")))
    if spec.version != record.version:
        yield Problem(
            "model.yaml, version",
            f"is {spec.version}, and version {record.version} was measured: measure again,"
            f" run {COMMAND}",
        )
    yield from _find_too_little(spec.limits, record)


def find_outdated_image(folder: str) -> Iterator[Problem]:
    """Yield the files that the measured image has as they were before.

    An image that this machine does not have is skipped.
    """
    try:
        image = Record.load(folder).subject
    except (OSError, ValueError):
        # another point names it
        return
    engine = Engine(next(filter(shutil.which, ENGINES), ""))
    try:
        can_look = image and engine.command
        outdated = find_outdated(engine, image, folder) if can_look else []
    except EngineError:
        return
    if outdated:
        yield Problem(f"image {show_name(image)}", describe_outdated(outdated))


def find_short_health_check(folder: str) -> Iterator[Problem]:
    """Yield the times of the image's health check that are below `timeout.status`."""
    metadata = load_metadata(os.path.join(folder, "model.yaml"))
    # other points name what is wrong in the file
    spec = ModelSpec.decode(metadata, strict=False)
    for problem in find_wrong_times(folder, spec.limits.status_timeout):
        yield Problem(DOCKERFILE, problem)


def _find_too_little(limits: Limits, record: Record) -> Iterator[Problem]:
    measured = {
        "resources.memory.size": (limits.memory or 0, record.peak_memory, "bytes"),
        "timeout.status": (limits.status_timeout, record.load_seconds, "seconds"),
        "timeout.run": (limits.run_timeout, record.run_seconds, "seconds"),
    }
    for key, (allowed, used, unit) in measured.items():
        if allowed < used:
            yield Problem(
                "model.yaml, " + key,
                f"allows {allowed:g} {unit}, and {used:g} were measured: raise it",
            )
