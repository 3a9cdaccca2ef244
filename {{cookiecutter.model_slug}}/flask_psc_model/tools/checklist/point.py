"""One point of the checklist."""

import os
from typing import Callable, Iterator, List, NamedTuple

from .. import to_line


class Problem(NamedTuple):
    """Why a point is open, and what closes it.

    Attributes:
        where: the file, and the key in it; empty if `what` names it.
        what: what is wrong there, and what to do.
    """

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


class Point(NamedTuple):
    """A statement about a repository that should become true.

    Attributes:
        title: the statement.
        find: yields what is wrong in the folder of a repository.
        doing: what `find` does, if it can take a while.
    """

    title: str
    find: Callable[[str], Iterator[Problem]]
    doing: str = ""

    def list_problems(self, folder: str) -> List[Problem]:
        """Return what is wrong in the folder of a repository; nothing closes the point."""
        try:
            return list(self.find(folder))
        except OSError as error:
            if not error.filename:
                return [Problem("", str(error))]
            where = os.path.relpath(str(error.filename), folder)
            is_missing = isinstance(error, FileNotFoundError)
            what = "is missing: add it again" if is_missing else str(error.strerror)
            return [Problem(where, what)]
        except ValueError as error:
            return [Problem("", to_line(str(error)))]
