"""Ask a model's server for its status."""

import os
import sys

import click

from ..client import Client
from ..model.spec import Limits, ModelSpec

#: Seconds that an answer may take beyond the loading of the model.
ANSWER_SECONDS = 5


@click.command()
@click.option(
    "--url",
    envvar="PSC_MODEL_URL",
    show_envvar=True,
    help="Where the server listens; by default this machine, at PSC_MODEL_PORT.",
)
def main(url: str) -> None:
    """Ask a model's server for its status.

    The exit status is 0 if the model is ready, and 1 if not. The image's health check
    asks this way.

    \b
    Example:
      python -m flask_psc_model.cli.check_status --url http://localhost:8080
    """
    try:
        answer = Client(url or local_url(), find_timeout()).get("/status")
        click.echo(f"{answer.status_code}: {answer.message}")
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    sys.exit(answer.status_code != 200)


def local_url() -> str:
    """Return the URL of the server that was told its port by this environment."""
    return "http://127.0.0.1:{}".format(os.environ.get("PSC_MODEL_PORT") or 8080)


def find_timeout() -> float:
    """Return the seconds to wait for an answer, by the `model.yaml` here.

    Raises:
        ValueError: the file or a value in it is wrong.
    """
    try:
        limits = ModelSpec.load(os.getcwd()).limits
    except OSError:
        limits = Limits()
    return limits.status_timeout + ANSWER_SECONDS


if __name__ == "__main__":
    main()
