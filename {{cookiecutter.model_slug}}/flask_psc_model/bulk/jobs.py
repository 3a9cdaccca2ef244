"""The jobs of a bulk run: a folder of inputs each, or a single file."""

import contextlib
import os
import shutil
import zlib
from typing import Dict, Iterable, Optional, Tuple

from ..jobs.outputs import RESERVED_PREFIX, Staged
from ..jobs.transaction import commit

#: In the outputs folder of a flat run: the folders of its running jobs.
FLAT_FOLDER = ".flat"

#: How often the folders of a job are made anew, at most.
MAX_ATTEMPTS = 100

#: Size in bytes and time of the last change, in nanoseconds.
FileState = Tuple[int, int]


class FolderJob:
    """One job, with folders of its own.

    Attributes:
        name: names it in the journal and in messages.
        input_folder: absolute path.
        output_folder: absolute path; the folder may not exist yet.
    """

    def __init__(self, name: str, input_folder: str, output_folder: str) -> None:
        self.name = name
        self.input_folder = input_folder
        self.output_folder = output_folder

    def prepare(self) -> None:
        """Make what the model needs before it runs."""

    def finish(self) -> None:
        """Bring the outputs to where they belong, after the model has run well.

        Raises:
            InvalidJob: that is not possible; what was there stays.
        """

    def clean_up(self) -> None:
        """Remove what `prepare` made."""

    def read_inputs(self, names: Iterable[str]) -> Dict[str, Optional[FileState]]:
        """Return the state of each input file; None for one that is missing."""
        return {name: _read(os.path.join(self.input_folder, name)) for name in names}

    def read_outputs(self, names: Iterable[str]) -> Optional[Dict[str, int]]:
        """Return the size of each declared output; None if one is missing.

        It is None, too, beside a staging folder that was left behind: only some of the
        files may have been moved into place. The size of a folder is 0.
        """
        try:
            found = os.listdir(self.output_folder)
        except OSError:
            return None
        if any(name.startswith(RESERVED_PREFIX) for name in found):
            return None
        return _measure(
            {name: os.path.join(self.output_folder, name) for name in names}
        )


class FlatJob(FolderJob):
    """A job of a model with one input and one output: from one file to another."""

    def __init__(self, source: str, target: str, names: Tuple[str, str]) -> None:
        """Set the files.

        Args:
            source: absolute path of the input file.
            target: absolute path of the output file.
            names: of the input and of the output, in `model.yaml`.
        """
        self._source, self._target = source, target
        self._input_name, self._output_name = names
        name = os.path.basename(source)
        # a name as long as a file system allows makes no other name that fits
        key = format(zlib.crc32(os.fsencode(name)), "08x") + name[-100:]
        self._folder = os.path.join(os.path.dirname(target), FLAT_FOLDER, key)
        super().__init__(
            name, os.path.join(self._folder, "in"), os.path.join(self._folder, "out")
        )

    def prepare(self) -> None:
        """Make the folders of the job, with a link to the input file."""
        shutil.rmtree(self._folder, ignore_errors=True)
        _make(self.input_folder)
        os.symlink(self._source, os.path.join(self.input_folder, self._input_name))

    def finish(self) -> None:
        """Move the output, and nothing else that the model wrote, to its place."""
        folder, name = os.path.split(self._target)
        staging = os.path.join(self._folder, "staging")
        output = os.path.join(staging, name)
        os.mkdir(staging)
        os.rename(os.path.join(self.output_folder, self._output_name), output)
        commit(Staged(staging, (name,), os.path.isfile(output), False), folder)

    def clean_up(self) -> None:
        """Remove the folders of the job."""
        shutil.rmtree(self._folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(self._folder))

    def read_inputs(self, names: Iterable[str]) -> Dict[str, Optional[FileState]]:
        """Return the state of the input file."""
        return {self._input_name: _read(self._source)}

    def read_outputs(self, names: Iterable[str]) -> Optional[Dict[str, int]]:
        """Return the size of the output file; None if it is missing."""
        return _measure({self._output_name: self._target})


def _make(folder: str) -> None:
    # other jobs, of other shards too, remove the folder that all share while it is empty
    for left in reversed(range(MAX_ATTEMPTS)):
        try:
            os.makedirs(folder)
            return
        except FileNotFoundError:
            if not left:
                raise


def _read(path: str) -> Optional[FileState]:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _measure(paths: Dict[str, str]) -> Optional[Dict[str, int]]:
    sizes = {}
    for name, path in paths.items():
        state = _read(path)
        if state is None:
            return None
        sizes[name] = 0 if os.path.isdir(path) else state[0]
    return sizes
