"""Renders the template in memory: many times a second, without a file and without a hook."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any
from unittest.mock import patch

from binaryornot.check import is_binary
from cookiecutter.generate import generate_context
from cookiecutter.prompt import prompt_for_config
from cookiecutter.utils import create_env_with_context
from jinja2 import Environment, FileSystemLoader, Template
from repository import AUTHOR, QUESTIONS, ROOT, TEMPLATE

RUNTIME = "flask_psc_model/"

Answers = dict[str, Any]
#: The content of each file, by its name.
Tree = dict[str, bytes]


def answer(typed: Mapping[str, str]) -> Answers:
    """Ask the questions as Cookiecutter does, and answer what is typed; Enter takes the rest.

    Raises:
        FailedHookException: the answers are refused.
    """

    def read(name: str, default: str, *_: object) -> str:
        return typed.get(name, AUTHOR if name == "author" else default)

    def choose(name: str, choices: list[str], *_: object) -> str:
        assert typed.get(name, choices[0]) in choices
        return typed.get(name, choices[0])

    context = generate_context(str(ROOT / "cookiecutter.json"))
    with (
        patch("cookiecutter.prompt.read_user_variable", read),
        patch("cookiecutter.prompt.read_user_choice", choose),
    ):
        return dict(prompt_for_config(context))


def render(answers: Answers) -> Tree:
    """Render every file for the answers, with Cookiecutter's Jinja environment."""
    tree = {}
    for name, template, content in _sources():
        path = name.render(cookiecutter=answers)
        # Cookiecutter leaves out a file whose name comes out empty; the last hook leaves out the runtime
        if path and not path.endswith("/") and not (answers["runtime"] == "package" and path.startswith(RUNTIME)):
            tree[path] = (
                content if template is None else _with_line_ends_of(content, template.render(cookiecutter=answers))
            )
    return tree


def render_typed(**typed: str) -> Tree:
    """Render what a person gets who types these answers.

    Raises:
        FailedHookException: the answers are refused.
    """
    return render(answer(typed))


def render_hook(name: str, answers: Answers) -> str:
    """Render a hook for the answers, as it is run."""
    return _hook(name).render(cookiecutter=dict(answers))


@functools.cache
def _environment() -> Environment:
    environment: Environment = create_env_with_context({"cookiecutter": QUESTIONS})
    environment.loader = FileSystemLoader([TEMPLATE, ROOT / "templates"])
    # imported once for all examples of a test
    environment.filters["forget_modules"] = lambda answers: ""
    return environment


@functools.cache
def _hook(name: str) -> Template:
    return _environment().from_string((ROOT / "hooks" / name).read_text(encoding="utf-8"))


@functools.cache
def _sources() -> list[tuple[Template, Template | None, bytes]]:
    """Read the template: of each file its name, and either a template or bytes to copy."""
    return [
        (
            _environment().from_string(path),
            None if is_binary(str(TEMPLATE / path)) else _environment().get_template(path),
            (TEMPLATE / path).read_bytes(),
        )
        for path in _walk()
    ]


def _with_line_ends_of(source: bytes, text: str) -> bytes:
    is_windows = source.partition(b"\n")[0].endswith(b"\r")
    return text.replace("\n", "\r\n" if is_windows else "\n").encode()


def _walk() -> Iterator[str]:
    for path in sorted(TEMPLATE.rglob("*")):
        if path.is_file():
            yield path.relative_to(TEMPLATE).as_posix()
