"""One call of `measure`: what to measure, the figures on the terminal, and the files."""

import os
import sys
from functools import partial
from typing import Dict, List, Optional

import click

from ...model.cases import Case, list_cases
from ...model.metadata import find_metadata, load_metadata
from ...model.spec import ModelSpec
from ..containers.engine import Engine
from ..metadata_file import MetadataFile
from .measurement import Measurement, Plan, measure
from .proposal import EXAMPLE, propose
from .record import FILENAME, save_record
from .report import list_measured, list_proposed
from .subject import (
    MeasurementFailed,
    Start,
    make_open_limits,
    start_container,
    start_locally,
)


def measure_model(
    image: Optional[str],
    write: bool,
    starts: int,
    runs: int,
    data_folder: Optional[str],
    engine: str,
) -> None:
    """Measure the model of the working directory and show the figures.

    Args:
        image: to measure in containers; None for the server on this machine.
        write: put the proposal into `model.yaml`, with a record beside it.
        starts: of the server.
        runs: of each case after each start.
        data_folder: of the cases; `tests/data` beside `model.yaml` by default.
        engine: runs the containers.

    Raises:
        EngineError: the engine does not do what it should, or has no such image.
        MeasurementFailed: there are no cases, or a case fails.
        OSError: a file is missing, or cannot be read or written.
        ValueError: `model.yaml` is wrong.
    """
    path = find_metadata(os.getcwd())
    folder = os.path.dirname(path)
    if write:
        # a key that is missing is told now, not when all is measured
        MetadataFile(path).change(EXAMPLE)
    plan = Plan(
        _list_examples(data_folder or os.path.join(folder, "tests", "data")),
        _list_inputs(path),
        starts,
        runs,
    )
    start = _choose_start(image, engine, folder)
    measurement = _measure(start, plan)
    proposed = propose(measurement)
    _show(measurement, proposed, path)
    if write:
        _write(measurement, proposed, path, image)
    else:
        click.echo("Give --write to put these values into model.yaml.")


def _list_examples(data_folder: str) -> List[Case]:
    folder = os.path.join(data_folder, "examples")
    cases = list_cases(folder) if os.path.isdir(folder) else []
    if not cases:
        raise MeasurementFailed(
            f"there are no cases in {folder}: add a folder for each, with its input"
            " files"
        )
    return cases


def _list_inputs(path: str) -> List[str]:
    inputs = ModelSpec.load(path).inputs
    if not inputs:
        raise MeasurementFailed(
            f"{path}: inputs should name the files that the model reads"
        )
    return list(inputs)


def _choose_start(image: Optional[str], engine_name: str, folder: str) -> Start:
    if not image:
        return partial(start_locally, folder)
    engine = Engine(engine_name)
    engine.check()
    engine.inspect_image(image)
    return partial(start_container, engine, image, make_open_limits(folder))


def _measure(start: Start, plan: Plan) -> Measurement:
    with click.progressbar(
        length=plan.count_steps(), label="measuring", file=sys.stderr
    ) as bar:

        def report(doing: str, done: int) -> None:
            bar.label = doing
            bar.update(done)
            bar.render_progress()

        return measure(start, plan, report)


def _show(measurement: Measurement, proposed: Dict[str, str], path: str) -> None:
    for line in list_measured(measurement):
        click.echo(line)
    click.echo()
    for line in list_proposed(proposed, load_metadata(path)):
        click.echo(line)
    click.echo()


def _write(
    measurement: Measurement, proposed: Dict[str, str], path: str, image: Optional[str]
) -> None:
    file = MetadataFile(path)
    file.change(proposed)
    file.save()
    folder = os.path.dirname(path)
    version = ModelSpec.load(path).version
    save_record(folder, measurement, image or "the server on this machine", version)
    click.echo(f"Wrote {path} and {os.path.join(folder, FILENAME)}.")
