"""What a command prints: no write of it ends the command.

`check_status` imports this module every time: it imports little.
"""

import errno
import io
import os
import sys
from typing import Any, Optional

from . import exit_with_error

#: What a write reports where the reader or the terminal has gone.
CLOSED = (errno.EPIPE, errno.EIO)


class checked_output:
    """A context manager for a command: standard output that was lost is an error.

    The command goes on without it: its work may matter more than what it prints, and it
    cleans up. What standard error loses, nobody could be told.
    """

    def __enter__(self) -> None:
        self._output = _secure("stdout")
        _secure("stderr")

    def __exit__(self, _: Any, error: Optional[BaseException], __: Any) -> None:
        """End the process if output was lost, unless a traceback says more.

        The exit status is that of the command, or 1 where that is 0.
        """
        has_traceback = error is not None and not isinstance(error, SystemExit)
        if self._output is None or has_traceback:
            return
        sys.stdout.flush()
        if self._output.error:
            exit_with_error(
                f"cannot write standard output: {self._output.error.strerror}",
                getattr(error, "code", None) or 1,
            )


class _Output(io.RawIOBase):
    """A file descriptor for output, whose errors raise nothing.

    Attributes:
        error: of the last write that failed although there is a reader.
    """

    def __init__(self, number: int) -> None:
        self.error: Optional[OSError] = None
        self._number = number

    def fileno(self) -> int:
        return self._number

    def isatty(self) -> bool:
        return os.isatty(self._number)

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        try:
            return os.write(self._number, data)
        except OSError as error:
            if error.errno not in CLOSED:
                self.error = error
            return len(data)


def _secure(name: str) -> Optional[_Output]:
    """Replace a stream of `sys` by one that escapes what its encoding lacks.

    Returns:
        What it writes to; None where a test or another command has replaced the stream.
    """
    stream = getattr(sys, name)
    if stream is None or stream is not getattr(sys, f"__{name}__"):
        return None
    stream.flush()
    output = _Output(stream.fileno())
    secured = io.TextIOWrapper(
        io.BufferedWriter(output),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=True,
    )
    setattr(sys, name, secured)
    return output
