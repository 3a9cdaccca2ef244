"""The instructions of a Dockerfile.

See https://docs.docker.com/reference/dockerfile/#format.
"""

import re
from typing import List, NamedTuple

DOCKERFILE = "Dockerfile"

_CONTINUED = re.compile(r"\\[ \t]*$")
#: A word such as `<<EOF`: lines up to `EOF` follow, which are no instructions.
_HEREDOC = re.compile(r"(?:^|\s)\d*<<-?([\"']?)([^\s\"'<]+)\1(?=\s|$)")


class Instruction(NamedTuple):
    """An instruction, without the comments and the line ends in it.

    Attributes:
        keyword: in capitals.
        arguments: the rest of it, on one line.
    """

    keyword: str
    arguments: str


def list_instructions(text: str) -> List[Instruction]:
    """Return the instructions in the text of a Dockerfile."""
    instructions = []
    lines = text.replace("\r\n", "\n").split("\n")[::-1]
    joined = ""
    while lines:
        line = lines.pop()
        # those between continued lines are skipped as well
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        joined += _CONTINUED.sub("", line)
        if _CONTINUED.search(line) and lines:
            continue
        keyword, *rest = joined.split(None, 1)
        arguments = rest[0].rstrip() if rest else ""
        instructions.append(Instruction(keyword.upper(), arguments))
        for _, end in _HEREDOC.findall(arguments):
            _skip_heredoc(lines, end)
        joined = ""
    return instructions


def _skip_heredoc(lines: List[str], end: str) -> None:
    """Remove the lines of a heredoc from the end of a list, if it ends at all."""
    ends = [number for number, line in enumerate(lines) if line.lstrip("\t") == end]
    if ends:
        del lines[ends[-1] :]
