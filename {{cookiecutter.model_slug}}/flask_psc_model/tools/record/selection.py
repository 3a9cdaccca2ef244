"""The cases to record."""

import os
from typing import Callable, Iterator, List, NamedTuple, Sequence

from ...model.cases import (
    EXAMPLES,
    REFUSALS,
    TODO_FILENAME,
    Case,
    list_cases,
    list_cases_to_fill_in,
)
from .. import show_name


class Selected(NamedTuple):
    """A case to record.

    Attributes:
        kind: `EXAMPLES` or `REFUSALS`.
        case: the folder.
    """

    kind: str
    case: Case

    def __str__(self) -> str:
        return f"{self.kind}/{show_name(self.case.name)}"


def select_cases(data_folder: str, names: Sequence[str]) -> List[Selected]:
    """Return the cases of a folder, in order.

    Args:
        data_folder: holds the folders `examples` and `validation-error`.
        names: of the cases, such as `black`, `examples/black`, or the path of its
            folder; none for all cases.

    Raises:
        ValueError: there is no case, none of such a name, or it is to be filled in.
    """
    cases = list(_list_all(data_folder, list_cases))
    unfilled = list(_list_all(data_folder, list_cases_to_fill_in))
    for each in unfilled:
        if not cases or any(_is_meant(each, name) for name in names):
            raise ValueError(
                f"the case {each} is to be filled in: add its input files, as"
                f" {TODO_FILENAME} in {each.case.folder} says"
            )
    if not cases:
        raise ValueError(
            f"there is no case in {data_folder}: add a folder with input files to its"
            f" folder {EXAMPLES}, or to {REFUSALS} if the model should refuse them"
        )
    chosen: List[Selected] = []
    for name in names:
        found = [each for each in cases if _is_meant(each, name)]
        if not found:
            listed = ", ".join(map(str, cases))
            raise ValueError(f"there is no case {show_name(name)}: there are {listed}")
        chosen += [each for each in found if each not in chosen]
    return chosen or cases


def _list_all(
    data_folder: str, list_some: Callable[[str], List[Case]]
) -> Iterator[Selected]:
    for kind in (EXAMPLES, REFUSALS):
        folder = os.path.join(data_folder, kind)
        if os.path.isdir(folder):
            for case in list_some(folder):
                yield Selected(kind, case)


def _is_meant(selected: Selected, name: str) -> bool:
    stripped = name.rstrip("/")
    if stripped in (selected.case.name, f"{selected.kind}/{selected.case.name}"):
        return True
    return os.path.isdir(name) and os.path.samefile(name, selected.case.folder)
