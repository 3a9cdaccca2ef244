"""One point of the checklist."""

import os
from typing import Callable, Iterator, List


class Problem:
    """Why a point is open, and what closes it.

    Attributes:
        where: the file, and the key in it; empty where `what` has it.
        what: what is wrong there, and what to do.
    """

    def __init__(self, where: str, what: str) -> None:
        self.where = where
        self.what = what

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


class Point:
    """A statement about a repository that should become true.

    Attributes:
        title: the statement.
        doing: what looking for problems does, where that can take a while.
    """

    def __init__(
        self, title: str, find: Callable[[str], Iterator[Problem]], doing: str = ""
    ) -> None:
        """Make the point.

        Args:
            title: the statement.
            find: yields what is wrong in the folder of a repository.
            doing: what that does, where it can take a while.
        """
        self.title = title
        self.doing = doing
        self._find = find

    def list_problems(self, folder: str) -> List[Problem]:
        """Return what is wrong in the folder of a repository; nothing ticks the point."""
        try:
            return list(self._find(folder))
        except OSError as error:
            if not error.filename:
                return [Problem("", str(error))]
            where = os.path.relpath(str(error.filename), folder)
            is_missing = isinstance(error, FileNotFoundError)
            what = "is missing: add it again" if is_missing else str(error.strerror)
            return [Problem(where, what)]
        except ValueError as error:
            return [Problem("", " ".join(str(error).split()))]
