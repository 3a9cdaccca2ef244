"""Run one job on a model's server."""

import os
import sys

import click

from ..client import Answer, Client


class JobFailed(Exception):
    """The job did not run; the message says why."""


@click.command()
@click.option(
    "--url",
    envvar="PSC_MODEL_URL",
    show_envvar=True,
    prompt="URL of the model's server",
    help="Where the server listens, with or without /run.",
)
@click.option(
    "--input",
    "-i",
    "input_folder",
    envvar="PSC_MODEL_INPUT",
    show_envvar=True,
    prompt="Folder of the input files",
    help="Folder of the input files, as the server sees it.",
)
@click.option(
    "--output",
    "-o",
    "output_folder",
    envvar="PSC_MODEL_OUTPUT",
    show_envvar=True,
    prompt="Folder for the output files",
    help="Folder for the output files, as the server sees it.",
)
def main(url: str, input_folder: str, output_folder: str) -> None:
    """Run one job on a model's server.

    The folders are paths in the server's own file system: in a container started
    with -v /home/me/data:/data, the host's /home/me/data/in is /data/in.

    \b
    Example:
      python -m flask_psc_model.cli.run_job --url http://localhost:8080 \\
          --input /data --output /data
    """
    try:
        run_job(url, local_path(input_folder), local_path(output_folder))
    except JobFailed as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)


def run_job(url: str, input_folder: str, output_folder: str) -> None:
    """Wait for the model, run one job, and show what the server answers.

    Raises:
        JobFailed: there was no answer, or one that is no success.
    """
    try:
        client = Client(url)
        click.echo(f"GET {client.url}/status")
        _show(client.get("/status"))
        job = {"type": "file", "input": input_folder, "output": output_folder}
        click.echo(f"POST {client.url}/run")
        _show(client.post("/run", json=job))
    except OSError as error:
        raise JobFailed(
            "no answer from {}: {}; is the server running there?".format(
                url, getattr(error, "reason", error)
            )
        ) from error
    except ValueError as error:
        raise JobFailed(str(error)) from error


def local_path(folder: str) -> str:
    """Make a relative path absolute where it exists here.

    A path that does not exist here belongs to another file system, such as a
    container's, and is left for the server to judge.
    """
    return os.path.abspath(folder) if os.path.isdir(folder) else folder


def _show(answer: Answer) -> None:
    if answer.status_code != 200:
        raise JobFailed(f"the server answered {answer.status_code}: {answer.message}")
    click.echo(f"  {answer.status_code}: {answer.message}")


if __name__ == "__main__":
    main()
