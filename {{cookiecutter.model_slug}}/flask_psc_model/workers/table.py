"""A small table that two processes share: which jobs have started, and when.

It can be read after the process that wrote it has died, and while that process holds its
interpreter's lock.
"""

import mmap
import os
import struct
import tempfile
import time
from typing import Optional

_ROW = struct.Struct("=Qd")


class JobTable:
    """A row for each job that a model process may hold at once.

    Attributes:
        fd: of the unlinked file behind it, for the other process.
    """

    def __init__(self, fd: int, rows: int) -> None:
        self.fd = fd
        self._rows = mmap.mmap(fd, _ROW.size * rows)

    @classmethod
    def create(cls, rows: int) -> "JobTable":
        """Make a table in a file that has no name.

        Raises:
            OSError: the folder for temporary files takes none.
        """
        with tempfile.TemporaryFile() as file:
            file.truncate(_ROW.size * rows)
            return cls(os.dup(file.fileno()), rows)

    def start(self, row: int, number: int) -> None:
        """Note that a job starts now; its number, written last, makes the row valid."""
        _ROW.pack_into(self._rows, _ROW.size * row, 0, time.monotonic())
        struct.pack_into("=Q", self._rows, _ROW.size * row, number)

    def find_start(self, row: int, number: int) -> Optional[float]:
        """Return when a job started, of `time.monotonic()`; None where it has not."""
        started, when = _ROW.unpack_from(self._rows, _ROW.size * row)
        return when if started == number else None

    def close(self) -> None:
        """Unmap the table and close its file."""
        if not self._rows.closed:
            self._rows.close()
            os.close(self.fd)
