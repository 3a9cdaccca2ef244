"""Moving the outputs of a job from its staging folder into place: all of them, or none.

Whoever answers the client commits, so that the answer and the folder agree. A single file
is moved by one rename, which is atomic in itself. Where there is more, a backup of what is
replaced and a journal are in the staging folder until all has moved; the next server that
works in the output folder rolls back what a dead one left there. Nothing is rolled back
over a newer result: only where what the transaction moved is still in place.
"""

import contextlib
import errno
import json
import logging
import os
import re
import shutil
import stat
import threading
import time
from functools import lru_cache
from typing import List, NamedTuple

from ..errors import InvalidJob
from ..procfs import find_host, is_alive
from .folder import Folder
from .outputs import RESERVED_PREFIX, Staged

#: Within a staging folder: what is replaced, and the journal.
BACKUP = RESERVED_PREFIX + "backup"
JOURNAL = BACKUP + "/journal"

#: Seconds for which one look for what dead servers left in a folder is enough.
RECOVERY_INTERVAL = 60

#: Seconds for which the staging folder of another machine is left alone.
FOREIGN_AGE = 24 * 60 * 60

#: Folders that are remembered, for their locks and the last look.
MAX_FOLDERS = 10000

_STAGING = re.compile(re.escape(RESERVED_PREFIX) + r"([0-9a-f]{12})-(\d+)-(\d+)-\d+")

# one for each folder would never end; two folders that share one only wait
_locks = [threading.Lock() for _ in range(64)]

log = logging.getLogger(__name__)


class _Entry(NamedTuple):
    """What moves, and what it replaces.

    Attributes:
        path: below the staging folder and the output folder.
        backup: of what it replaces, below the staging folder; empty where nothing is.
        identity: of what moves; empty once it is overwritten in place.
    """

    path: str
    backup: str
    identity: List[int]


def commit(staged: Staged, folder: str) -> None:
    """Move staged outputs into the output folder.

    A declared output that is a folder replaces another as a whole; any other folder is
    merged into one that is there. Within this process, one transaction at a time works
    in a folder.

    Raises:
        InvalidJob: a file cannot be put into place; what was there is back.
    """
    transaction = _Transaction(staged, folder)
    try:
        with _lock(folder):
            transaction.run()
    except OSError as error:
        path = os.path.join(folder, transaction.path).rstrip(os.sep)
        raise InvalidJob(f"cannot write the output {path}: {error.strerror}") from error
    try:
        # after a single file it is empty, and this is all there is to do
        os.rmdir(staged.path)
    except OSError:
        shutil.rmtree(staged.path, ignore_errors=True)


