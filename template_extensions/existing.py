"""What is in the output folder before the repository is rendered.

The first hook records it, and the last one reads the record.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from cookiecutter.exceptions import FailedHookException
from jinja2 import Environment, pass_environment

from template_extensions.rendered import Context, file_names, output_folder

#: The key of the record among the answers: whether the folder was empty, and when each existing file was modified.
RECORD = "_existing_files"
NOTHING = {"was_empty": False, "modified": {}}


@pass_environment
def record_existing_files(environment: Environment, context: Context) -> str:
    """Record which of the template's files exist before they are rendered.

    Args:
        environment: Cookiecutter's.
        context: the answers; the record is added to them.

    Returns:
        An empty text, so that a template can contain the call.

    Raises:
        FailedHookException: something is in the way of a file.
    """
    folder = output_folder(context)
    if folder is None:
        return ""
    names = file_names(environment, context)
    if obstacles := list(_find_obstacles(folder, names)):
        lines = [f"Cannot generate the repository into {folder}:", *(f"  * {obstacle}" for obstacle in obstacles)]
        raise FailedHookException("\n".join(lines))
    modified = {name: _modified(folder / name) for name in names if (folder / name).exists()}
    context[RECORD] = {"was_empty": not os.listdir(folder), "modified": modified}
    return ""


def kept_files(context: Context) -> list[str]:
    """Return the files of the template that existed and were not written."""
    folder, record = output_folder(context) or Path(), context.get(RECORD, NOTHING)
    return [name for name, modified in record["modified"].items() if _modified(folder / name) == modified]


def was_empty(context: Context) -> bool:
    """Return whether the folder was empty; under cruft, which does not pass the folder, it counts as used."""
    return bool(context.get(RECORD, NOTHING)["was_empty"])


def _find_obstacles(folder: Path, names: list[str]) -> Iterator[str]:
    if not folder.is_dir():
        yield f"{folder.name} is a file: move it away"
        return
    for parent in sorted({parent for name in names for parent in Path(name).parents}):
        path = folder / parent
        if os.path.lexists(path) and not path.is_dir():
            yield f"{parent} must be a folder, but is a file: move it away"
    for name in names:
        if (folder / name).is_symlink() and not (folder / name).exists():
            yield f"{name} is a broken link: remove it"


def _modified(path: Path) -> int:
    return path.stat().st_mtime_ns
