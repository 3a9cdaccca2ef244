"""One call of `measure`: prepare, measure, print the figures, write the files."""

import os
import sys
from functools import partial
from typing import Dict, List, Optional

import click

from ...model.cases import list_cases
from ...model.metadata import Metadata, find_metadata, load_metadata
from ...model.spec import ModelSpec
from ...model.units import parse_duration
from ..containers.engine import Engine, EngineError
from ..health_check import write_times
from ..image_files import describe_outdated, find_outdated
from ..metadata_file import MetadataFile
from .measurement import Measurement, Plan, measure
from .proposal import EXAMPLE, propose
from .record import FILENAME, save_record
from .report import list_measured, list_proposed
from .subject import (
    Inputs,
    MeasurementFailed,
    Start,
    make_open_limits,
    start_container,
    start_locally,
)

LOCAL_NOTE = (
    "The memory is lower here than in a container, since it is that of the processes"
    " only: measure the image before you ship it."
)


def measure_model(
    image: Optional[str],
    write: bool,
    starts: int,
    runs: int,
    data_folder: Optional[str],
    engine: str,
) -> None:
    """Measure the model of the working directory and print the figures.

    Args:
        image: to measure in containers; None for the repository's own server.
        write: write the proposal to `model.yaml`, a record beside it, and the times of
            the health check to the Dockerfile.
        starts: of the server.
        runs: of each case after each start.
        data_folder: of the cases; by default `tests/data` beside `model.yaml`.
        engine: runs the containers.

    Raises:
        EngineError: the engine fails, or has no such image.
        FolderFailed: this machine cannot keep the files of the jobs.
        MeasurementFailed: there are no cases, or a case fails.
        OSError: a file is missing, or cannot be read or written.
        ValueError: `model.yaml` is wrong.
    """
    path = find_metadata(os.getcwd())
    folder = os.path.dirname(path)
    if write:
        # report a missing key now, not after the measurement
        MetadataFile(path).change(EXAMPLE)
    data_folder = data_folder or os.path.join(folder, "tests", "data")
    plan = Plan(_read_jobs(data_folder, _list_inputs(path)), starts, runs)
    start = _choose_start(image, engine, folder)
    measurement = _measure(start, plan)
    proposed = propose(measurement)
    metadata = load_metadata(path)
    dockerfile = None
    try:
        # before the output, whose reader may have gone
        if write:
            dockerfile = _write(measurement, proposed, path, image)
    finally:
        _show(measurement, proposed, metadata)
    if not image:
        click.echo(LOCAL_NOTE)
    if write:
        record = os.path.join(os.path.dirname(path), FILENAME)
        click.echo(f"Wrote {path} and {record}.")
        if dockerfile:
            click.echo(f"Set the times of HEALTHCHECK in {dockerfile}.")
        outdated = _find_outdated(engine, image, folder) if image else []
        if outdated:
            click.echo(f"The image {describe_outdated(outdated)}.")
    else:
        click.echo(f"Add --write to put these values into {path}.")


def _find_outdated(engine_name: str, image: str, folder: str) -> List[str]:
    try:
        return find_outdated(Engine(engine_name), image, folder)
    except (EngineError, OSError, ValueError):
        # all is written: the checklist names what else is wrong
        return []


def _read_jobs(data_folder: str, names: List[str]) -> Dict[str, Inputs]:
    """Return the input files of each example case by its name."""
    folder = os.path.join(data_folder, "examples")
    cases = list_cases(folder) if os.path.isdir(folder) else []
    if not cases:
        raise MeasurementFailed(
            f"there are no cases in {folder}: add a folder for each, with its input"
            " files"
        )
    return {case.name: case.read_inputs(names) for case in cases}


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


def _show(
    measurement: Measurement, proposed: Dict[str, str], metadata: Metadata
) -> None:
    for line in list_measured(measurement):
        click.echo(line)
    click.echo()
    for line in list_proposed(proposed, metadata):
        click.echo(line)
    click.echo()


def _write(
    measurement: Measurement, proposed: Dict[str, str], path: str, image: Optional[str]
) -> Optional[str]:
    """Write all files; return the path of the Dockerfile if its times were set."""
    file = MetadataFile(path)
    file.change(proposed)
    subject = image or "the server on this machine"
    version = ModelSpec.load(path).version
    save_record(os.path.dirname(path), measurement, subject, version)
    file.save()
    seconds = parse_duration(proposed["timeout.status"])
    return write_times(os.path.dirname(path), seconds)
