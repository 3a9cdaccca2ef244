"""What the Dockerfile adds to the image: modules, and the files that they read."""

import glob
import json
import os
import posixpath
import re
import shlex
from typing import Dict, Iterator, List, NamedTuple, Optional

from ..dockerfile import DOCKERFILE, list_instructions
from ..files import read_text
from ..requirements import PINNED
from .data_files import find_data_files
from .imports import find_imported_files, find_unresolved
from .point import Problem

IGNORE_FILE = ".dockerignore"

#: The options of an instruction.
_FLAGS = re.compile(r"^(?:--\S+\s+)+")
_VARIABLE = re.compile(r"\$(?:\{[^}]*\}|\w+)")

#: What the server reads besides the modules that it imports.
OTHER_FILES = ("entrypoint.sh", "model.yaml")


class Copied(NamedTuple):
    """What a Dockerfile copies from its folder.

    Attributes:
        path: of files or folders; a pattern.
        target: where they go, from the root or the working directory of the image;
            None where that cannot be known.
    """

    path: str
    target: Optional[str]

    def matches(self, name: str) -> bool:
        """Return whether a file is copied, wherever to."""
        return any(True for _ in self._find_matches(name))

    def keeps_path(self, name: str) -> bool:
        """Return whether a file is copied so that its path ends as in the repository."""
        for part in self._find_matches(name):
            if self.target is None:
                return True
            # of a folder, the content is copied
            places = [posixpath.join(self.target, name[len(part) :].lstrip("/"))]
            if part == name:
                # the target of a file may be a folder
                places.append(posixpath.join(self.target, posixpath.basename(name)))
            for place in places:
                if f"/{posixpath.normpath(place)}".endswith("/" + name):
                    return True
        return False

    def _find_matches(self, name: str) -> Iterator[str]:
        """Yield the file, and the folders that it is in, if they are copied."""
        path = _VARIABLE.sub("**", self.path)
        path = posixpath.normpath(path.strip("/") or ".")
        pattern = re.compile("" if path == "." else _translate(path))
        part = name
        while True:
            if pattern.fullmatch(part):
                yield part
            if not part:
                break
            part = posixpath.dirname(part)


def find_uncopied(folder: str) -> Iterator[Problem]:
    """Yield what keeps the image from being built, and the files that it lacks."""
    yield from _find_missing(folder)
    yield from find_unresolved(folder)
    needed = find_imported_files(folder)
    modules = set(needed)
    for name in OTHER_FILES:
        needed[name] = "the server"
    copied = list_copied(read_text(os.path.join(folder, DOCKERFILE)))
    ignore_file = os.path.join(folder, IGNORE_FILE)
    ignored = (
        list_ignored(read_text(ignore_file)) if os.path.exists(ignore_file) else []
    )

    def is_in_image(name: str) -> bool:
        is_copied = any(each.matches(name) for each in copied)
        return is_copied and not is_ignored(name, ignored)

    needed.update(find_data_files(folder, is_in_image))
    found = set()
    for name, importer in sorted(needed.items()):
        top = name.split("/")[0] + ("/" if "/" in name else "")
        if not any(each.matches(name) for each in copied):
            to = top if top.endswith("/") else "./"
            where = DOCKERFILE
            what = f"does not copy {name}, which {importer} needs: add COPY {top} {to}"
        elif is_ignored(name, ignored):
            where = IGNORE_FILE
            what = f"excludes {name}, which {importer} needs: add !{top}"
        elif (
            name in modules
            and "/" in name
            and not any(each.keeps_path(name) for each in copied)
        ):
            where = DOCKERFILE
            what = (
                f"copies {name}, which {importer} needs, to another folder of the image:"
                f" write COPY {top} {top}"
            )
        else:
            continue
        # one line of the file is enough for all files of a folder
        if (where, top) not in found:
            found.add((where, top))
            yield Problem(where, what)


def _find_missing(folder: str) -> Iterator[Problem]:
    for path, _ in list_copied(read_text(os.path.join(folder, DOCKERFILE))):
        # the engine looks up variables and downloads
        if re.search(r"\$|://|@", path):
            continue
        name = os.path.normpath(path.strip("/") or ".")
        # `find_unpinned` names the pins
        if name != PINNED and not glob.glob(os.path.join(glob.escape(folder), name)):
            what = f"copies {path}, which does not exist: correct the path"
            yield Problem(DOCKERFILE, what)


def list_copied(text: str) -> List[Copied]:
    """Return what a Dockerfile copies from its folder."""
    found: List[Copied] = []
    # the working directories by the names of the stages
    stages: Dict[str, str] = {}
    stage = workdir = ""
    for keyword, arguments in list_instructions(text):
        rest = _FLAGS.sub("", arguments)
        flags = arguments[: len(arguments) - len(rest)]
        words = _split(rest)
        if keyword == "FROM":
            # a later stage may copy it from there to anywhere
            found = [each._replace(target=None) for each in found]
            stages[stage] = workdir
            base, _, stage = [*map(str.lower, words), "", "", ""][:3]
            workdir = stages.get(base, "")
        elif keyword == "WORKDIR" and words:
            workdir = posixpath.join(workdir, words[0])
        # files of another stage are not in the folder
        elif keyword in ("COPY", "ADD") and "--from=" not in flags:
            target = posixpath.join(workdir, words[-1]) if words else ""
            is_known = "$" not in target and "--parents" not in flags
            for path in words[:-1]:
                # a heredoc is no file
                if "<<" not in path:
                    found.append(Copied(path, target if is_known else None))
    return found


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
    """Return the words of an instruction; none where it is malformed."""
    try:
        if arguments.startswith("["):
            return [str(each) for each in json.loads(arguments)]
        return shlex.split(arguments)
    except ValueError:
        return []


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
