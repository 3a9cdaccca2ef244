"""An input file that keeps a run waiting until it is let go."""

import errno
import os
from typing import Optional

from ..shared_folder import OPEN_FILE, write_open_file

#: What a pipe of Linux holds before a writer has to wait; see pipe(7).
PIPE_BYTES = 65536


class HeldFile:
    """A named pipe in the place of a file: who reads it waits until it is released.

    So a run of a model that takes no time at all lasts as long as a check needs it.

    Attributes:
        path: of the file.
        data: what is read, once it is released.
    """

    def __init__(self, path: str, data: bytes) -> None:
        """Put the pipe in the place of the file.

        Raises:
            OSError: the file system has no pipes.
        """
        self.path = path
        self.data = data
        self._writer: Optional[int] = None
        if os.path.lexists(path):
            os.remove(path)
        os.mkfifo(path)
        os.chmod(path, OPEN_FILE)

    def is_read(self) -> bool:
        """Tell whether somebody has opened the file, and waits."""
        if self._writer is None:
            try:
                self._writer = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                # there is no reader
                if error.errno != errno.ENXIO:
                    raise
        return self._writer is not None

    def release(self) -> None:
        """Let the reader read; who opens the path from now on finds a usual file."""
        if self._writer is None:
            # for both directions, it opens without a reader
            self._writer = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)
        write_open_file(self.path, self.data)
        try:
            os.write(self._writer, self.data[:PIPE_BYTES])
        except BrokenPipeError:
            pass  # the reader has gone
        os.close(self._writer)
