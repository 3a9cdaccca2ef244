"""The check of what was rendered."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from cookiecutter.exceptions import FailedHookException
from jinja2 import Environment, pass_environment

from template_extensions.images import TEMPLATE

Context = dict[str, Any]

PARSERS: dict[str, Callable[[str], object]] = {
    ".json": json.loads,
    ".py": ast.parse,
    ".yaml": yaml.safe_load,
    ".yml": yaml.safe_load,
}
#: The suffixes of texts.
SUFFIXES = {*PARSERS, ".in", ".md", ".sh", ".toml", ".txt", ""}
#: A Jinja mark; two braces and a dot are Go's, which `docker inspect` uses, and with a dollar they are GitHub's.
JINJA_MARK = re.compile(r"(?<![$])[{][{](?!\.)|[{][%#]")
#: The runtime contains no answer, and test data may contain anything.
UNCHECKED = ("flask_psc_model/", "tests/data/")


@pass_environment
def check_files(environment: Environment, context: Context, kept: list[str]) -> str:
    """Raise an error if a file was rendered wrong.

    Args:
        environment: Cookiecutter's.
        context: the answers.
        kept: the files that were not rendered, since they existed.

    Returns:
        An empty text, so that a template can contain the call.

    Raises:
        FailedHookException: lists what is wrong.
    """
    folder = output_folder(context)
    if folder is None:
        return ""
    names = [name for name in file_names(environment, context) if name not in kept]
    problems = [problem for name in names for problem in _find_problems(folder / name, name)]
    if problems:
        lines = ["The template rendered a broken repository; please report it:", *problems]
        raise FailedHookException("\n  ".join(lines))
    return ""


def file_names(environment: Environment, context: Context) -> list[str]:
    """Return the names of the files that the template renders for the answers."""
    paths = [path.relative_to(TEMPLATE).as_posix() for path in TEMPLATE.rglob("*") if path.is_file()]
    names = (environment.from_string(path).render(cookiecutter=context) if "{" in path else path for path in paths)
    # Cookiecutter skips a file whose name comes out empty
    return sorted(name for name in names if name and not name.endswith("/"))


def folder_names() -> list[str]:
    """Return the names of the folders of the template, which Cookiecutter makes whatever the answers."""
    return sorted(path.relative_to(TEMPLATE).as_posix() for path in TEMPLATE.rglob("*") if path.is_dir())


def output_folder(context: Mapping[str, Any]) -> Path | None:
    """Return the folder of the repository; None under cruft, which does not pass it."""
    return Path(context["_output_dir"], context["model_slug"]) if "_output_dir" in context else None


def _find_problems(path: Path, name: str) -> Iterator[str]:
    if path.suffix in SUFFIXES and not name.startswith(UNCHECKED):
        try:
            text = path.read_text(encoding="utf-8")
            if JINJA_MARK.search(text):
                yield f"{name}: contains Jinja that was not rendered"
            PARSERS.get(path.suffix, str)(text)
        except (ValueError, SyntaxError, yaml.YAMLError) as error:
            yield f"{name}: {error}"
