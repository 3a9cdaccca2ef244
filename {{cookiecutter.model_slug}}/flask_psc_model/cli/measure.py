"""Measure the time and the memory that the model needs."""

import signal
import sys
from typing import Optional

import click

from . import ToolCommand, engine_option


@click.command(cls=ToolCommand)
@click.argument("image", required=False)
@click.option(
    "--write",
    is_flag=True,
    help="Put the proposed values into model.yaml, and what was measured into"
    " measurement.json beside it.",
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
@engine_option
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
    from ..tools.containers.engine import EngineError
    from ..tools.measurement.session import measure_model
    from ..tools.measurement.subject import MeasurementFailed

    # as an exception, so that what was started is stopped on the way out
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        measure_model(image, write, starts, runs, data_folder, engine)
    except (EngineError, MeasurementFailed, OSError, ValueError) as error:
        click.echo("error: {}".format(" ".join(str(error).split())), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
