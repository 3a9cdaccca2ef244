"""What the Dockerfile brings into the image."""

import json
import os
import re
from typing import Iterator, List

from .imports import find_imported_files
from .point import Problem

DOCKERFILE = "Dockerfile"
IGNORE_FILE = ".dockerignore"

#: What the server reads beside the modules that it imports.
OTHER_FILES = ("entrypoint.sh", "model.yaml")


def find_left_out(folder: str) -> Iterator[Problem]:
    """Yield what the server needs and does not find in the image."""
    needed = find_imported_files(folder)
    for name in OTHER_FILES:
        needed[name] = "the server"
    copied = list_copied(_read(os.path.join(folder, DOCKERFILE)))
    ignore_file = os.path.join(folder, IGNORE_FILE)
    ignored = list_ignored(_read(ignore_file)) if os.path.exists(ignore_file) else []
    told = set()
    for name, importer in sorted(needed.items()):
        top = name.split("/")[0] + ("/" if "/" in name else "")
        if not any(_matches(pattern, name) for pattern in copied):
            problem = Problem(
                DOCKERFILE,
                "does not copy {}, which {} needs: add COPY {} {}".format(
                    name, importer, top, top if top.endswith("/") else "./"
                ),
            )
        elif is_ignored(name, ignored):
            problem = Problem(
                IGNORE_FILE,
                "leaves out {}, which {} needs: add !{}".format(name, importer, top),
            )
        else:
            continue
        # one line of the file does for all files of a folder
        if (problem.where, top) not in told:
            told.add((problem.where, top))
            yield problem


def list_copied(text: str) -> List[str]:
    """Return the paths that a Dockerfile copies from the folder that it stands in."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\[ \t]*\n", " ", "\n".join(lines))
    paths = []
    for line in joined.splitlines():
        match = re.match(r"\s*(?:COPY|ADD)\s+((?:--\S+\s+)*)(.*)", line, re.IGNORECASE)
        # another stage's files are none of the folder
        if match and "--from=" not in match.group(1):
            paths += _split(match.group(2))[:-1]
    return paths


def list_ignored(text: str) -> List[str]:
    """Return the patterns of a `.dockerignore`, in their order."""
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and line[0] != "#"]


def is_ignored(name: str, patterns: List[str]) -> bool:
    """Tell whether a file is left out; the last pattern that matches it decides."""
    ignored = False
    for pattern in patterns:
        keeps = pattern.startswith("!")
        if _matches(pattern[1:] if keeps else pattern, name):
            ignored = not keeps
    return ignored


def _split(arguments: str) -> List[str]:
    if arguments.startswith("["):
        try:
            return [str(each) for each in json.loads(arguments)]
        except ValueError:
            return []
    return arguments.split()


def _matches(pattern: str, name: str) -> bool:
    """Tell whether a pattern matches a file, or a folder that it is in."""
    # both begin at the folder, and may say so
    path = os.path.normpath(pattern.strip("/")).replace(os.sep, "/")
    if path == ".":
        return True
    return bool(re.fullmatch(_translate(path) + "(?:/.*)?", name))


def _translate(pattern: str) -> str:
    """Turn a pattern into a regular expression: `*` ends at a slash, `**` does not."""
    signs = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]+\])", pattern)
    return "".join(
        signs.get(part, part if part[:1] == "[" else re.escape(part)) for part in parts
    )


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()
