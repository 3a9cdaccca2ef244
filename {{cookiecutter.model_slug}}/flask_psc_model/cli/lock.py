"""Renew the pinned requirements of a repository."""

import os
from typing import Optional

import click

from ..model.metadata import find_metadata
from . import exit_with_error
from ._options import ToolCommand


@click.command(cls=ToolCommand)
@click.option(
    "--python",
    metavar="VERSION",
    show_default="that of the Dockerfile",
    help="Python of the image, such as 3.12.",
)
def main(python: Optional[str]) -> None:
    """Renew the pinned packages for the image's Python.

    Run it in the repository after a change of requirements.in or requirements-dev.in. It
    needs uv, which may be installed for another Python, or pip-tools in an environment
    of the image's Python.

    \b
    Example:
      python -m flask_psc_model.cli.lock
    """
    from ..tools.lock import LockFailed, lock

    try:
        folder = os.path.dirname(find_metadata(os.getcwd()))
        for line in lock(folder, python):
            click.echo(line)
    except (LockFailed, OSError, ValueError) as error:
        exit_with_error(error)


if __name__ == "__main__":
    main()