def recover(folder: str) -> None:
    """Remove the staging folders that dead servers left in a folder.

    A transaction that one of them was in the middle of is rolled back. What was not made
    by this user, in a closed folder, with the name of a dead process of this machine, is
    left alone; that of another machine for a day, and then it is only removed.
    """
    _recover(folder, time.monotonic() // RECOVERY_INTERVAL)


@lru_cache(maxsize=MAX_FOLDERS)
def _recover(folder: str, _interval: float) -> None:
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            match = _STAGING.fullmatch(name)
            if match:
                with contextlib.suppress(OSError), _lock(folder):
                    _recover_one(folder, name, *match.groups())


def _recover_one(folder: str, name: str, host: str, pid: str, start: str) -> None:
    path = os.path.join(folder, name)
    with Folder(path) as source, Folder(folder + "/.") as target:
        status = os.fstat(source.fd)
        is_ours = status.st_uid == os.geteuid() and status.st_mode & 0o777 == 0o700
        if host == find_host():
            is_dead = not is_alive(int(pid), int(start))
        else:
            is_dead = time.time() - status.st_mtime > FOREIGN_AGE
        if not is_ours or not is_dead:
            return
        if host == find_host():
            _roll_back(source, target, _read_journal(source))
    log.warning("removing %s, which a server left when it was killed", path)
    shutil.rmtree(path, ignore_errors=True)


@lru_cache(maxsize=MAX_FOLDERS)
def _lock(folder: str) -> threading.Lock:
    """Return the lock of a folder, the same by whichever path."""
    return _locks[os.stat(folder).st_ino % len(_locks)]


class _Transaction:
    """The move of what a staging folder holds."""

    def __init__(self, staged: Staged, folder: str) -> None:
        #: The output that it works on.
        self.path = ""
        self._staged = staged
        self._folder = folder
        self._entries: List[_Entry] = []

    def run(self) -> None:
        """Move everything, or put back what was there."""
        with Folder(self._staged.path) as self._source:
            if self._staged.is_single and not self._staged.is_elsewhere:
                name = self._staged.names[0]
                target = os.path.join(self._folder, name)
                with contextlib.suppress(OSError):
                    os.rename(name, target, src_dir_fd=self._source.fd)
                    return
            with Folder(self._folder + "/.") as self._target:
                self._plan("")
                try:
                    self._move_all()
                except BaseException:
                    _roll_back(self._source, self._target, self._entries)
                    raise

    def _plan(self, folder: str) -> None:
        """Note what is to move."""
        for name in self._source.names(folder):
            self.path = path = os.path.join(folder, name)
            status, there = self._source.stat(path), self._target.stat(path)
            assert status
            is_folder = stat.S_ISDIR(status.st_mode)
            is_over_folder = there is not None and stat.S_ISDIR(there.st_mode)
            if is_folder and is_over_folder and path not in self._staged.names:
                self._plan(path)
                continue
            if there and is_folder != is_over_folder:
                kind = "folder" if is_over_folder else "file"
                raise OSError(errno.EEXIST, f"there is a {kind} of that name")
            if self._staged.is_elsewhere and (is_folder or not there):
                raise OSError(errno.EACCES, "its folder takes no new files")
            backup = f"{BACKUP}/{len(self._entries)}" if there else ""
            self._entries.append(_Entry(path, backup, _identify(status)))

    def _move_all(self) -> None:
        os.mkdir(BACKUP, 0o700, dir_fd=self._source.fd)
        if self._staged.is_elsewhere:
            # no journal: nobody looks for one in the folder for temporary files
            for number in range(len(self._entries)):
                self._overwrite(number)
            return
        with self._source.open(JOURNAL, os.O_WRONLY | os.O_CREAT) as file:
            file.write(json.dumps(self._entries).encode("ascii"))
        for number, entry in enumerate(self._entries):
            if not self._move(entry):
                self._overwrite(number)
        # from here on nobody rolls back
        self._source.move(JOURNAL, self._source, JOURNAL + ".done")

    def _move(self, entry: _Entry) -> bool:
        """Move an output; return False where a file can only be overwritten."""
        self.path = entry.path
        try:
            if entry.backup:
                self._back_up(entry)
            self._source.move(entry.path, self._target, entry.path)
        except OSError as error:
            there = self._target.stat(entry.path)
            if not there or not stat.S_ISREG(there.st_mode):
                raise
            # nothing is lost yet where that is not allowed either
            self._target.open(entry.path, os.O_WRONLY).close()
            log.warning(
                "the output %s cannot be replaced (%s): it is overwritten in place,"
                " which is not atomic",
                os.path.join(self._folder, entry.path),
                error.strerror,
            )
            return False
        return True

    def _back_up(self, entry: _Entry) -> None:
        try:
            # a second name: readers find the one or the other file at any time
            self._target.link(entry.path, self._source, entry.backup)
        except OSError:
            self._target.move(entry.path, self._source, entry.backup)

    def _overwrite(self, number: int) -> None:
        self.path = path = self._entries[number].path
        # another name than before: that may be one of the very file
        backup = f"{BACKUP}/{len(self._entries) + number}"
        self._target.copy(path, self._source, backup)
        self._entries[number] = _Entry(path, backup, [])
        self._source.copy(path, self._target, path)


def _identify(status: os.stat_result) -> List[int]:
    # the time, too: the number of a removed file is soon that of another one
    return [status.st_dev, status.st_ino, status.st_mtime_ns]


def _read_journal(source: Folder) -> List[_Entry]:
    """Return the entries of a journal; none where it is missing or odd."""
    with contextlib.suppress(Exception), source.open(JOURNAL) as file:
        return [_Entry(*each) for each in json.loads(file.read().decode("ascii"))]
    return []


def _roll_back(source: Folder, target: Folder, entries: List[_Entry]) -> None:
    for entry in reversed(entries):
        try:
            there = target.stat(entry.path)
            if not entry.identity:
                source.copy(entry.backup, target, entry.path)
                continue
            if there and _identify(there) != entry.identity:
                # it has not moved yet, or somebody has replaced it since
                continue
            if there:
                target.move(entry.path, source, entry.path)
            if entry.backup:
                source.move(entry.backup, target, entry.path)
        except Exception:
            # a journal may hold anything; a `Folder` lets none of it out
            log.exception("cannot put back what was in the output %s", entry.path)
