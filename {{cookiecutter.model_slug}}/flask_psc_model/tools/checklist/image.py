"""What the Dockerfile adds to the image: modules, and the files that they read."""

import glob
import json
import os
import re
from typing import Iterator, List

from ..requirements import PINNED
from .data_files import find_data_files
from .imports import find_imported_files, find_unresolved
from .point import Problem

DOCKERFILE = "Dockerfile"
IGNORE_FILE = ".dockerignore"

#: What the server reads besides the modules that it imports.
OTHER_FILES = ("entrypoint.sh", "model.yaml")


def find_uncopied(folder: str) -> Iterator[Problem]:
    """Yield what keeps the image from being built, and the files that it lacks."""
    yield from _find_missing(folder)
    yield from find_unresolved(folder)
    needed = find_imported_files(folder)
    for name in OTHER_FILES:
        needed[name] = "the server"
    copied = list_copied(_read(os.path.join(folder, DOCKERFILE)))
    ignore_file = os.path.join(folder, IGNORE_FILE)
    ignored = list_ignored(_read(ignore_file)) if os.path.exists(ignore_file) else []

    def is_in_image(name: str) -> bool:
        is_copied = any(_matches(pattern, name) for pattern in copied)
        return is_copied and not is_ignored(name, ignored)

    needed.update(find_data_files(folder, is_in_image))
    found = set()
    for name, importer in sorted(needed.items()):
        top = name.split("/")[0] + ("/" if "/" in name else "")
        if not any(_matches(pattern, name) for pattern in copied):
            to = top if top.endswith("/") else "./"
            where = DOCKERFILE
            what = f"does not copy {name}, which {importer} needs: add COPY {top} {to}"
        elif is_ignored(name, ignored):
            where = IGNORE_FILE
            what = f"excludes {name}, which {importer} needs: add !{top}"
        else:
            continue
        # one line of the file is enough for all files of a folder
        if (where, top) not in found:
            found.add((where, top))
            yield Problem(where, what)


def _find_missing(folder: str) -> Iterator[Problem]:
    for path in list_copied(_read(os.path.join(folder, DOCKERFILE))):
        # the engine looks up variables, downloads and the lines that follow a <<
        if re.search(r"\$|^<<|://|@", path):
            continue
        name = os.path.normpath(path.strip("/") or ".")
        # `find_unpinned` names the pins
        if name != PINNED and not glob.glob(os.path.join(glob.escape(folder), name)):
            what = f"copies {path}, which does not exist: correct the path"
            yield Problem(DOCKERFILE, what)


def list_copied(text: str) -> List[str]:
    """Return the paths that a Dockerfile copies from its folder."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\[ \t]*\n", " ", "\n".join(lines))
    paths = []
    for line in joined.splitlines():
        match = re.match(r"\s*(?:COPY|ADD)\s+((?:--\S+\s+)*)(.*)", line, re.IGNORECASE)
        # files of another stage are not in the folder
        if match and "--from=" not in match.group(1):
            paths += _split(match.group(2))[:-1]
    return paths


def list_ignored(text: str) -> List[str]:
    """Return the patterns of a `.dockerignore`, in order."""
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and line[0] != "#"]


def is_ignored(name: str, patterns: List[str]) -> bool:
    """Return whether a file is excluded; the last pattern that matches it decides."""
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
    """Return whether a pattern matches a file, or a folder that it is in."""
    # a leading / or ./ means the folder of the Dockerfile
    path = os.path.normpath(pattern.strip("/")).replace(os.sep, "/")
    if path == ".":
        return True
    return bool(re.fullmatch(_translate(path) + "(?:/.*)?", name))


def _translate(pattern: str) -> str:
    """Return a pattern as a regular expression: `*` ends at a slash, `**` does not."""
    signs = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]+\])", pattern)
    return "".join(
        signs.get(part, part if part[:1] == "[" else re.escape(part)) for part in parts
    )


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()
