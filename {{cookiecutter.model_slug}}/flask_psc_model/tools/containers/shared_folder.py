"""A temporary folder that is shared with a server under another user."""

import contextlib
import os
import shutil
import stat
import tempfile
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, Optional

from ...client import Client, Response
from ...model.cases import FOLDER_HINT

#: A server may run under any user id, so anyone may write to the folder. Others on this
#: machine cannot reach it, since its parent folder is closed to them.
OPEN_FOLDER = 0o777
OPEN_FILE = 0o666
CLOSED_FOLDER = 0o700


class FolderFailed(Exception):
    """This machine cannot keep the files of a job; the message has the path."""


@contextmanager
def blame_folder(path: str) -> Iterator[None]:
    """Raise the errors of this machine's file system under a name of their own.

    A check takes any other `OSError` for a server that does not answer.

    Args:
        path: what is written.

    Raises:
        FolderFailed: it cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise FolderFailed(
            f"{path}: {error.strerror}; free some space, or set TMPDIR to another folder"
        ) from error


class SharedFolder:
    """A context manager: a temporary folder for jobs, removed at the end.

    Attributes:
        path: on this machine.
        server_path: the same folder as the server sees it.
    """

    def __init__(
        self,
        server_path: Optional[str] = None,
        remove_others: Optional[Callable[[str], None]] = None,
        mode: int = CLOSED_FOLDER,
    ) -> None:
        """Make the folder.

        Args:
            server_path: its path for the server; by default the one on this machine.
            remove_others: removes a folder with files of other users.
            mode: of its parent folder, through which a server under another user has
                to pass if it does not run in a container.

        Raises:
            FolderFailed: it cannot be made.
        """
        with blame_folder(tempfile.gettempdir()):
            self._home = tempfile.mkdtemp(prefix="psc-")
        os.chmod(self._home, mode)
        self._remove_others = remove_others
        self._count = 0
        self.path = os.path.join(self._home, "data")
        self.server_path = server_path or self.path
        with blame_folder(self.path):
            _make_open_folder(self.path)

    def __enter__(self) -> "SharedFolder":
        return self

    def __exit__(self, *_: Any) -> None:
        self.remove()

    def make_job(self, inputs: Dict[str, Optional[bytes]]) -> "SharedJob":
        """Write the files of a new job.

        Args:
            inputs: the content of each input file by its name; a file whose content
                is None is not written.

        Raises:
            FolderFailed: they cannot be written.
        """
        job = self._make_job()
        job.write_inputs(inputs)
        return job

    def make_similar(self, source: "SharedJob") -> "SharedJob":
        """Return a new job that reads the inputs of another one.

        Raises:
            FolderFailed: its folders cannot be made.
        """
        job = self._make_job()
        job.input_folder = source.input_folder
        job.body["input"] = source.body["input"]
        return job

    def _make_job(self) -> "SharedJob":
        self._count += 1
        name = str(self._count)
        path = os.path.join(self.path, name)
        return SharedJob(path, f"{self.server_path}/{name}", self._remove)

    def check_space(self, size: int) -> None:
        """Check that the server can write its outputs.

        Args:
            size: of the outputs, in bytes.

        Raises:
            FolderFailed: there is not enough space.
        """
        status = os.statvfs(self.path)
        free = status.f_bavail * status.f_frsize
        if free < size:
            raise FolderFailed(
                f"{self.path} has {free} bytes of free space, and a job needs {size} for"
                " its outputs: free some space, or set TMPDIR to another folder"
            )

    def remove(self) -> None:
        """Remove the folder with everything in it.

        Raises:
            OSError: files of another user remain.
        """
        self._remove(self.path)
        shutil.rmtree(self._home, ignore_errors=True)
        if os.path.exists(self._home):
            raise OSError(
                f"{self._home} holds files of another user: remove it with"
                f" `sudo rm -r {self._home}`"
            )

    def _remove(self, path: str) -> None:
        shutil.rmtree(path, ignore_errors=True)
        if self._remove_others and os.path.exists(path):
            self._remove_others(path)


class SharedJob:
    """A context manager: the folders of one job, removed at the end.

    Attributes:
        input_folder: on this machine.
        output_folder: on this machine.
        body: the job configuration object, with the paths of the server.
    """

    def __init__(
        self, path: str, server_path: str, remove: Callable[[str], None]
    ) -> None:
        self._path = path
        self._remove = remove
        self.input_folder = os.path.join(path, "input")
        self.output_folder = os.path.join(path, "output")
        self.body = {
            "type": "file",
            "input": server_path + "/input",
            "output": server_path + "/output",
        }
        for folder in (path, self.input_folder, self.output_folder):
            with blame_folder(folder):
                _make_open_folder(folder)

    def __enter__(self) -> "SharedJob":
        return self

    def __exit__(self, *_: Any) -> None:
        self._remove(self._path)

    def write_inputs(self, inputs: Dict[str, Optional[bytes]]) -> None:
        """Write input files, except those whose content is None.

        Raises:
            FolderFailed: they cannot be written.
        """
        for name, data in inputs.items():
            if data is not None:
                write_open_file(os.path.join(self.input_folder, name), data)

    def run(self, client: Client) -> Response:
        """Send the job to a server and return the response.

        Raises:
            OSError: the server does not answer.
        """
        return client.post("/run", json=self.body)

    def read_output(self, name: str) -> bytes:
        """Return the content of an output file.

        Raises:
            OSError: it is missing, cannot be read, or is not a regular file.
        """
        path = os.path.join(self.output_folder, name)
        if not os.path.lexists(path):
            raise FileNotFoundError(f"{name} was not written")
        # this machine would follow a link in its own file system
        mode = os.lstat(path).st_mode
        if stat.S_ISDIR(mode):
            raise OSError(f"{name} is a folder: {FOLDER_HINT}")
        if not stat.S_ISREG(mode):
            raise OSError(f"{name} is not a regular file")
        try:
            with open(path, "rb") as file:
                return file.read()
        except PermissionError as error:
            raise OSError(f"{name} can be read by the server's user only") from error

    def remove_output(self, name: str) -> None:
        """Remove an output file, if there is one and its folder allows it."""
        with contextlib.suppress(FileNotFoundError, PermissionError):
            os.remove(os.path.join(self.output_folder, name))


def write_open_file(path: str, data: bytes) -> None:
    """Write a file that anyone may read and write, replacing any other file.

    Raises:
        FolderFailed: it cannot be written.
    """
    folder = os.path.dirname(path)
    with blame_folder(path):
        if not os.path.isdir(folder):
            _make_open_folder(folder)
        if os.path.lexists(path):
            os.remove(path)
        with open(path, "wb") as file:
            file.write(data)
        os.chmod(path, OPEN_FILE)


def _make_open_folder(path: str) -> None:
    os.makedirs(path, exist_ok=True)
    os.chmod(path, OPEN_FOLDER)
