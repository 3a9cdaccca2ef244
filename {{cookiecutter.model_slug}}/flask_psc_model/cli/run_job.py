"""Run one job on a model's server."""

import os
import socket
from typing import Optional

import click

from ..client import Client, Response, parse_url
from ..model.units import parse_duration
from . import exit_with_error
from ._options import Command


def _parse_timeout(
    context: click.Context, parameter: click.Parameter, text: Optional[str]
) -> Optional[float]:
    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command(cls=Command)
@click.option(
    "--url",
    envvar="PSC_MODEL_URL",
    show_envvar=True,
    prompt="URL of the model's server",
    help="URL of the server, with or without /run.",
)
@click.option(
    "--input",
    "-i",
    "input_folder",
    envvar="PSC_MODEL_INPUT",
    show_envvar=True,
    prompt="Folder of the input files",
    help="Folder of the input files: a path on the server.",
)
@click.option(
    "--output",
    "-o",
    "output_folder",
    envvar="PSC_MODEL_OUTPUT",
    show_envvar=True,
    prompt="Folder for the output files",
    help="Folder for the output files: a path on the server.",
)
@click.option(
    "--timeout",
    callback=_parse_timeout,
    show_default="no limit",
    help="Time to wait for each response, such as 90s or 10m.",
)
def main(
    url: str, input_folder: str, output_folder: str, timeout: Optional[float]
) -> None:
    """Run one job on a model's server.

    The folders are paths on the server: in a container started with
    -v /home/me/data:/data, the host's /home/me/data/in is /data/in.

    \b
    Example:
      python -m flask_psc_model.cli.run_job --url http://localhost:8080 \\
          --input /data --output /data
    """
    job = {
        "type": "file",
        "input": local_path(input_folder),
        "output": local_path(output_folder),
    }
    try:
        client = Client(url, timeout)
        click.echo(f"GET {client.url}/status")
        _show(client.get("/status"))
        click.echo(f"POST {client.url}/run (waiting for the job to end)")
        _show(client.post("/run", json=job))
    except socket.timeout:
        exit_with_error(
            f"no response from {url} within {timeout:g} s: the job may still run; raise"
            " --timeout to wait longer"
        )
    except OSError as error:
        exit_with_error(f"no answer from {url}: {error}; is the server running there?")
    except ValueError as error:
        exit_with_error(error)


def local_path(folder: str) -> str:
    """Return the absolute path of a folder that exists here, else the path as it is.

    A path that does not exist here may exist on the server, such as in a container.
    """
    return os.path.abspath(folder) if os.path.isdir(folder) else folder


def _show(response: Response) -> None:
    if 300 <= response.status_code < 400 and response.location:
        exit_with_error(
            f"the server answered {response.status_code}: it redirects to"
            f" {response.location}; pass --url {_find_url(response.location)}"
        )
    text = f"{response.status_code}: {response.message}"
    if response.status_code != 200:
        exit_with_error(f"the server answered {text}")
    click.echo(f"  {text}")


def _find_url(location: str) -> str:
    try:
        return parse_url(location)
    except ValueError:
        return location


if __name__ == "__main__":
    main()
