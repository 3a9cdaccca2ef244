"""What a generated text should not hold."""

from __future__ import annotations

import re
from collections.abc import Iterator

from markdown_it import MarkdownIt

#: A Jinja mark; two braces and a dot are Go's, in a command that the README shows, and with a dollar they are GitHub's.
JINJA_MARK = re.compile(rb"(?<!\$)\{\{(?!\.)|\{%|\{#")

FAULTS = {
    "holds Jinja that was not rendered": JINJA_MARK,
    "has no new line at the end": re.compile(rb"[^\n]\Z"),
    "has blank lines at the end": re.compile(rb"\n\n\Z"),
    "begins with a blank line": re.compile(rb"\A\n"),
    "has white space at a line's end": re.compile(rb"[ \t]$", re.MULTILINE),
    "has three blank lines in a row": re.compile(rb"\n\n\n\n"),
    "has carriage returns": re.compile(rb"\r"),
    "has tabs": re.compile(rb"\t"),
}


def find_faults(content: bytes) -> list[str]:
    """Return what is untidy about a text."""
    return [fault for fault, pattern in FAULTS.items() if pattern.search(content)]


def find_empty_sections(markdown: str) -> Iterator[str]:
    """Yield the headings with nothing below them; a section may begin with a section of its own."""
    tokens = MarkdownIt("commonmark").parse(markdown)
    opened = [index for index, token in enumerate(tokens) if token.type == "heading_open"]
    for index in opened:
        # a heading is three tokens: its start, its text, its end
        following = tokens[index + 3 : index + 4]
        if not following or (following[0].type == "heading_open" and following[0].tag <= tokens[index].tag):
            yield tokens[index + 1].content
