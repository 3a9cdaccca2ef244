"""Run the model on many folders of inputs."""

import importlib
import os
import sys
from typing import List, Optional, Sequence

import click

from ..bulk.failures import Failures
from ..bulk.jobs import FolderJob, list_jobs
from ..bulk.local_backend import LocalBackend
from ..bulk.progress import CLEAR_LINE, Progress
from ..bulk.ray_cluster import RayCluster
from ..bulk.run import BulkRun
from ..bulk.shard import Shard
from ..bulk.stop_signals import StopSignals
from ..bulk.workers import Backend, Model, NoCapacity
from ..logs import WRITER, configure_logging
from ..model.loading import describe, to_path
from ..model.spec import ModelSpec
from ..server.app import ModelApp
from . import exit_with_error
from ._options import Command


@click.command(cls=Command)
@click.argument(
    "inputs", envvar="PSC_MODEL_INPUT", type=click.Path(exists=True, file_okay=False)
)
@click.argument("outputs", envvar="PSC_MODEL_OUTPUT", type=click.Path(file_okay=False))
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    show_default="as many as the resources of model.yaml allow",
    help="Number of model processes.",
)
@click.option("--resume", is_flag=True, help="Skip the jobs whose outputs exist.")
@click.option(
    "--shard",
    metavar="I/N",
    help="Run only shard I of N, counted from 0. The pods of an Indexed Job set it by"
    " JOB_COMPLETION_INDEX and PSC_SHARD_COUNT.",
)
@click.option(
    "--ray",
    "address",
    metavar="ADDRESS",
    help="Run on the Ray cluster at this address, such as 10.0.0.1:6379, or auto for the"
    " cluster of this machine.",
)
def main(
    inputs: str,
    outputs: str,
    processes: Optional[int],
    resume: bool,
    shard: Optional[str],
    address: Optional[str],
) -> None:
    """Run the model on every folder in INPUTS.

    Each folder holds the input files of one job. Its outputs go to the folder of the
    same name in OUTPUTS, all of them or none. Jobs that fail are listed in
    OUTPUTS/errors.jsonl; the others go on. Run it in the folder of app.py.

    The exit status is 0 if every job succeeds, 1 if a job fails, 2 for a wrong option or
    setting, and 130 after Ctrl-C.

    \b
    Example:
      python -m flask_psc_model.cli.run_many data/in data/out --resume
    """
    try:
        configure_logging()
        part = Shard.parse(shard) if shard else Shard.from_environment() or Shard(0, 1)
        jobs = part.select(list_jobs(inputs, outputs))
        model = find_model()
        declared = list_outputs(model) if resume else []
        os.makedirs(outputs, exist_ok=True)
        failures = Failures(os.path.abspath(outputs), part.suffix(), keep=resume)
    except (OSError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    if resume:
        jobs = skip_done(jobs, declared, failures)
    if not jobs:
        click.echo("no job is left to run")
        return
    try:
        sys.exit(run_jobs(model, jobs, failures, processes, address))
    except KeyboardInterrupt:
        sys.exit(130)
    except (OSError, NoCapacity) as error:
        exit_with_error(error)


def find_model() -> Model:
    """Return the model of the `app.py` in the working directory.

    Raises:
        ValueError: there is none, or a setting of it is wrong.
    """
    if not os.path.isfile("app.py"):
        raise ValueError(
            f"there is no app.py in {os.getcwd()}: run this command in the model's"
            " repository"
        )
    try:
        app = importlib.import_module("app").app
    except Exception as error:
        raise ValueError(f"app.py cannot be imported: {describe(error)}") from error
    if not isinstance(app, ModelApp):
        raise ValueError("the app of app.py was not made by create_app")
    factory = app.config["PSC_MODEL_FACTORY"]
    spec = ModelSpec.of_model(factory)
    return Model(to_path(factory), spec, os.getcwd())


def list_outputs(model: Model) -> List[str]:
    """Return the names of the outputs that `model.yaml` declares.

    Raises:
        ValueError: there are none.
    """
    names = list(model.spec.outputs)
    if not names:
        raise ValueError(
            "--resume finds the jobs that are done by their outputs, and"
            f" {model.spec.path} has none: add them"
        )
    return names


def skip_done(
    jobs: Sequence[FolderJob], outputs: Sequence[str], failures: Failures
) -> List[FolderJob]:
    """Return the jobs to run: those that failed, and those without all outputs."""
    left = [job for job in jobs if job.name in failures or not job.is_done(outputs)]
    click.echo(f"{len(jobs) - len(left):,} of {len(jobs):,} jobs are done already")
    return left


def run_jobs(
    model: Model,
    jobs: Sequence[FolderJob],
    failures: Failures,
    processes: Optional[int],
    address: Optional[str],
) -> int:
    """Run jobs, print a summary, and return the exit status.

    Args:
        model: to run.
        jobs: at least one.
        failures: records the jobs that fail.
        processes: the number of model processes; None for as many as fit.
        address: of a Ray cluster; None for this machine.

    Raises:
        OSError: the failures cannot be recorded.
        NoCapacity: the model cannot be loaded, or there is no place for it.
    """
    if sys.stderr.isatty():
        WRITER.prefix = CLEAR_LINE.encode()
    run = BulkRun(failures, Progress(len(jobs), sys.stderr))
    backend: Backend = LocalBackend()
    if address:
        backend = RayCluster(address, model.folder)
    with backend, StopSignals() as signals:
        count = processes or backend.available_slots(model.spec.limits)
        workers = backend.start_workers(model, min(count, len(jobs)))
        run.work(workers, jobs, signals)
    click.echo(run.summarise())
    if run.problem:
        raise NoCapacity(run.problem)
    return signals.exit_status or int(not run.has_succeeded())


if __name__ == "__main__":
    main()
