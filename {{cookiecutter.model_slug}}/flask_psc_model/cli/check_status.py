"""Print the status of a model's server."""

import os
import sys

import click

from ..client import Client
from ..model.spec import Limits, ModelSpec
from . import exit_with_error

#: Seconds that a response may take beyond the loading of the model.
RESPONSE_SECONDS = 5


@click.command()
@click.option(
    "--url",
    envvar="PSC_MODEL_URL",
    show_envvar=True,
    help="URL of the server; by default this machine, on port PSC_MODEL_PORT.",
)
def main(url: str) -> None:
    """Print the status of a model's server.

    The exit status is 0 if the model is ready, else 1. The image's health check runs
    this command.

    \b
    Example:
      python -m flask_psc_model.cli.check_status --url http://localhost:8080
    """
    try:
        response = Client(url or local_url(), find_timeout()).get("/status")
        click.echo(f"{response.status_code}: {response.message}")
    except (OSError, ValueError) as error:
        exit_with_error(error)
    sys.exit(response.status_code != 200)


def local_url() -> str:
    """Return the URL of this machine's server, whose port is `PSC_MODEL_PORT`."""
    return f"http://127.0.0.1:{os.environ.get('PSC_MODEL_PORT') or 8080}"


def find_timeout() -> float:
    """Return the seconds to wait for a response, by the `model.yaml` here.

    Raises:
        ValueError: the file or a value in it is wrong.
    """
    try:
        limits = ModelSpec.load(os.getcwd()).limits
    except OSError:
        limits = Limits()
    return limits.status_timeout + RESPONSE_SECONDS


if __name__ == "__main__":
    main()
