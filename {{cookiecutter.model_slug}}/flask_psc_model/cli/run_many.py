"""Run the model on many inputs."""

import importlib
import json
import os
import sys
from typing import Any, Optional

import click

from ..bulk.journal import Journal, Origin
from ..bulk.local_backend import LocalBackend
from ..bulk.progress import CLEAR_LINE, Progress
from ..bulk.ray_cluster import RayCluster
from ..bulk.run import BulkRun, Policy
from ..bulk.selection import Selection, select_all, select_left
from ..bulk.shard import Shard
from ..bulk.sources import FlatSource, FolderSource, ListSource, Source
from ..bulk.stop_signals import StopSignals
from ..bulk.workers import Backend, Model, NoCapacity
from ..logs import WRITER, configure_logging
from ..model.loading import explain, to_path
from ..model.spec import ModelSpec
from ..server.app import ModelApp
from . import exit_with_error
from ._options import Command

#: Set by the image, from its build argument.
REVISION_VARIABLE = "PSC_IMAGE_REVISION"


@click.command(cls=Command)
@click.argument(
    "inputs", envvar="PSC_MODEL_INPUT", type=click.Path(exists=True, file_okay=False)
)
@click.argument("outputs", envvar="PSC_MODEL_OUTPUT", type=click.Path(file_okay=False))
@click.option(
    "--flat",
    is_flag=True,
    help="Run the model on every file in INPUTS; for models with one input and one"
    " output.",
)
@click.option(
    "--jobs",
    "jobs_file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    help="Run the jobs of this file: on each line a JSON object with a name, an input"
    " folder and an output folder, relative to INPUTS and OUTPUTS.",
)
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    show_default="as many as the resources of model.yaml allow",
    help="Number of model processes.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Skip the jobs that have ended, unless their input, the model's version or the"
    " image has changed.",
)
@click.option(
    "--allow-mixed",
    is_flag=True,
    help="With --resume, keep results of another version of jobs that do not run now.",
)
@click.option(
    "--retries",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="How often a job runs again that failed with a status of 500 or above.",
)
@click.option(
    "--max-failures",
    type=click.IntRange(min=0),
    help="Stop when more jobs than this have failed.",
)
@click.option(
    "--accept-refused", is_flag=True, help="Exit with 0 if all failures are 422."
)
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
@click.option(
    "--report",
    type=click.File("w", encoding="utf-8", lazy=False),
    help="Write the summary as JSON to this file.",
)
@click.option("--verbose", is_flag=True, help="Print a line for each job.")
def main(
    inputs: str,
    outputs: str,
    flat: bool,
    jobs_file: Optional[str],
    processes: Optional[int],
    resume: bool,
    allow_mixed: bool,
    retries: int,
    max_failures: Optional[int],
    accept_refused: bool,
    shard: Optional[str],
    address: Optional[str],
    report: Any,
    verbose: bool,
) -> None:
    """Run the model on every folder in INPUTS.

    Each folder holds the input files of one job. Its outputs go to the folder of the
    same name in OUTPUTS, all of them or none. Jobs that fail are listed in
    OUTPUTS/errors.jsonl; the others go on. Run it in the folder of app.py.

    The exit status is 0 if every job succeeds, 1 if a job fails, 2 for a wrong option or
    setting, 3 if more jobs than --max-failures fail, and 130 after Ctrl-C.

    \b
    Example:
      python -m flask_psc_model.cli.run_many data/in data/out --resume
    """
    policy = Policy(retries, max_failures, accept_refused, verbose)
    try:
        configure_logging()
        part = Shard.parse(shard) if shard else Shard.from_environment() or Shard(0, 1)
        model = find_model()
        source = find_source(model.spec, inputs, outputs, flat, jobs_file)
        names = list(model.spec.inputs), list(model.spec.outputs)
        origin = Origin(model.spec.version, os.environ.get(REVISION_VARIABLE, ""))
        journal = Journal(os.path.abspath(outputs), part, origin, names)
        if resume:
            os.makedirs(outputs, exist_ok=True)
            selection = resume_run(source, part, journal, model.spec, retries)
            check_versions(journal, allow_mixed)
        else:
            selection = select_all(source, part)
            os.makedirs(outputs, exist_ok=True)
            journal.forget()
    except (OSError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    run = BulkRun(
        journal,
        Progress(len(selection.keys), sys.stderr),
        policy,
        selection.attempts,
        selection.failures,
    )
    status, problems = 1, []
    try:
        status = run_jobs(model, selection, run, processes, address)
    except KeyboardInterrupt:
        status = 130
    except OSError as error:
        click.echo(run.summarise())
        problems.append(
            f"cannot write {error.filename or journal.errors_path}: {error.strerror};"
            " make sure that there is space, and continue with --resume"
        )
    except NoCapacity as error:
        problems.append(str(error))
    if report:
        try:
            json.dump(dict(run.report(), exitStatus=status), report, indent=2)
            report.write("\n")
            # click says nothing of what fails when it closes the file
            report.flush()
        except OSError as error:
            problems.append(f"cannot write {report.name}: {error.strerror}")
    if problems:
        exit_with_error("; ".join(problems))
    sys.exit(status)


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
        raise ValueError(f"app.py cannot be imported: {explain(error)}") from error
    if not isinstance(app, ModelApp):
        raise ValueError("the app of app.py was not made by create_app")
    factory = app.config["PSC_MODEL_FACTORY"]
    spec = ModelSpec.of_model(factory)
    return Model(to_path(factory), spec, os.getcwd())


def find_source(
    spec: ModelSpec, inputs: str, outputs: str, flat: bool, jobs_file: Optional[str]
) -> Source:
    """Return where the jobs come from.

    Raises:
        OSError: the file of the jobs cannot be read.
        ValueError: the options exclude each other, or do not fit the model.
    """
    if flat and jobs_file:
        raise ValueError("--flat and --jobs exclude each other: choose one")
    if jobs_file:
        return ListSource(jobs_file, inputs, outputs)
    if not flat:
        return FolderSource(inputs, outputs)
    if len(spec.inputs) != 1 or len(spec.outputs) != 1:
        raise ValueError(
            "--flat is for models with one input and one output; model.yaml has"
            f" {len(spec.inputs)} and {len(spec.outputs)}: make a folder for each job"
        )
    return FlatSource(inputs, outputs, (list(spec.inputs)[0], list(spec.outputs)[0]))


def resume_run(
    source: Source, shard: Shard, journal: Journal, spec: ModelSpec, retries: int
) -> Selection:
    """Return the jobs that earlier runs have left, and print how many have ended.

    Raises:
        OSError: the journal cannot be read or written.
        ValueError: there is no job, or model.yaml declares no output.
    """
    if not spec.outputs:
        raise ValueError(
            "--resume finds the jobs that are done by their outputs, and"
            f" {spec.path} has none: add them"
        )
    journal.read()
    selection = select_left(source, shard, journal, retries)
    failed = sum(selection.failures.values())
    total = selection.done + failed + len(selection.keys)
    line = f"{selection.done:,} of {total:,} jobs are done already"
    if failed:
        line += f", {failed:,} stay failed; see {journal.errors_path}"
    click.echo(line)
    return selection


def check_versions(journal: Journal, allow_mixed: bool) -> None:
    """Check that all results are of one version of the model and of the image.

    Raises:
        ValueError: some are not.
    """
    older = journal.count_older()
    if older and not allow_mixed:
        raise ValueError(
            f"{older:,} results in OUTPUTS are of another version of the model or of the"
            " image, and their jobs do not run now: choose a new folder, or pass"
            " --allow-mixed to keep them"
        )


def run_jobs(
    model: Model,
    selection: Selection,
    run: BulkRun,
    processes: Optional[int],
    address: Optional[str],
) -> int:
    """Run jobs, print a summary, and return the exit status.

    Args:
        model: to run.
        selection: of the jobs.
        run: keeps count of them.
        processes: the number of model processes; None for as many as fit.
        address: of a Ray cluster; None for this machine.

    Raises:
        OSError: the journal cannot be written.
        NoCapacity: the model cannot be loaded, or there is no place for it.
    """
    if not selection.keys:
        run.journal.close()
        click.echo("no job is left to run")
        return run.find_exit_status()
    if sys.stderr.isatty():
        WRITER.prefix = CLEAR_LINE.encode()
    backend: Backend = LocalBackend()
    if address:
        backend = RayCluster(address, model.folder)
    with backend, StopSignals() as signals:
        count = processes or backend.available_slots(model.spec.limits)
        workers = backend.start_workers(model, min(count, len(selection.keys)))
        run.work(workers, selection.make_jobs(), signals, selection.suspects)
    click.echo(run.summarise())
    if run.problem and not run.has_too_many_failures():
        raise NoCapacity(run.problem)
    if run.problem:
        click.echo(f"stopped: {run.problem}", err=True)
    return signals.exit_status or run.find_exit_status()


if __name__ == "__main__":
    main()
