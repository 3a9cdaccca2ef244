"""What the files of the server import, and where the modules are."""

import ast
import os
import re
import sys
import sysconfig
from importlib.util import find_spec
from typing import Dict, Iterator, List, Set

from .point import Problem

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


def list_own_files(folder: str) -> List[str]:
    """Return the files that `find_imported_files` finds, without those of the server.

    Raises:
        ValueError: a file is not Python.
    """
    files = sorted(find_imported_files(folder))
    return [name for name in files if not name.startswith(RUNTIME + "/")]


def find_required_modules(folder: str) -> Dict[str, str]:
    """Return the modules of other packages without which the server does not work.

    Returns:
        The file that imports each module, by the module's name.

    Raises:
        ValueError: a file is not Python.
    """
    found: Dict[str, str] = {}
    for name in list_own_files(folder):
        for module in _list_required(parse(folder, name)):
            is_own = module == RUNTIME or _is_module(folder, [module])
            if not is_own and not _is_standard(module):
                found.setdefault(module, name)
    return found


def list_distributions(module: str) -> Set[str]:
    """Return the names of the installed packages that hold a module."""
    found = set()
    for folder in filter(os.path.isdir, sys.path):
        for name in os.listdir(folder):
            if name.endswith(".dist-info"):
                path = os.path.join(folder, name, "RECORD")
                if os.path.isfile(path) and _has_module(path, module):
                    found.add(name.split("-")[0])
    return found


def _has_module(path: str, module: str) -> bool:
    start = re.compile(re.escape(module) + r"(?:/|\.py,|\.[\w-]+\.so,)")
    with open(path, encoding="utf-8", errors="replace") as file:
        return any(map(start.match, file))


def _list_required(node: ast.AST) -> Iterator[str]:
    """Yield the modules that code imports, without those that it can do without."""
    if isinstance(node, ast.Import):
        yield from (alias.name.split(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module.split(".")[0]
    for name, value in ast.iter_fields(node):
        is_optional = name == "body" and (
            isinstance(node, ast.Try)
            and any(map(_catches_import_error, node.handlers))
            or isinstance(node, ast.If)
            and "TYPE_CHECKING" in ast.dump(node.test)
        )
        children = value if isinstance(value, list) else [value]
        for child in () if is_optional else children:
            if isinstance(child, ast.AST):
                yield from _list_required(child)


def _catches_import_error(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    names = ("ImportError", "ModuleNotFoundError", "'Exception'", "BaseException")
    return any(name in ast.dump(handler.type) for name in names)


def _is_standard(module: str) -> bool:
    """Return whether a module is part of Python."""
    if module in sys.builtin_module_names or module == "__main__":
        return True
    names = getattr(sys, "stdlib_module_names", None)
    if names is not None:
        return module in names
    # before Python 3.10
    spec = find_spec(module)
    origin = (spec and spec.origin) or ""
    paths = sysconfig.get_paths()
    is_inside = origin.startswith((paths["stdlib"], paths["platstdlib"]))
    is_installed = "site-packages" in origin or "dist-packages" in origin
    return is_inside and not is_installed


def _list_modules(folder: str, name: str) -> Iterator[List[str]]:
    """Yield the dotted path of each name that a file imports, as a list."""
    tree = parse(folder, name)
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
            text = read_text(node)
            if _DOTTED_PATH.fullmatch(text):
                yield re.split("[.:]", text)


def find_unresolved(folder: str) -> Iterator[Problem]:
    """Yield the dotted paths for `create_app` that lead to no module."""
    for name in ROOTS:
        if not os.path.isfile(os.path.join(folder, name)):
            continue
        for text in _list_factories(parse(folder, name)):
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
            texts = map(read_text, values if function == "create_app" else [])
            yield from filter(_DOTTED_PATH.fullmatch, texts)


def parse(folder: str, name: str) -> ast.AST:
    """Return the syntax tree of a file of a repository.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not Python.
    """
    with open(os.path.join(folder, name), "rb") as file:
        try:
            return ast.parse(file.read())
        except (SyntaxError, ValueError) as error:
            raise ValueError(f"{name} is not Python: {error}") from error


def read_text(node: ast.AST) -> str:
    """Return the text that a node is; nothing for any other node."""
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
