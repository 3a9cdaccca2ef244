"""Measure the time and the memory that the model needs."""

import os
import signal
import sys
from functools import partial
from typing import Dict, List, Optional

import click

from ..cases import Case, list_cases
from ..container import ENGINES, Engine, EngineError
from ..measurement.measurement import Measurement, Plan, measure
from ..measurement.proposal import EXAMPLE, propose
from ..measurement.record import FILENAME, save_record
from ..measurement.report import list_measured, list_proposed
from ..measurement.subject import (
    MeasurementFailed,
    Start,
    make_open_limits,
    start_container,
    start_locally,
)
from ..metadata import find_metadata, load_metadata
from ..metadata_file import MetadataFile


@click.command()
@click.argument("image", required=False)
@click.option(
    "--write",
    is_flag=True,
    help="Put the proposed values into model.yaml, and what was measured into"
    " " + FILENAME + " beside it.",
)
@click.option(
    "--starts",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="How often to start the server.",
)
@click.option(
    "--runs",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="How often to run each case after each start.",
)
@click.option(
    "--data",
    "data_folder",
    help="The folder of the cases; tests/data beside model.yaml by default.",
)
@click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default=ENGINES[0],
    show_default=True,
    help="The container engine of this machine.",
)
def main(
    image: Optional[str],
    write: bool,
    starts: int,
    runs: int,
    data_folder: Optional[str],
    engine: str,
) -> None:
    """Measure the time and the memory that the model needs.

    Runs the example cases in containers of IMAGE, or, without IMAGE, on the server of
    this repository, and proposes `resources` and `timeout` for model.yaml. Run it in
    the folder of the repository. Containers have the processors of model.yaml and no
    memory limit.

    \b
    Example:
      python -m flask_psc_model.cli.measure my-model:latest --write
    """
    # as an exception, so that what was started is stopped on the way out
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
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
    except (EngineError, MeasurementFailed, OSError, ValueError) as error:
        click.echo("error: {}".format(" ".join(str(error).split())), err=True)
        sys.exit(1)


def _list_examples(data_folder: str) -> List[Case]:
    folder = os.path.join(data_folder, "examples")
    cases = list_cases(folder) if os.path.isdir(folder) else []
    if not cases:
        raise MeasurementFailed(
            "there are no cases in {}: add a folder for each, with its input"
            " files".format(folder)
        )
    return cases


def _list_inputs(path: str) -> List[str]:
    inputs = load_metadata(path).get("inputs")
    if not isinstance(inputs, dict):
        raise MeasurementFailed(
            "{}: inputs should name the files that the model reads".format(path)
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
    version = str(load_metadata(path).get("version"))
    save_record(folder, measurement, image or "the server on this machine", version)
    click.echo("Wrote {} and {}.".format(path, os.path.join(folder, FILENAME)))


if __name__ == "__main__":
    main()
