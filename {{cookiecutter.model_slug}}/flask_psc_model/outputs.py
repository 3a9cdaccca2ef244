"""The outputs of one job: all of them arrive, or none.

The model writes into a staging folder inside the output folder, so that moving a
file into place is one atomic rename on the same file system. What a move replaces
is kept until every file has moved, and put back if one of them cannot.
"""

import contextlib
import errno
import fcntl
import logging
import os
import shutil
import tempfile
from typing import Any, Iterator, List, Sequence, Tuple

from .errors import InvalidJob, ModelFailed

STAGING_PREFIX = ".psc-"

log = logging.getLogger(__name__)


class Outputs:
    """A context manager that publishes what the model wrote.

    On leaving it, everything that was not published is gone, and so is an output
    folder that it had to create.

    Attributes:
        paths: where the model writes its declared outputs, in their order.
    """

    def __init__(self, folder: str, filenames: Sequence[str]) -> None:
        self.folder = folder
        self.filenames = list(filenames)
        self.paths: List[str] = []
        self._created_folders: List[str] = []
        self._staging = ""
        self._lock = -1
        self._atomic = True

    def __enter__(self) -> "Outputs":
        try:
            self._create_folder()
            self._stage()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        if self._staging:
            shutil.rmtree(self._staging, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
        _remove_folders(self._created_folders)

    @property
    def staging_folder(self) -> str:
        """The folder that the model writes to."""
        return os.path.join(self._staging, "new")

    def publish(self) -> None:
        """Move everything that the model wrote to the output folder.

        Raises:
            ModelFailed: a declared output was not written.
            InvalidJob: a file cannot be put into place; what was there is back.
        """
        for filename, path in zip(self.filenames, self.paths):
            if not os.path.exists(path):
                raise ModelFailed(
                    "the model did not write its output {}".format(filename)
                )
        replaced: List[Tuple[str, str]] = []
        try:
            for path in _walk(self.staging_folder):
                name = os.path.relpath(path, self.staging_folder)
                self._put(path, os.path.join(self.folder, name), replaced)
        except OSError as error:
            self._put_back(replaced)
            raise InvalidJob(
                "cannot write the output {}: {}".format(
                    error.filename2 or error.filename, error.strerror
                )
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
            raise InvalidJob("the output folder {} is not a folder".format(self.folder))

    def _stage(self) -> None:
        try:
            self._make_staging(self.folder)
        except OSError as error:
            if not self._can_overwrite():
                raise self._unwritable(error) from error
            self._make_staging(tempfile.gettempdir())
            self._atomic = False
            log.warning(
                "the output folder %s takes no new files (%s): its output files are"
                " overwritten in place, which is not atomic",
                self.folder,
                error.strerror,
            )
        for filename in self.filenames:
            path = os.path.join(self.staging_folder, filename)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            self.paths.append(path)

    def _can_overwrite(self) -> bool:
        targets = [os.path.join(self.folder, name) for name in self.filenames]
        return bool(targets) and all(
            os.path.isfile(path) and os.access(path, os.W_OK) for path in targets
        )

    def _make_staging(self, parent: str) -> None:
        """Make a staging folder; the lock held on it tells others it is in use."""
        remove_stale(parent)
        while not self._staging:
            staging = tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=parent)
            lock = os.open(staging, os.O_RDONLY)
            try:
                _try_lock(lock)
                for name in ("new", "old"):
                    os.mkdir(os.path.join(staging, name))
            except (BlockingIOError, FileNotFoundError):
                # another job took it for stale between its making and its locking
                os.close(lock)
            except OSError:
                os.close(lock)
                shutil.rmtree(staging, ignore_errors=True)
                raise
            else:
                self._staging, self._lock = staging, lock

    def _put(self, source: str, target: str, replaced: List[Tuple[str, str]]) -> None:
        if os.path.isdir(source) and not os.path.islink(source):
            if not os.path.isdir(target):
                os.mkdir(target)
                replaced.append((target, ""))
            return
        backup = ""
        if os.path.lexists(target):
            if os.path.isdir(target) and not os.path.islink(target):
                raise IsADirectoryError(
                    errno.EISDIR, "there is a folder of that name", target
                )
            backup = os.path.join(self._staging, "old", str(len(replaced)))
            self._keep(target, backup, self._atomic)
        replaced.append((target, backup))
        if self._atomic:
            try:
                os.replace(source, target)
                return
            except OSError as error:
                if not backup or not os.access(target, os.W_OK):
                    raise
                log.warning(
                    "%s cannot be replaced (%s): it is overwritten in place, which is"
                    " not atomic",
                    target,
                    error.strerror,
                )
                # the backup may be a link to the very file that is overwritten now
                os.remove(backup)
                self._keep(target, backup, by_link=False)
        shutil.copyfile(source, target)

    def _keep(self, target: str, backup: str, by_link: bool) -> None:
        if by_link:
            with contextlib.suppress(OSError):
                os.link(target, backup, follow_symlinks=False)
                return
        shutil.copy2(target, backup, follow_symlinks=False)

    def _put_back(self, replaced: List[Tuple[str, str]]) -> None:
        for target, backup in reversed(replaced):
            try:
                if backup:
                    self._restore(backup, target)
                elif os.path.isdir(target) and not os.path.islink(target):
                    os.rmdir(target)
                elif os.path.lexists(target):
                    os.remove(target)
            except OSError:
                log.exception("cannot put back what was in %s", target)

    def _restore(self, backup: str, target: str) -> None:
        try:
            os.replace(backup, target)
        except OSError:
            shutil.copyfile(backup, target)

    def _unwritable(self, error: OSError) -> InvalidJob:
        message = "cannot write to the output folder {}: {}".format(
            self.folder, error.strerror
        )
        if error.errno in (errno.EACCES, errno.EPERM):
            message += (
                "; the server runs as user {0} and group {1}: give them write permission"
                " there, or start the container with --user for a user who has it"
            ).format(os.geteuid(), os.getegid())
        return InvalidJob(message)


def list_missing_folders(folder: str) -> List[str]:
    """List a folder and those above it that do not exist, the deepest first."""
    missing = []
    while not os.path.lexists(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    return missing


def clean_up(folder: str, missing_folders: Sequence[str]) -> None:
    """Remove what a model process that was killed left behind.

    Args:
        folder: its output folder.
        missing_folders: what `list_missing_folders` said of it before the job.
    """
    with contextlib.suppress(OSError):
        remove_stale(folder)
    _remove_folders(missing_folders)


def remove_stale(folder: str) -> None:
    """Remove the staging folders that dead processes left in a folder.

    A staging folder whose lock somebody holds is in use and stays.

    Raises:
        OSError: the folder cannot be listed.
    """
    for name in os.listdir(folder):
        if not name.startswith(STAGING_PREFIX):
            continue
        path = os.path.join(folder, name)
        with contextlib.suppress(OSError):
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)


def _remove_folders(folders: Sequence[str]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def _try_lock(descriptor: int) -> None:
    """Lock a folder, where its file system has locks at all.

    Raises:
        BlockingIOError: somebody else holds the lock.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:
        log.debug("no lock on the staging folder: %s", error.strerror)


def _walk(folder: str) -> Iterator[str]:
    """List everything below a folder, each folder before what it holds."""
    for parent, folders, files in os.walk(folder):
        for name in sorted(folders) + sorted(files):
            yield os.path.join(parent, name)
