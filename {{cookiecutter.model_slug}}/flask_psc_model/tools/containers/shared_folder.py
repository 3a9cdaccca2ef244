"""A temporary folder that this process and a server under another user share."""

import os
import shutil
import stat
import tempfile
from typing import Any, Callable, Dict, Optional

from ...client import Answer, Client

#: A server may run under any user id, so anyone may write to the folder. Nobody else on
#: this machine gets that far, since the folder around it is closed.
OPEN_FOLDER = 0o777
OPEN_FILE = 0o666
CLOSED_FOLDER = 0o700


class SharedFolder:
    """A context manager: a temporary folder for jobs, removed at the end.

    Attributes:
        path: on this machine.
        server_path: the same folder as the server sees it.
        mode: of the folder around it.
    """

    def __init__(
        self,
        server_path: Optional[str] = None,
        remove_others: Optional[Callable[[str], None]] = None,
        mode: int = CLOSED_FOLDER,
    ) -> None:
        """Make the folder.

        Args:
            server_path: where the server finds it; under the same path by default.
            remove_others: removes a folder with files of other users, which this one
                may not.
            mode: of the folder around it; a server that runs outside of a container
                under another user has to pass it.

        Raises:
            OSError: it cannot be made.
        """
        self._home = tempfile.mkdtemp(prefix="psc-")
        os.chmod(self._home, mode)
        self._remove_others = remove_others
        self._count = 0
        self.path = os.path.join(self._home, "data")
        self.server_path = server_path or self.path
        _make_open_folder(self.path)

    def __enter__(self) -> "SharedFolder":
        return self

    def __exit__(self, *_: Any) -> None:
        self.remove()

    def make_job(self, inputs: Dict[str, Optional[bytes]]) -> "SharedJob":
        """Write the files of a new job.

        Args:
            inputs: the content of each input file by its name; a file of content None
                is left out.
        """
        self._count += 1
        name = str(self._count)
        job = SharedJob(os.path.join(self.path, name), f"{self.server_path}/{name}")
        job.write_inputs(inputs)
        return job

    def remove(self) -> None:
        """Remove the folder and all that is in it.

        Raises:
            OSError: files of another user are left.
        """
        shutil.rmtree(self._home, ignore_errors=True)
        if self._remove_others and os.path.exists(self.path):
            self._remove_others(self.path)
            shutil.rmtree(self._home, ignore_errors=True)
        if os.path.exists(self._home):
            raise OSError(
                f"{self._home} holds files of another user: remove it with `sudo rm -r {self._home}`"
            )


class SharedJob:
    """The folders of one job.

    Attributes:
        input_folder: on this machine.
        output_folder: on this machine.
        body: the job configuration object, with the paths that the server sees.
    """

    def __init__(self, path: str, server_path: str) -> None:
        self.input_folder = os.path.join(path, "input")
        self.output_folder = os.path.join(path, "output")
        self.body = {
            "type": "file",
            "input": server_path + "/input",
            "output": server_path + "/output",
        }
        for folder in (path, self.input_folder, self.output_folder):
            _make_open_folder(folder)

    def write_inputs(self, inputs: Dict[str, Optional[bytes]]) -> None:
        """Write input files, but those of content None."""
        for name, data in inputs.items():
            if data is not None:
                write_open_file(os.path.join(self.input_folder, name), data)

    def run(self, client: Client) -> Answer:
        """Send the job to a server and return what it answers.

        Raises:
            OSError: the server does not answer.
        """
        return client.post("/run", json=self.body)

    def read_output(self, name: str) -> bytes:
        """Return the content of an output file.

        Raises:
            OSError: it is not there, cannot be read, or is not a regular file.
        """
        path = os.path.join(self.output_folder, name)
        if not os.path.lexists(path):
            raise FileNotFoundError(f"{name} was not written")
        # a link would be followed on this machine, not in the server's file system
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise OSError(f"{name} is not a regular file")
        try:
            with open(path, "rb") as file:
                return file.read()
        except PermissionError as error:
            raise OSError(f"{name} is readable for the server's user only") from error

    def remove_output(self, name: str) -> None:
        """Remove an output file, if it is there and in a folder that is not closed."""
        try:
            os.remove(os.path.join(self.output_folder, name))
        except (FileNotFoundError, PermissionError):
            pass


def write_open_file(path: str, data: bytes) -> None:
    """Write a file that anyone may read and write, in place of any other file."""
    folder = os.path.dirname(path)
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
