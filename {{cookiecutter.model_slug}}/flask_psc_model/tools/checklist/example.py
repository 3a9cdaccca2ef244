"""What is left of the template's example."""

import glob
import hashlib
import os
from typing import Any, Iterator, Tuple

from ...model.metadata import load_metadata
from .. import to_line
from .point import Problem

#: The texts of the example's `model.yaml`, each on one line. They describe the example or
#: are the defaults of answers, so no user's own model has them.
TEXTS = (
    "Your Name",
    "Names the CSS colours nearest to a colour given in hexadecimal digits.",
    "Reads one colour and returns the names of the nearest CSS colours, each with a"
    " score.",
    "## Overview The distance between two colours is the Euclidean distance in RGB. ##"
    " Training Nothing is trained: the names are those of CSS Color Module Level 4. ##"
    " Validation The cases in `tests/data/examples`.",
    "Every named colour is its own nearest colour.",
    "0.1.0 - The example of the template.",
    "Share of the named CSS colours that are named correctly.",
    "One colour of three or six hexadecimal digits, with or without `#`, such as"
    " `ffaa00`, `#ffaa00` or `fa0`.",
    "The nearest colour names under `predictions`, nearest first, each with its `name`"
    " and a `score` from 0 to 1.",
)

#: A name that the example's Python files hold with every framework.
CODE_MARK = "CSS_COLORS"

#: What the example's texts for users hold, by file. Line breaks are collapsed.
PAGE_MARKS = {
    "README.md": "names the CSS colours nearest to a colour",
    "asset_bundle/*/documentation.md": "named CSS colours",
    "asset_bundle/*/samples/input.json": '"ffaa00"',
    "asset_bundle/*/samples/output.json": '"darkgoldenrod"',
}

#: The pictures of the example, by the start of their SHA-256.
PICTURES = (
    "a29db3276437b9a3",
    "18a310c75cb1be56",
    "963d0c6a31aae73e",
    "15815f154148c25d",
)

#: Folders without code of the model.
OTHER_FOLDERS = ("flask_psc_model", "node_modules", "tests")


def find_texts(folder: str) -> Iterator[Problem]:
    """Yield the texts of `model.yaml` that are blank or still those of the example."""
    metadata = load_metadata(os.path.join(folder, "model.yaml"))
    for key, text in list_texts(metadata):
        if not text:
            yield Problem("model.yaml, " + key, "is blank: fill it in")
        elif text in TEXTS:
            what = "is still the example's: write your own"
            yield Problem("model.yaml, " + key, what)


def find_code(folder: str) -> Iterator[Problem]:
    """Yield the Python files that hold code of the example."""
    for path in _list_python_files(folder):
        with open(path, encoding="utf-8", errors="replace") as file:
            if CODE_MARK in file.read():
                yield Problem(
                    os.path.relpath(path, folder),
                    f"still has code of the example ({CODE_MARK}): replace it with your"
                    " model",
                )


def find_pages(folder: str) -> Iterator[Problem]:
    """Yield the files for the model's users that still describe the example."""
    for pattern, mark in PAGE_MARKS.items():
        for path in sorted(glob.glob(os.path.join(glob.escape(folder), pattern))):
            with open(path, encoding="utf-8", errors="replace") as file:
                if mark in to_line(file.read()):
                    yield Problem(
                        os.path.relpath(path, folder),
                        f"still describes the example ({mark}): describe your model",
                    )
    pattern = os.path.join(glob.escape(folder), "asset_bundle", "*", "assets", "*", "*")
    for path in sorted(glob.glob(pattern)):
        with open(path, "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        if digest.startswith(PICTURES):
            yield Problem(
                os.path.relpath(path, folder), "is still the example's: replace it"
            )


def list_texts(value: Any, key: str = "") -> Iterator[Tuple[str, str]]:
    """Yield each text in metadata with its key, the white space collapsed."""
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, tuple):
        items = list(enumerate(value))
    else:
        items = []
    for name, item in items:
        yield from list_texts(item, f"{key}.{name}" if key else str(name))
    if isinstance(value, str):
        yield key, to_line(value)


def _list_python_files(folder: str) -> Iterator[str]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [
            name
            for name in sorted(folders)
            if name[0] != "."
            and name not in OTHER_FOLDERS
            # a virtual environment
            and not os.path.exists(os.path.join(parent, name, "pyvenv.cfg"))
        ]
        for name in sorted(names):
            if name.endswith(".py"):
                yield os.path.join(parent, name)
