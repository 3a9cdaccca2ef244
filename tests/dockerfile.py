"""Reads a Dockerfile as Docker does.

The rules are those of BuildKit's parser (`frontend/dockerfile/parser`) and of its
words (`frontend/dockerfile/shell`), as far as instructions without a heredoc need them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

#: The size of a line in bytes from which on BuildKit refuses it.
MAX_LINE = 65535


class Instruction(NamedTuple):
    """One instruction, its lines joined."""

    keyword: str
    rest: str


def parse(text: str) -> list[Instruction]:
    """Split a Dockerfile into its instructions.

    Raises:
        ValueError: a line is too long, or the last one goes on.
    """
    instructions: list[Instruction] = []
    joined = ""
    for line in text.split("\n"):
        if len(line.encode()) >= MAX_LINE:
            raise ValueError("a line is too long")
        if line.lstrip().startswith("#") or (not joined and not line.strip()):
            continue
        goes_on = re.search(r"\\[ \t]*$", line)
        joined += line[: goes_on.start()] if goes_on else line
        if not goes_on:
            keyword, _, rest = joined.strip().partition(" ")
            instructions.append(Instruction(keyword.upper(), rest.strip()))
            joined = ""
    if joined:
        raise ValueError("the last line goes on")
    return instructions


def read_labels(text: str) -> dict[str, str]:
    """Return the labels of a Dockerfile, built without build arguments.

    Raises:
        ValueError: a label holds a variable that is no argument, or a quote is not closed.
    """
    arguments: dict[str, str] = {}
    labels: dict[str, str] = {}
    for instruction in parse(text):
        if instruction.keyword == "ARG":
            arguments.update(_pairs(instruction.rest, {}))
        if instruction.keyword == "LABEL":
            labels.update(_pairs(instruction.rest, arguments))
    return labels


def _pairs(rest: str, arguments: dict[str, str]) -> Iterator[tuple[str, str]]:
    for word in _words(rest):
        key, equals, value = word.partition("=")
        if not equals:
            raise ValueError(f"no value: {word}")
        is_argument = value[:2] == '"$' and value[2:-1] in arguments
        yield _unquote(key), arguments[value[2:-1]] if is_argument else _unquote(value)


def _words(rest: str) -> Iterator[str]:
    """Split at white space that is neither quoted nor escaped."""
    quoted = r'"(?:\\.|[^"\\])*"'
    single = r"'[^']*'"
    position = 0
    while position < len(rest):
        match = re.compile(rf"\s*((?:{quoted}|{single}|\\.|[^\s\"'\\])+)(?=\s|$)").match(rest, position)
        if not match:
            raise ValueError(f"a quote is not closed: {rest[position:]}")
        yield match[1]
        position = match.end()


def _unquote(word: str) -> str:
    """Take the quotes and escapes away.

    In double quotes a backslash is one, unless a quote, a dollar or a backslash follows it.
    """
    out, quote, characters = [], "", iter(word)
    for char in characters:
        if char == quote:
            quote = ""
        elif not quote and char in "\"'":
            quote = char
        elif char == "$" and quote != "'":
            raise ValueError(f"a variable: {word}")
        elif char == "\\" and quote != "'":
            following = next(characters)
            out.append(following if not quote or following in '"$\\' else char + following)
        else:
            out.append(char)
    if quote:
        raise ValueError(f"a quote is not closed: {word}")
    return "".join(out)
