"""The modules of a repository that its app imports, found without running anything."""

import ast
import os
import re
from typing import Dict, Iterator, List

#: Where the server begins.
ROOTS = ("app.py", "gunicorn.conf.py")

#: It is one whole, of which nothing is left out.
RUNTIME = "flask_psc_model"

#: A path such as `model_lib.model.MyModel`, by which `create_app` imports the model.
_DOTTED_PATH = re.compile(r"[A-Za-z_]\w*(?:[.:][A-Za-z_]\w*)+")


def find_imported_files(folder: str) -> Dict[str, str]:
    """Find the files of a repository that its server imports.

    Returns:
        The name of each file below the folder, with `/`, and of the file that imports
        it; `ROOTS` import themselves.

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
    """Yield the path of each name that a file imports, modules and what is in them."""
    with open(os.path.join(folder, name), "rb") as file:
        try:
            tree = ast.parse(file.read())
        except (SyntaxError, ValueError) as error:
            raise ValueError("{} is not Python: {}".format(name, error)) from error
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


def _read_text(node: ast.AST) -> str:
    # before Python 3.8 a text has a class of its own
    value = getattr(node, "s" if type(node).__name__ == "Str" else "value", None)
    return value if isinstance(value, str) else ""


def _find_files(folder: str, path: List[str]) -> Iterator[str]:
    """Yield the files of a dotted path: its packages, and its module."""
    for depth in range(1, len(path) + 1):
        stem = "/".join(path[:depth])
        for name in (stem + ".py", stem + "/__init__.py"):
            if os.path.isfile(os.path.join(folder, name)):
                yield name
