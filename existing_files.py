"""What stands already in the folder that a repository is generated into.

Cookiecutter loads this module by the name in `cookiecutter.json` (`_extensions`); the hooks use its filters.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from cookiecutter.exceptions import FailedHookException
from jinja2 import Environment, pass_environment
from jinja2.ext import Extension

from rendered_files import Context, file_names, output_folder

#: Folders and files in which nothing is to be rendered.
PLAIN = (
    ".editorconfig",
    ".flaskenv",
    ".gitattributes",
    ".gitignore",
    "asset_bundle/0.1.0/assets",
    "asset_bundle/0.1.0/samples",
    "asset_bundle/README.md",
    "entrypoint.sh",
    "flask_psc_model",
    "gunicorn.conf.py",
    "model.schema.json",
    "model_lib/colors.py",
    "pyproject.toml",
    "requirements-dev.in",
    "tests/__init__.py",
    "tests/data",
    "tests/test_app.py",
)
#: Where the first hook leaves its note for the last one.
NOTE, EMPTY = "_existing_files", "_was_empty"


class ExistingFiles(Extension):
    """The filters."""

    def __init__(self, environment: Environment) -> None:
        """Add the filters to Cookiecutter's environment."""
        super().__init__(environment)
        environment.filters.update(
            note_existing_files=note_existing_files,
            kept_files=kept_files,
            was_empty=was_empty,
        )


@pass_environment
def note_existing_files(environment: Environment, context: Context) -> str:
    """Note which of the template's files are there before it is rendered.

    Args:
        environment: Cookiecutter's.
        context: the answers; the note is added to them.

    Returns:
        Nothing, so that it can stand in a template.

    Raises:
        FailedHookException: something is in the way of a file.
    """
    folder = output_folder(context)
    if folder is None:
        return ""
    _let_copy(context, folder)
    context[EMPTY] = folder.is_dir() and not os.listdir(folder)
    if context[EMPTY]:
        return ""
    names = file_names(environment, context)
    if obstacles := list(_find_obstacles(folder, names)):
        lines = [f"The repository cannot be generated into {folder}:", *(f"  * {obstacle}" for obstacle in obstacles)]
        raise FailedHookException("\n".join(lines))
    context[NOTE] = {name: _modified(folder / name) for name in names if (folder / name).exists()}
    return ""


def _let_copy(context: Context, folder: Path) -> None:
    """Have what is plain copied, which takes a tenth of the time of rendering it.

    Cookiecutter removes what stands in their place: so it is told only where nothing does.
    """
    context["_copy_without_render"] = [name for name in PLAIN if not os.path.lexists(folder / name)]


def kept_files(context: Context) -> list[str]:
    """List the files that the note names and that were not written since; the note is taken away."""
    folder = output_folder(context)
    note = context.pop(NOTE, {})
    return [name for name, modified in note.items() if folder and _modified(folder / name) == modified]


def was_empty(context: Context) -> bool:
    """Tell whether there was nothing in the folder, as far as is known; the note is taken away."""
    return bool(context.pop(EMPTY, False))


def _find_obstacles(folder: Path, names: list[str]) -> Iterator[str]:
    if not folder.is_dir():
        yield f"{folder.name} is a file: move it away"
        return
    for parent in sorted({parent for name in names for parent in Path(name).parents}):
        path = folder / parent
        if os.path.lexists(path) and not path.is_dir():
            yield f"{parent} has to be a folder, and is none: move it away"
    for name in names:
        if (folder / name).is_symlink() and not (folder / name).exists():
            yield f"{name} is a link to nothing: remove it"


def _modified(path: Path) -> int:
    return path.stat().st_mtime_ns
