"""Whatever an answer holds arrives unchanged in every language of the repository."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest
from plain_text import plain_text

if TYPE_CHECKING:
    from conftest import Bake

DESCRIPTIONS = {
    "quotes": "It \"says\" it's \"\"\"done\"\"\", it's '''done'''",
    "ends in quotes": '"quoted"',
    "backslashes": "C:\\new\\table \\N{DASH} \\x41 \\",
    "YAML": "- key: [value, {a: b}] # no comment & no *alias | > ! %",
    "looks like another type": "null",
    "number": "0x1F",
    "date": "2026-01-01",
    "shell": "$(id) `id` ${HOME} $HOME && rm -rf / ; %PATH% !history",
    "lines": "First line.\nSecond line: # not a comment\n\n    indented\n- item\n",
    "markdown": "# *not* _emphasis_ ~~gone~~ [link](http://x) ![image](y) <b>bold</b> &amp; `code` 1. | a |\n---\n1. a",
    "emoji": "🎨 colours für alle: 色, цвет, \u200d\u2028\ufeff",
    "tab": "a\tb",
    "Jinja comes close": "a { b } {c} {$ d $} 100 %} }} #}",
    "long": "word " * 100 + "x" * 200,
    "Dockerfile": "FROM evil\\\nRUN false <<EOF",
    "surrounded by spaces": "  text  ",
}

AUTHOR = 'Ann "Q" O\'Hara <ann@example.com>: R&D \\ 50 % # $USER 🎩'
NAME = 'The "best" model: $1 \\ #2 🎨 *really*'

each_description = pytest.mark.parametrize("description", DESCRIPTIONS.values(), ids=DESCRIPTIONS)


@each_description
def test_a_description_arrives_unchanged(bake: Bake, description: str) -> None:
    repository = bake(description=description)
    assert repository.metadata()["description"]["summary"] == description
    assert ast.get_docstring(repository.model_class(), clean=False) == description
    labels = read_labels(repository.read("Dockerfile"))
    assert labels["org.opencontainers.image.description"] == " ".join(description.split())
    assert " ".join(description.split()) in plain_text(repository.read("README.md"))
    repository.check_style()


@pytest.mark.parametrize("author", [AUTHOR, *DESCRIPTIONS.values()], ids=["author", *DESCRIPTIONS])
def test_an_author_arrives_unchanged(bake: Bake, author: str) -> None:
    repository = bake(author=author)
    assert repository.metadata()["author"] == author
    labels = read_labels(repository.read("Dockerfile"))
    assert labels["org.opencontainers.image.authors"] == " ".join(author.split())


def test_a_name_arrives_unchanged(bake: Bake) -> None:
    repository = bake(model_name=NAME)
    assert repository.metadata()["name"] == NAME
    assert read_labels(repository.read("Dockerfile"))["org.opencontainers.image.title"] == NAME
    assert plain_text(repository.read("README.md")).startswith(NAME + " ")
    repository.check_style()


def read_labels(dockerfile: str) -> dict[str, str]:
    """Read the labels as Docker does: in double quotes, a backslash escapes a quote, a dollar and itself."""
    (instruction,) = re.findall(r"^LABEL ((?:.*\\\n)*.*)", dockerfile, re.MULTILINE)
    pairs = re.findall(r'([\w.]+)="((?:[^"\\$\n]|\\["\\$])*)"(?: \\\n *|$)', instruction)
    assert len(pairs) == instruction.count("org.opencontainers.image.")
    return {key: re.sub(r"\\(.)", r"\1", value) for key, value in pairs}
