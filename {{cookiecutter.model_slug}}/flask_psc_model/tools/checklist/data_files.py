"""The data files of a repository that the model's code names."""

import ast
import os
from typing import Callable, Dict, Iterator, List

from ...model.metadata import load_metadata
from ...model.spec import ModelSpec
from .imports import list_own_files, parse, read_text

#: Folders without files of the model: those of tools, and of jobs that are run by hand.
OTHER_FOLDERS = (
    "__pycache__",
    "asset_bundle",
    "data",
    "docs",
    "flask_psc_model",
    "node_modules",
    "tests",
)

#: The folder of the repository in the container.
WORKDIR = "/opt/app/"


def find_data_files(folder: str, is_in_image: Callable[[str], bool]) -> Dict[str, str]:
    """Return the data files that the code of the model names, and the image lacks.

    The code may name a file by its path from the repository or from the module, or by
    its last part, as `os.path.join` and `pathlib` do.

    Args:
        folder: of the repository.
        is_in_image: returns whether the image has a file.

    Returns:
        The Python file that names each data file, by the data file's path.

    Raises:
        ValueError: a file is not Python, or `model.yaml` is wrong.
    """
    files = _DataFiles(folder)
    jobs = _list_files_of_jobs(folder)
    found: Dict[str, str] = {}
    for name in list_own_files(folder):
        for text in _list_texts(parse(folder, name)):
            matches = [] if text in jobs else files.find(text, os.path.dirname(name))
            if matches and not any(map(is_in_image, matches)):
                found.setdefault(matches[0], name)
    return found


class _DataFiles:
    """The paths of the data files of a repository, with `/`."""

    def __init__(self, folder: str) -> None:
        # a folder has the first of its files
        self._by_path: Dict[str, str] = {}
        self._by_name: Dict[str, List[str]] = {}
        for path in _list_files(folder):
            self._by_path[path] = path
            parent, name = os.path.split(path)
            while parent and parent not in self._by_path:
                self._by_path[parent] = path
                parent = os.path.dirname(parent)
            # without an extension a word is seldom the name of a file
            if "." in name:
                self._by_name.setdefault(name, []).append(path)

    def find(self, text: str, parent: str) -> List[str]:
        """Return the files that a text may stand for.

        Args:
            text: a path or the last part of one.
            parent: the folder of the module that has the text.
        """
        found = []
        for path in (text, os.path.join(parent, text)):
            path = os.path.normpath(path)
            # a word that is the name of a folder may mean something else
            is_path = "/" in text or self._by_path.get(path) == path
            if is_path and path in self._by_path:
                found.append(self._by_path[path])
        return found + self._by_name.get(text, [])


def _list_files(folder: str) -> Iterator[str]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [
            each
            for each in sorted(folders)
            if each[0] != "."
            and each not in OTHER_FOLDERS
            # a virtual environment
            and not os.path.exists(os.path.join(parent, each, "pyvenv.cfg"))
        ]
        for name in sorted(names):
            if name[0] != "." and not name.endswith((".py", ".pyc")):
                path = os.path.relpath(os.path.join(parent, name), folder)
                yield path.replace(os.sep, "/")


def _list_files_of_jobs(folder: str) -> List[str]:
    metadata = load_metadata(os.path.join(folder, "model.yaml"))
    spec = ModelSpec.decode(metadata, strict=False)
    return [*spec.inputs, *spec.outputs]


def _list_texts(tree: ast.AST) -> Iterator[str]:
    """Yield the texts in code that may name a file."""
    for node in ast.walk(tree):
        text = read_text(node).replace("\\", "/")
        if text.startswith(WORKDIR):
            text = text[len(WORKDIR) :]
        # a docstring has several lines, or no file of its name
        if text.strip("./") and "\n" not in text:
            yield text
