"""A small table that two processes share: which jobs have started, and for how long.

It can be read after the process that wrote it has died, and while that process holds its
interpreter's lock.
"""

import mmap
import os
import struct
import tempfile
import time
from typing import Dict, NamedTuple

#: Rows of the table, and the jobs that a model process may hold: a row stays taken until
#: the answer of its job has been sent, and then the process may have other jobs.
ROWS = 511
MAX_JOBS = ROWS // 2

#: What the model does with a job that was started: nothing at the moment; work on this
#: job only, in a thread of its own; `predict` of a batch that the job is in.
WAITING, ALONE, TOGETHER = range(3)

# in the machine's own format, each half of a row is one store
_WORD, _TIME, _ROW = struct.Struct("Q"), struct.Struct("d"), struct.Struct("Qd")
_BEAT = ROWS * _ROW.size
_SIZE = _BEAT + _ROW.size


class Progress(NamedTuple):
    """What a job that was started is doing.

    Attributes:
        activity: WAITING, ALONE or TOGETHER.
        since: `time.monotonic()` when the job would have started, had it never waited;
            nothing where it waits.
    """

    activity: int
    since: float


class JobTable:
    """A row of 16 bytes for each job: its number and activity, and a time.

    A last row shows whether the interpreter runs: code in C that keeps its lock holds up
    all jobs, and the one that is late first need not be the one that does it.

    Attributes:
        fd: of the unlinked file behind it, for the other process; -1 without one.
    """

    def __init__(self, fd: int = -1) -> None:
        self.fd = fd
        self._rows = mmap.mmap(fd, _SIZE)
        self._free = list(reversed(range(ROWS)))

    @classmethod
    def create(cls) -> "JobTable":
        """Make a table in a file that has no name.

        Raises:
            OSError: the folder for temporary files takes none.
        """
        with tempfile.TemporaryFile() as file:
            # a hole would be a SIGBUS later, where the file system is full
            file.write(bytes(_SIZE))
            file.flush()
            return cls(os.dup(file.fileno()))

    def add(self, number: int) -> "Clock":
        """Return the clock of a job that starts now; threads may share the table."""
        return Clock(self, self._free.pop(), number)

    def read(self) -> Dict[int, Progress]:
        """Return the progress of each job that was started, by its number.

        Jobs that were answered may still be there.
        """
        return {
            word >> 2: Progress(word & 3, since)
            for word, since in _ROW.iter_unpack(self._rows[:_BEAT])
            if word
        }

    def beat(self) -> None:
        """Note that the interpreter of the model process runs."""
        _TIME.pack_into(self._rows, _BEAT, time.monotonic())

    def find_beat(self) -> float:
        """Return when it ran for the last time, of `time.monotonic()`."""
        return float(_TIME.unpack_from(self._rows, _BEAT)[0])

    def close(self) -> None:
        """Unmap the table and close its file."""
        if not self._rows.closed:
            self._rows.close()
            os.close(self.fd)


class Clock:
    """Counts the time in which the model works on a job, in a row of the table."""

    def __init__(self, table: JobTable, row: int, number: int) -> None:
        self._table = table
        self._row = row
        self._number = number
        self._seconds = 0.0

    def start(self, activity: int) -> None:
        """Note that the model works on the job from now on."""
        self._since = time.monotonic() - self._seconds
        # the time first: who reads between the two finds a job that waits
        _TIME.pack_into(self._table._rows, _ROW.size * self._row + 8, self._since)
        self._note(activity)

    def stop(self) -> None:
        """Note that the job waits."""
        self._seconds = time.monotonic() - self._since
        self._note(WAITING)

    def release(self) -> None:
        """Leave the row to another job; the result of this one has been sent."""
        self._table._free.append(self._row)

    def _note(self, activity: int) -> None:
        word = self._number << 2 | activity
        _WORD.pack_into(self._table._rows, _ROW.size * self._row, word)
