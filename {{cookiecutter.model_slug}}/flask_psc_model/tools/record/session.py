"""One call of `record`: run the cases, show what changed, ask, write."""

import os
import sys
from typing import List, Optional, Sequence

import click

from ...model.cases import MESSAGE_FILENAME, check_filenames
from ...model.metadata import find_metadata
from ...model.spec import ModelSpec
from .. import count
from ..files import replace_file
from ..interrupts import interruptible
from ..measurement.subject import start_locally
from .diff import list_lines
from .recording import Change, record_case
from .selection import Selected, select_cases

NOUN = "expected file"


def record_cases(
    names: Sequence[str], data_folder: Optional[str], tolerance: float, yes: bool
) -> bool:
    """Record cases of the repository in the working directory.

    Args:
        names: of the cases; none for all.
        data_folder: of the cases; by default `tests/data` beside `model.yaml`.
        tolerance: of numbers in JSON outputs.
        yes: overwrite expected files without asking.

    Returns:
        Whether every case did what it should, and its expected files are up to date.

    Raises:
        FolderFailed: this machine cannot keep the files of the jobs.
        MeasurementFailed: the server does not start, or cannot load the model.
        OSError: a file cannot be read or written.
        ValueError: there is no such case, or `model.yaml` is wrong.
    """
    path = find_metadata(os.getcwd())
    folder = os.path.dirname(path)
    spec = ModelSpec.load(path)
    for key, files in (("inputs", spec.inputs), ("outputs", spec.outputs)):
        if not files:
            raise ValueError(f"{path} names no {key}: add them")
    check_filenames(list(spec.inputs) + list(spec.outputs), MESSAGE_FILENAME)
    cases = select_cases(data_folder or os.path.join(folder, "tests", "data"), names)
    changes: List[Change] = []
    is_fine = True
    with start_locally(folder) as running:
        running.wait_until_loaded()
        for selected in cases:
            recording = record_case(running, spec, selected, tolerance)
            changes += recording.changes
            _show(selected, recording.changes, recording.problem)
            is_fine = is_fine and not recording.problem
    return _write(changes, yes) and is_fine


def _show(selected: Selected, changes: List[Change], problem: str) -> None:
    if problem:
        click.echo(f"{selected}: not recorded: {problem}")
    elif not changes:
        click.echo(f"{selected}: unchanged")
    for change in changes:
        what = "new" if change.old is None else "changed"
        name = os.path.relpath(change.path, selected.case.folder)
        click.echo(f"{selected}: {what} {name}")
        for line in list_lines(change):
            click.echo("    " + line)


def _write(changes: List[Change], yes: bool) -> bool:
    """Write the expected files, and return whether all of them are written."""
    new = [change for change in changes if change.old is None]
    changed = [change for change in changes if change.old is not None]
    _save(new)
    if changed and not yes and not _confirm(len(changed)):
        click.echo("Nothing was overwritten.")
        return False
    _save(changed)
    return True


def _save(changes: List[Change]) -> None:
    for change in changes:
        os.makedirs(os.path.dirname(change.path), exist_ok=True)
        replace_file(change.path, change.new)
    if changes:
        verb = "Overwrote" if changes[0].old is not None else "Added"
        click.echo(f"{verb} {count(len(changes), NOUN)}.")


def _confirm(number: int) -> bool:
    if not sys.stdin.isatty():
        raise ValueError(
            "nothing was overwritten, since standard input is not a terminal: pass"
            f" --yes to overwrite {count(number, NOUN)}"
        )
    try:
        with interruptible():
            return click.confirm(f"Overwrite {count(number, NOUN)}?")
    except click.Abort as error:
        # click turns it into its own exception
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
