"""The outputs of one job: all of them arrive, or none.

The model writes into a staging folder inside the output folder, so that moving a
file into place is one atomic rename on the same file system.
"""

import contextlib
import errno
import fcntl
import logging
import os
import shutil
import tempfile
from typing import Any, List, Sequence

from ..errors import InvalidJob, ModelFailed
from .publication import publish, roll_back

STAGING_PREFIX = ".psc-"

log = logging.getLogger(__name__)


class Outputs:
    """A context manager that publishes what the model wrote.

    On leaving it, everything that was not published is gone, and so is an output
    folder that it had to create.

    Attributes:
        paths: where the model writes its declared outputs, in their order.
        staging_folder: the folder that they are in.
    """

    def __init__(self, folder: str, filenames: Sequence[str]) -> None:
        """Choose the outputs.

        Args:
            folder: absolute path of the output folder.
            filenames: of the declared outputs.
        """
        self.folder = folder
        self.filenames = list(filenames)
        self.paths: List[str] = []
        self._created_folders: List[str] = []
        self.staging_folder = ""
        self._lock = -1
        self._in_place = False

    def __enter__(self) -> "Outputs":
        try:
            self._stage()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        if self.staging_folder:
            _remove_tree(self.staging_folder)
        if self._lock >= 0:
            os.close(self._lock)
        _remove_folders(self._created_folders)

    def publish(self) -> None:
        """Move everything that the model wrote to the output folder.

        Raises:
            ModelFailed: a declared output was not written.
            InvalidJob: a file cannot be put into place; what was there is back.
        """
        for filename, path in zip(self.filenames, self.paths):
            if not os.path.exists(path):
                raise ModelFailed(f"the model did not write its output {filename}")
        try:
            publish(self.staging_folder, self.folder, self._in_place)
        except OSError as error:
            raise InvalidJob(
                f"cannot write the output {self._find_target(error)}: {error.strerror}"
            ) from error
        self._created_folders = []

    def _create_folder(self) -> None:
        for folder in reversed(list_missing_folders(self.folder)):
            try:
                os.mkdir(folder)
                self._created_folders.insert(0, folder)
            except FileExistsError:
                pass
            except OSError as error:
                raise self._unwritable(error) from error
        if not os.path.isdir(self.folder):
            raise InvalidJob(f"the output folder {self.folder} is not a folder")

    def _stage(self) -> None:
        try:
            self._stage_in_folder()
        except OSError as error:
            if not self._can_overwrite():
                raise self._unwritable(error) from error
            self._make_staging(tempfile.gettempdir())
            self._in_place = True
            log.warning(
                "the output folder %s takes no new files (%s): its output files are"
                " overwritten in place, which is not atomic",
                self.folder,
                error.strerror,
            )
        for filename in self.filenames:
            path = os.path.join(self.staging_folder, filename)
            if os.path.dirname(filename):
                os.makedirs(os.path.dirname(path), exist_ok=True)
            self.paths.append(path)

    def _stage_in_folder(self, tries: int = 3) -> None:
        try:
            self._make_staging(self.folder)
        except (FileNotFoundError, NotADirectoryError):
            if tries == 1:
                raise
            # there is none yet, or a job that failed has removed what it had made
            self._create_folder()
            self._stage_in_folder(tries - 1)

    def _can_overwrite(self) -> bool:
        targets = [os.path.join(self.folder, name) for name in self.filenames]
        return bool(targets) and all(
            os.path.isfile(path) and os.access(path, os.W_OK) for path in targets
        )

    def _make_staging(self, parent: str) -> None:
        """Make a staging folder; the lock held on it tells others it is in use."""
        remove_stale(parent)
        while not self.staging_folder:
            staging = tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=parent)
            # another job may take it for stale before it is locked
            with contextlib.suppress(FileNotFoundError):
                lock = _open_folder(staging)
                if _try_lock(lock) and os.path.isdir(staging):
                    self.staging_folder, self._lock = staging, lock
                else:
                    os.close(lock)

    def _find_target(self, error: OSError) -> str:
        for name in (error.filename2, error.filename):
            if name and not str(name).startswith(self.staging_folder):
                return str(name)
        return self.folder

    def _unwritable(self, error: OSError) -> InvalidJob:
        message = f"cannot write to the output folder {self.folder}: {error.strerror}"
        if error.errno in (errno.EACCES, errno.EPERM):
            message += (
                f"; the server runs as user {os.geteuid()} and group {os.getegid()}: give them write permission"
                " there, or start the container with --user for a user who has it"
            )
        return InvalidJob(message)


def list_missing_folders(folder: str) -> List[str]:
    """List a folder and those above it that do not exist, the deepest first."""
    missing = []
    while not os.path.lexists(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    return missing


def clean_up(folder: str, missing_folders: Sequence[str]) -> None:
    """Undo what a model process that was killed left behind.

    Args:
        folder: its output folder.
        missing_folders: what `list_missing_folders` said of it before the job.
    """
    for parent in (folder, tempfile.gettempdir()):
        with contextlib.suppress(OSError):
            remove_stale(parent)
    _remove_folders(missing_folders)


def remove_stale(parent: str) -> None:
    """Remove the staging folders that dead processes left in a folder.

    A publication that one of them was in the middle of is rolled back. A staging
    folder whose lock somebody holds is in use and stays.

    Raises:
        OSError: the folder cannot be listed.
    """
    for name in os.listdir(parent):
        if not name.startswith(STAGING_PREFIX):
            continue
        path = os.path.join(parent, name)
        with contextlib.suppress(OSError):
            lock = _open_folder(path)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                roll_back(path)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)


def _remove_folders(folders: Sequence[str]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def _remove_tree(folder: str) -> None:
    try:
        # after a job that went well it is empty, and this is all there is to do
        os.rmdir(folder)
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)


def _open_folder(path: str) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)


def _try_lock(descriptor: int) -> bool:
    """Lock a folder, where its file system has locks; return False if it is locked."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        log.debug("no lock on the staging folder: %s", error.strerror)
    return True
