"""Test cases: the folders below `tests/data/examples` and `tests/data/validation-error`.

In a case folder a file such as `input.txt` may stand as `input.txt`, as `input`, or as
the one file in a folder of either name. An input file that is missing is left out of
the job on purpose.
"""

import os
from typing import Dict, List, Optional, Sequence

#: The file of a case that holds the expected message of a refusal.
MESSAGE_FILENAME = "message.txt"


class Case:
    """One case folder.

    Attributes:
        folder: its path.
        name: of the folder.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.name = os.path.basename(folder)

    def read_inputs(self, names: Sequence[str]) -> Dict[str, Optional[bytes]]:
        """Return the content of input files by name, None where there is no such file.

        Raises:
            OSError: a file cannot be read.
            ValueError: there are several files of which only one can be meant.
        """
        inputs: Dict[str, Optional[bytes]] = {}
        for name in names:
            path = find_case_file(self.folder, name)
            inputs[name] = None if path is None else _read(path)
        return inputs

    def read_expected(self, name: str) -> bytes:
        """Return the content of a file that a case has to have.

        Raises:
            FileNotFoundError: there is no such file.
            OSError: it cannot be read.
            ValueError: there are several files of which only one can be meant.
        """
        path = find_case_file(self.folder, name)
        if path is None:
            raise FileNotFoundError(f"there is no {name} in the case {self.folder}")
        return _read(path)


def list_cases(folder: str) -> List[Case]:
    """Return the cases below a folder, in the order of their names.

    Raises:
        OSError: there is no such folder.
    """
    return [
        Case(os.path.join(folder, name))
        for name in sorted(os.listdir(folder))
        if os.path.isdir(os.path.join(folder, name)) and name[0] != "."
    ]


def find_case_file(case: str, name: str) -> Optional[str]:
    """Find the file of a case that stands for a model's file.

    Args:
        case: the folder of the case.
        name: of the model's file, such as `input.txt`.

    Returns:
        The path of `input.txt`, `input`, or the one file in a folder of either name;
        None where there is none of these.

    Raises:
        ValueError: there are several files in such a folder.
    """
    for candidate in (name, os.path.splitext(name)[0]):
        path = os.path.join(case, candidate)
        if os.path.isfile(path):
            return path
        if os.path.isdir(path):
            files = [each for each in sorted(os.listdir(path)) if each[0] != "."]
            if len(files) != 1:
                raise ValueError(
                    f"the folder {path} should hold one file, not {len(files)}"
                )
            return os.path.join(path, files[0])
    return None


def check_filenames(names: Sequence[str], message_filename: str) -> None:
    """Check that the files of a case can be told apart without their extension.

    Args:
        names: of the model's input and output files.
        message_filename: the file that holds an expected message.

    Raises:
        ValueError: two of them cannot; the message names both.
    """
    seen: Dict[str, str] = {}
    for name in [message_filename] + list(names):
        stem = os.path.splitext(name)[0]
        if stem in seen:
            raise ValueError(
                "the files {} and {} cannot be told apart without their extension:"
                " rename one of them{}".format(
                    seen[stem],
                    name,
                    ", or set error_message_filename"
                    if seen[stem] == message_filename
                    else "",
                )
            )
        seen[stem] = name


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
