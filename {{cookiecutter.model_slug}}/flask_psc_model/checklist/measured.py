"""Whether `resources` and `timeout` were measured."""

import os
from typing import Iterator

from ..limits import Limits
from ..measurement.record import FILENAME, Record
from ..metadata import load_metadata
from .point import Problem

COMMAND = "python -m flask_psc_model.cli.measure IMAGE --write"


def find_unmeasured(folder: str) -> Iterator[Problem]:
    """Yield what was not measured, or is less than what was."""
    path = os.path.join(folder, "model.yaml")
    metadata = load_metadata(path)
    try:
        record = Record.load(folder)
    except FileNotFoundError:
        yield Problem(
            "model.yaml, resources and timeout",
            "are not measured: build the image, and run " + COMMAND,
        )
        return
    except ValueError as error:
        yield Problem(FILENAME, "is {}: run {}".format(error, COMMAND))
        return
    version = str(metadata.get("version"))
    if version != record.version:
        yield Problem(
            "model.yaml, version",
            "is {}, and version {} was measured: run {}".format(
                version, record.version, COMMAND
            ),
        )
    yield from _find_too_little(Limits(metadata), record)


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
                "allows {:g} {}, and {:g} were measured: raise it".format(
                    allowed, unit, used
                ),
            )
