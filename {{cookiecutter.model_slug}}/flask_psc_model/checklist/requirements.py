"""The requirements and their pins."""

import os
import re
from typing import Iterator, List, Pattern

from .point import Problem

WANTED = "requirements.in"
PINNED = "requirements.txt"

#: The name of a package at the start of a line, with its extras.
_NAME = re.compile(r"^([A-Za-z0-9][\w.-]*)", re.MULTILINE)
_PIN = re.compile(
    r"^([A-Za-z0-9][\w.-]*)(?:\s*\[[^\]]*\])?\s*(?:===?|@)\s*\S", re.MULTILINE
)


def find_unpinned(folder: str) -> Iterator[Problem]:
    """Yield the requirements that are not pinned."""
    pinned = _read_names(os.path.join(folder, PINNED), _PIN)
    for name in _read_names(os.path.join(folder, WANTED), _NAME):
        if name not in pinned:
            yield Problem(
                PINNED,
                "has no pin of {}, which {} asks for: pip install pip-tools &&"
                " pip-compile {}".format(name, WANTED, WANTED),
            )


def _read_names(path: str, pattern: Pattern[str]) -> List[str]:
    """Return the names in a file, as the package index compares them."""
    with open(path, encoding="utf-8") as file:
        names = pattern.findall(file.read())
    return [re.sub(r"[-_.]+", "-", name).lower() for name in names]
