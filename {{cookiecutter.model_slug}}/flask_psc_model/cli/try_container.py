"""Build the image, and run one job in a container of it."""

import os
import signal
import sys
from typing import Optional, Sequence

import click

from ..model.spec import ModelSpec
from . import exit_with_error
from ._options import ToolCommand, engine_option

#: The exit status if the job could not be run.
NOT_RUN = 2


@click.command(cls=ToolCommand)
@click.argument("files", nargs=-1)
@click.option("--keep", is_flag=True, help="Leave the container running.")
@click.option(
    "--output",
    "-o",
    "output_folder",
    type=click.Path(file_okay=False),
    help="Folder to copy the outputs to.",
)
@click.option("--tag", show_default="the folder's name", help="Name of the image.")
@click.option(
    "--build-option",
    "build_options",
    multiple=True,
    metavar="OPTION",
    help="Option for the build, such as --build-option=--secret=id=pip,src=pip.conf.",
)
@click.option(
    "--gpus",
    type=click.IntRange(min=0),
    show_default="that of model.yaml",
    help="Number of GPUs of the container.",
)
@engine_option
def main(
    files: Sequence[str],
    keep: bool,
    output_folder: Optional[str],
    tag: Optional[str],
    build_options: Sequence[str],
    gpus: Optional[int],
    engine: str,
) -> None:
    """Build the image, and run one job on FILES in a container.

    Each of FILES is for the input whose name it has, or that it names, as in
    photo.png=cat.png; the others are for the other inputs, in the order of model.yaml.
    The container has the resources of model.yaml, and is removed at the end. Run the
    command in the repository.

    The exit status is 0 if the job got 200, 1 if not, and 2 if it could not be run.

    \b
    Examples:
      python -m flask_psc_model.cli.try_container cat.png settings.json
      python -m flask_psc_model.cli.try_container settings.json photo.png=cat.png
    """
    from ..tools.container_job import Request, make_tag, match_files, try_container
    from ..tools.containers.container import ServerUnreachable
    from ..tools.containers.engine import Engine, EngineError
    from ..tools.containers.shared_folder import FolderFailed
    from ..tools.interrupts import end_on_signals

    end_on_signals()
    try:
        spec = ModelSpec.load(".")
        if not spec.inputs:
            raise ValueError(f"{spec.path}: inputs should name the model's files")
        if gpus is not None:
            spec = spec._replace(limits=spec.limits._replace(gpus=gpus))
        request = Request(
            tag or make_tag(os.path.dirname(spec.path)),
            match_files(files, list(spec.inputs)),
            build_options,
            output_folder,
            keep,
        )
        is_done = try_container(Engine(engine), spec, request)
    except (OSError, ValueError, EngineError, FolderFailed, ServerUnreachable) as error:
        exit_with_error(error, NOT_RUN)
    except KeyboardInterrupt:
        click.echo("interrupted: left no container", err=True)
        sys.exit(128 + signal.SIGINT)
    sys.exit(0 if is_done else 1)


if __name__ == "__main__":
    main()
