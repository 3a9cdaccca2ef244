"""What is in the output folder before the repository is rendered, and what is written into it.

The first hook records what is there, and the last one reads the record.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cookiecutter.exceptions import FailedHookException
from jinja2 import Environment, pass_environment

from template_extensions.rendered import Context, file_names, folder_names, output_folder

#: The key of the record among the answers: whether the folder was empty, when each of the template's files that
#: exist was modified, and which of its files and folders do not exist.
RECORD = "_existing_files"
NOTHING: Context = {"was_empty": False, "modified": {}, "missing": [], "missing_folders": []}

MODEL = "model_lib/model.py"
#: The folders of the example, and of the model that replaces it.
EXAMPLE = ("asset_bundle/", "model_lib/", "tests/")

#: The commands that make a repository of the older template ready for this one.
MOVE_OVER = """\
git rm -r --quiet --ignore-unmatch flask_psc_model Dockerfile entrypoint.sh gunicorn.conf.py
git mv requirements.txt requirements-old.txt"""


@pass_environment
def record_existing_files(environment: Environment, context: Context) -> str:
    """Record which of the template's files exist before they are rendered.

    Args:
        environment: Cookiecutter's.
        context: the answers; the record is added to them.

    Returns:
        An empty text, so that a template can contain the call.

    Raises:
        FailedHookException: something is in the way of a file, or the older template made the repository.
    """
    folder = output_folder(context)
    if folder is None:
        return ""
    names = file_names(environment, context)
    if obstacles := list(_find_obstacles(folder, names)):
        lines = [f"Cannot generate the repository into {folder}:", *(f"  * {obstacle}" for obstacle in obstacles)]
        raise FailedHookException("\n".join(lines))
    if (folder / "flask_psc_model" / "_api.py").exists():
        raise FailedHookException(
            f"{folder} has the server of Modzy's python-model-template, which would be mixed with the new one.\n"
            f"Move the old files away, then run this command again:\n\n  cd {folder}\n"
            + "".join(f"  {line}\n" for line in MOVE_OVER.splitlines())
            + "\nThe template's docs/from-the-older-template.md explains each step. Nothing was changed."
        )
    context[RECORD] = {
        "was_empty": not os.listdir(folder),
        "modified": {name: _modified(folder / name) for name in names if (folder / name).exists()},
        "missing": [name for name in names if not (folder / name).exists()],
        "missing_folders": [name for name in folder_names() if not (folder / name).is_dir()],
    }
    return ""


def kept_files(context: Context) -> list[str]:
    """Return the files of the template that existed and were not written."""
    folder, record = output_folder(context) or Path(), context.get(RECORD, NOTHING)
    return [name for name, modified in record["modified"].items() if _modified(folder / name) == modified]


def remove_unsuited(context: Context) -> list[str]:
    """Remove the example beside a model that existed before, and `.dockerignore` beside such a Dockerfile.

    Returns:
        The files that were removed.
    """
    kept, missing = kept_files(context), context.get(RECORD, NOTHING)["missing"]
    names = [name for name in missing if name.startswith(EXAMPLE)] if MODEL in kept else []
    if "Dockerfile" in kept and ".dockerignore" in missing:
        # it ignores all but what the template's Dockerfile copies
        names.append(".dockerignore")
    _remove(context, names)
    return names


def remove_written(context: Mapping[str, Any]) -> None:
    """Remove every file and folder that did not exist before."""
    _remove(context, context.get(RECORD, NOTHING)["missing"])


def was_empty(context: Context) -> bool:
    """Return whether the folder was empty; under cruft, which does not pass the folder, it counts as used."""
    return bool(context.get(RECORD, NOTHING)["was_empty"])


def _remove(context: Mapping[str, Any], names: list[str]) -> None:
    """Remove files, and the folders that only they needed."""
    folder = output_folder(context) or Path()
    for name in names:
        with contextlib.suppress(OSError):
            (folder / name).unlink()
    for name in sorted(context.get(RECORD, NOTHING)["missing_folders"], reverse=True):
        with contextlib.suppress(OSError):
            (folder / name).rmdir()


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
