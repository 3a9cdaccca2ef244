"""What a reader sees of Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token


def plain_text(markdown: str) -> str:
    """Return the text that a browser would show, with white space collapsed."""
    parser = MarkdownIt("commonmark").enable(["strikethrough", "table"])
    return " ".join("".join(_texts(parser.parse(markdown))).split())


def _texts(tokens: list[Token]) -> Iterator[str]:
    for token in tokens:
        if token.children is not None:
            yield from _texts(token.children)
        elif token.type in ("text", "code_inline", "code_block", "fence"):
            yield token.content
        if token.block or token.type in ("softbreak", "hardbreak"):
            yield "\n"
