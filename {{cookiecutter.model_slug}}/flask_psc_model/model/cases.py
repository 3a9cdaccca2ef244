"""Test cases: the folders in `tests/data/examples` and `tests/data/validation-error`.

Names in a case folder are compared without their extension: the model's file `input.txt`
is the file `input.txt`, `input` or `input.md`, or the only file in a folder of such a
name. A job lacks the input files that its case folder lacks.
"""

import os
from typing import Dict, List, NamedTuple, Optional, Sequence

#: The folders of cases: those that run, and those that the model rejects.
EXAMPLES = "examples"
REFUSALS = "validation-error"

#: The file with the expected message of a case that the model rejects.
MESSAGE_FILENAME = "message.txt"

#: The only file of a case that is to be filled in; it says how.
TODO_FILENAME = "TODO.md"

#: What to do about an output that is a folder: the cases compare files.
FOLDER_HINT = (
    "an output that is a folder needs a test of your own, see"
    ' "Outputs that are folders" in docs/server/development.md'
)


class Case(NamedTuple):
    """One case folder.

    Attributes:
        folder: its path.
    """

    folder: str

    @property
    def name(self) -> str:
        """The name of the folder."""
        return os.path.basename(self.folder)

    def read_inputs(self, names: Sequence[str]) -> Dict[str, Optional[bytes]]:
        """Return the content of input files by name; None means no file.

        Raises:
            OSError: a file cannot be read.
            ValueError: two files could be meant, or a folder for the file does not hold
                exactly one file.
        """
        inputs: Dict[str, Optional[bytes]] = {}
        for name in names:
            path = find_case_file(self.folder, name)
            inputs[name] = None if path is None else _read(path)
        return inputs

    def read_expected(self, name: str) -> bytes:
        """Return the content of a file that the case must have.

        Raises:
            FileNotFoundError: there is no such file; the message lists those that there
                are.
            OSError: it cannot be read.
            ValueError: two files could be meant, or a folder for the file does not hold
                exactly one file.
        """
        path = find_case_file(self.folder, name)
        if path is None:
            raise FileNotFoundError(self.describe_missing(name))
        return _read(path)

    def describe_missing(self, name: str) -> str:
        """Return a sentence on a file that the case lacks, and on what it has."""
        names = _list_names(self.folder)
        held = "it holds " + ", ".join(names) if names else "it is empty"
        stem = os.path.splitext(name)[0]
        return (
            f"the case {self.folder} has no {name}: {held}; the file may be named"
            f" {name}, or {stem} with any extension"
        )

    def is_to_fill_in(self) -> bool:
        """Return whether there is nothing in the folder but a note on what it needs."""
        return _list_names(self.folder) == [TODO_FILENAME]


def list_cases(folder: str) -> List[Case]:
    """Return the cases in a folder by name, without those that are to be filled in.

    Hidden folders are skipped.

    Raises:
        OSError: there is no such folder.
    """
    return [case for case in _list_folders(folder) if not case.is_to_fill_in()]


def list_cases_to_fill_in(folder: str) -> List[Case]:
    """Return the cases in a folder that are to be filled in, by name.

    Raises:
        OSError: there is no such folder.
    """
    return [case for case in _list_folders(folder) if case.is_to_fill_in()]


def _list_folders(folder: str) -> List[Case]:
    return [
        Case(os.path.join(folder, name))
        for name in sorted(os.listdir(folder))
        if os.path.isdir(os.path.join(folder, name)) and name[0] != "."
    ]


def find_case_file(case: str, name: str) -> Optional[str]:
    """Find a model's file in a case folder.

    Args:
        case: the folder of the case.
        name: of the model's file, such as `input.txt`.

    Returns:
        The path of `input.txt`, `input` or `input` with any other extension, or of the
        only file in a folder of such a name; None if there is none of these.

    Raises:
        ValueError: there are two of these, or such a folder does not hold exactly one
            file.
    """
    parent, filename = os.path.split(os.path.join(case, name))
    stem = os.path.splitext(filename)[0]
    found = [each for each in _list_names(parent) if os.path.splitext(each)[0] == stem]
    if len(found) > 1:
        raise ValueError(
            f"the case {case} has {' and '.join(found)}, and each of them could be"
            f" {name}: remove or rename all but one"
        )
    if not found:
        return None
    path = os.path.join(parent, found[0])
    if not os.path.isdir(path):
        return path
    files = _list_names(path)
    if len(files) != 1:
        raise ValueError(f"the folder {path} should hold one file, not {len(files)}")
    return os.path.join(path, files[0])


def _list_names(folder: str) -> List[str]:
    """Return the names in a folder, without hidden files and backups of editors."""
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(name for name in names if name[0] != "." and name[-1] != "~")


def check_filenames(names: Sequence[str], message_filename: str) -> None:
    """Check that the files of a case do not differ only in their extensions.

    Args:
        names: of the model's input and output files.
        message_filename: the file with an expected message.

    Raises:
        ValueError: two of them do; the message names both.
    """
    message = os.path.splitext(message_filename)[0]
    seen: Dict[str, str] = {}
    for name in names:
        stem = os.path.splitext(name)[0]
        if stem == message:
            raise ValueError(
                f"{message_filename} holds the expected error message of a case,"
                f" whatever its extension: rename the file {name}, or set"
                " error_message_filename"
            )
        if stem in seen:
            raise ValueError(
                f"the files {seen[stem]} and {name} differ only in their extensions:"
                " rename one of them"
            )
        seen[stem] = name


def check_findable(names: Sequence[str]) -> None:
    """Check that one case can hold some files, so that each of them is found.

    Args:
        names: of the model's files in such a case.

    Raises:
        ValueError: a file is hidden, or has the name of a folder for another one.
    """
    stems = {os.path.splitext(name)[0]: name for name in names}
    for name in names:
        *folders, filename = name.split("/")
        if filename[:1] == ".":
            raise ValueError(
                f"the file {name} is hidden, and cases skip hidden files: rename it"
            )
        for depth in range(1, len(folders) + 1):
            folder = "/".join(folders[:depth])
            other = stems.get(os.path.splitext(folder)[0])
            if other:
                raise ValueError(
                    f"{folder} of {name} and {other} are a folder and a file of the same"
                    " name, extensions aside: rename one of them"
                )


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
