"""Measure how much time and memory the model needs."""

from typing import Optional

import click

from . import exit_with_error
from ._options import ToolCommand, data_option, engine_option


@click.command(cls=ToolCommand)
@click.argument("image", required=False)
@click.option(
    "--write",
    is_flag=True,
    help="Write the proposed values to model.yaml, the measurement to measurement.json"
    " beside it, and the times of HEALTHCHECK to the Dockerfile.",
)
@click.option(
    "--starts",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Number of times to start the server.",
)
@click.option(
    "--runs",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="Number of runs of each case after each start.",
)
@data_option
@engine_option
def main(
    image: Optional[str],
    write: bool,
    starts: int,
    runs: int,
    data_folder: Optional[str],
    engine: str,
) -> None:
    """Measure how much time and memory the model needs.

    Runs the example cases in containers of IMAGE, or on the repository's own server if
    there is no IMAGE, and proposes `resources` and `timeout` for model.yaml. Containers
    have the CPUs of model.yaml and no memory limit. Run it in the repository.

    \b
    Example:
      python -m flask_psc_model.cli.measure my-model:latest --write
    """
    from ..tools.containers.engine import EngineError
    from ..tools.containers.shared_folder import FolderFailed
    from ..tools.interrupts import end_on_signals
    from ..tools.measurement.session import measure_model
    from ..tools.measurement.subject import MeasurementFailed

    end_on_signals()
    try:
        measure_model(image, write, starts, runs, data_folder, engine)
    except (
        EngineError,
        FolderFailed,
        MeasurementFailed,
        OSError,
        ValueError,
    ) as error:
        exit_with_error(error)


if __name__ == "__main__":
    main()
