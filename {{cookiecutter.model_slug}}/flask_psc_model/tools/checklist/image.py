"""What the Dockerfile adds to the image: modules, files and pinned packages."""

import ast
import glob
import json
import os
import re
from importlib.util import find_spec
from typing import Dict, Iterator, List, Pattern

from .point import Problem

DOCKERFILE = "Dockerfile"
IGNORE_FILE = ".dockerignore"

#: What the server reads besides the modules that it imports.
OTHER_FILES = ("entrypoint.sh", "model.yaml")


def find_uncopied(folder: str) -> Iterator[Problem]:
    """Yield what keeps the image from being built, and the files that it lacks."""
    yield from _find_missing(folder)
    yield from _find_unresolved(folder)
    needed = find_imported_files(folder)
    for name in OTHER_FILES:
        needed[name] = "the server"
    copied = list_copied(_read(os.path.join(folder, DOCKERFILE)))
    ignore_file = os.path.join(folder, IGNORE_FILE)
    ignored = list_ignored(_read(ignore_file)) if os.path.exists(ignore_file) else []
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


#: The modules that the server starts from.
ROOTS = ("app.py", "gunicorn.conf.py")

#: It has to be in the image as a whole.
RUNTIME = "flask_psc_model"

#: A path such as `model_lib.model.MyModel`, by which `create_app` imports the model.
_DOTTED_PATH = re.compile(r"[A-Za-z_]\w*(?:[.:][A-Za-z_]\w*)+")


def find_imported_files(folder: str) -> Dict[str, str]:
    """Return the files of a repository that its server imports.

    Returns:
        The path of each file in the folder, with `/`, and the file that imports it;
        `ROOTS` import themselves.

    Raises:
        ValueError: a file is not Python.
    """
    found = {name: name for name in ROOTS if os.path.isfile(os.path.join(folder, name))}
    left = list(found)
    while left:
        importer = left.pop()
        for module in _list_modules(folder, importer):
            for name in _find_files(folder, module):
                if name not in found:
                    found[name] = importer
                    if not name.startswith(RUNTIME):
                        left.append(name)
    return found


def _list_modules(folder: str, name: str) -> Iterator[List[str]]:
    """Yield the dotted path of each name that a file imports, as a list."""
    tree = _parse(folder, name)
    package = name.split("/")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.split(".")
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base += node.module.split(".") if node.module else []
            for alias in node.names:
                yield base + [alias.name]
        elif name in ROOTS:
            text = _read_text(node)
            if _DOTTED_PATH.fullmatch(text):
                yield re.split("[.:]", text)


def _find_unresolved(folder: str) -> Iterator[Problem]:
    """Yield the dotted paths for `create_app` that lead to no module."""
    for name in ROOTS:
        if not os.path.isfile(os.path.join(folder, name)):
            continue
        for text in _list_factories(_parse(folder, name)):
            *module, _ = re.split("[.:]", text)
            # other packages than those of the repository may be installed
            is_own = _is_module(folder, module[:1]) or not find_spec(module[0])
            if is_own and not _is_module(folder, module):
                yield Problem(
                    name,
                    f"names {text}, and there is no {'/'.join(module)}.py: correct the"
                    " path, or move the file there",
                )


def _is_module(folder: str, path: List[str]) -> bool:
    joined = os.path.join(folder, *path)
    return os.path.isdir(joined) or os.path.isfile(joined + ".py")


def _list_factories(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = getattr(node.func, "id", getattr(node.func, "attr", ""))
            values = node.args + [keyword.value for keyword in node.keywords]
            texts = map(_read_text, values if function == "create_app" else [])
            yield from filter(_DOTTED_PATH.fullmatch, texts)


def _parse(folder: str, name: str) -> ast.AST:
    with open(os.path.join(folder, name), "rb") as file:
        try:
            return ast.parse(file.read())
        except (SyntaxError, ValueError) as error:
            raise ValueError(f"{name} is not Python: {error}") from error


def _read_text(node: ast.AST) -> str:
    # before Python 3.8, a string has a class of its own
    value = getattr(node, "s" if type(node).__name__ == "Str" else "value", None)
    return value if isinstance(value, str) else ""


def _find_files(folder: str, path: List[str]) -> Iterator[str]:
    """Yield the files of a dotted path: its packages and its module."""
    for depth in range(1, len(path) + 1):
        stem = "/".join(path[:depth])
        for name in (stem + ".py", stem + "/__init__.py"):
            if os.path.isfile(os.path.join(folder, name)):
                yield name


WANTED = "requirements.in"
PINNED = "requirements.txt"

#: The name of a package at the start of a line. Lines with an environment marker are
#: skipped: it may exclude this Python. So are URLs and paths, whose package has a name
#: that only its files know.
_NAME = re.compile(
    r"^(?![\w.+-]*(?:://|/|\\)|[\w.+-]*\.(?:whl|zip|tar\.gz)\b)"
    r"([A-Za-z0-9][\w.-]*)(?=[^;#\n]*(?:#.*)?$)",
    re.MULTILINE,
)
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
                f"has no pin of {name}, which {WANTED} requires: run pip install pip-tools"
                f" && pip-compile {WANTED}",
            )


def _read_names(path: str, pattern: Pattern[str]) -> List[str]:
    """Return the names in a file, normalized as the package index does."""
    with open(path, encoding="utf-8") as file:
        names = pattern.findall(file.read())
    return [re.sub(r"[-_.]+", "-", name).lower() for name in names]
