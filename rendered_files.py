"""Finds files that were rendered wrong.

Cookiecutter loads this module by the name in `cookiecutter.json` (`_extensions`). The check is done in its own
process, where the parsers are loaded already.
"""

from __future__ import annotations

import ast
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from cookiecutter.exceptions import FailedHookException
from jinja2 import Environment, pass_environment
from jinja2.ext import Extension

Context = dict[str, Any]

#: Hooks are rendered in the folder of the template. This module may be that of another version, under `cruft update`.
TEMPLATE = Path("{{cookiecutter.model_slug}}")
#: The one in C is ten times as fast, where PyYAML has it.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
#: A Jinja mark; two braces and a dot are Go's, which `docker inspect` takes, and with a dollar they are GitHub's.
JINJA_MARK = re.compile(r"(?<![$])[{][{](?!\.)|[{][%#]")

SUFFIXES = {".in", ".json", ".md", ".py", ".sh", ".toml", ".txt", ".yaml", ".yml", ""}
#: The runtime is rendered as it is, and test data may hold anything.
UNCHECKED = ("flask_psc_model/", "tests/data/")


class RenderedFiles(Extension):
    """The filters."""

    def __init__(self, environment: Environment) -> None:
        """Add the filters to Cookiecutter's environment."""
        super().__init__(environment)
        environment.filters["check_files"] = check_files


@pass_environment
def check_files(environment: Environment, context: Context, kept: list[str]) -> str:
    """Check the files that the template rendered.

    Args:
        environment: Cookiecutter's.
        context: the answers.
        kept: the files that were not rendered, since they were there.

    Returns:
        Nothing, so that it can stand in a template.

    Raises:
        FailedHookException: lists what is wrong with them.
    """
    folder = output_folder(context)
    names = file_names(environment, context)
    problems = [problem for name in names if folder and name not in kept for problem in _find_problems(folder, name)]
    if problems:
        raise FailedHookException(
            "\n  ".join(["The template rendered a broken repository; please report it:", *problems])
        )
    return ""


def file_names(environment: Environment, context: Context) -> list[str]:
    """List the files that the template renders for the answers."""
    paths = [Path(root, name).relative_to(TEMPLATE) for root, _, names in os.walk(TEMPLATE) for name in names]
    names = (_render_name(environment, path.as_posix(), context) for path in paths)
    # Cookiecutter leaves out a file whose name comes out empty
    return sorted(name for name in names if name and not name.endswith("/"))


def _render_name(environment: Environment, name: str, context: Context) -> str:
    return environment.from_string(name).render(cookiecutter=context) if "{" in name else name


def output_folder(context: Context) -> Path | None:
    """Return the folder of the repository; None under cruft, which does not tell it and keeps no file."""
    return Path(context["_output_dir"], context["model_slug"]) if "_output_dir" in context else None


def _find_problems(folder: Path, name: str) -> Iterator[str]:
    path, source = folder / name, TEMPLATE / name
    # most files hold no answer; the tests parse those
    if path.suffix in SUFFIXES and not name.startswith(UNCHECKED) and not _is_copy(path, source):
        try:
            text = path.read_text(encoding="utf-8")
            if JINJA_MARK.search(text):
                yield f"{name}: holds Jinja that was not rendered"
            _parse(path.suffix, text)
        except (ValueError, SyntaxError, yaml.YAMLError) as error:
            yield f"{name}: {error}"
    if path.suffix == ".sh" and not os.access(path, os.X_OK):
        yield f"{name}: is not executable"


def _is_copy(path: Path, source: Path) -> bool:
    return source.exists() and source.read_bytes() == path.read_bytes()


def _parse(suffix: str, text: str) -> None:
    """Parse a file's text according to its suffix.

    Raises:
        ValueError, SyntaxError, yaml.YAMLError: it does not parse.
    """
    if suffix == ".py":
        ast.parse(text)
    elif suffix == ".json":
        json.loads(text)
    elif suffix in (".yaml", ".yml"):
        yaml.load(text, LOADER)
