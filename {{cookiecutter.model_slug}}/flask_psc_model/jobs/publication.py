"""Moving what a model wrote from its staging folder into place: all of it, or nothing.

One file is moved by one rename, which is atomic in itself. Where there are several,
what they replace is kept in the staging folder, with a journal of the targets, until
all have moved: whoever finds a journal whose owner is dead can put everything back.
"""

import contextlib
import errno
import json
import logging
import os
import shutil
from typing import Iterator, List, NamedTuple, Tuple

#: Within a staging folder: what is replaced, and the journal.
KEPT = ".psc-kept"
JOURNAL = "journal"

#: A target, and the file in KEPT with its old content; empty for a new target.
Entry = Tuple[str, str]

log = logging.getLogger(__name__)


class Move(NamedTuple):
    """What is to be moved, and where to."""

    source: str
    target: str
    is_folder: bool


def publish(staging: str, folder: str, in_place: bool = False) -> None:
    """Move everything in a staging folder into another folder.

    Folders are merged, file by file.

    Args:
        staging: the staging folder.
        folder: where the files go.
        in_place: overwrite files where they are, which is not atomic.

    Raises:
        OSError: a file cannot be put into place; what was there is back.
    """
    moves = list(_list_moves(staging, folder))
    if len(moves) == 1 and not in_place and not moves[0].is_folder:
        if _replace(moves[0].source, moves[0].target):
            return
        in_place = True
    try:
        _keep_targets(moves, staging, in_place)
        for source, target, is_folder in moves:
            if is_folder:
                os.mkdir(target)
            elif in_place or not _replace(source, target):
                _overwrite(source, target, staging)
    except BaseException:
        roll_back(staging)
        raise
    os.remove(_journal(staging))


def roll_back(staging: str) -> None:
    """Put back what a publication has changed, if it did not come to its end."""
    try:
        entries = _read_journal(staging)
    except (OSError, ValueError):
        # no file moves before the journal is whole
        return
    for target, kept in reversed(entries):
        try:
            if kept:
                _restore(kept, target)
            elif _is_folder(target):
                os.rmdir(target)
            elif os.path.lexists(target):
                os.remove(target)
        except OSError:
            log.exception("cannot put back what was in %s", target)
    with contextlib.suppress(OSError):
        os.remove(_journal(staging))


def _list_moves(staging: str, folder: str) -> Iterator[Move]:
    """List everything to move, each folder before what it holds."""
    for entry in sorted(os.scandir(staging), key=lambda entry: entry.name):
        target = os.path.join(folder, entry.name)
        if entry.is_dir(follow_symlinks=False):
            if not os.path.isdir(target):
                yield Move(entry.path, target, True)
            yield from _list_moves(entry.path, target)
        elif _is_folder(target):
            raise IsADirectoryError(
                errno.EISDIR, "there is a folder of that name", target
            )
        else:
            yield Move(entry.path, target, False)


def _keep_targets(moves: List[Move], staging: str, in_place: bool) -> None:
    os.mkdir(os.path.join(staging, KEPT))
    entries: List[Entry] = []
    for _, target, _ in moves:
        kept = ""
        if os.path.lexists(target):
            kept = os.path.join(staging, KEPT, str(len(entries)))
            _keep(target, kept, by_link=not in_place)
        entries.append((target, kept))
    with open(_journal(staging), "w", encoding="ascii") as file:
        json.dump(entries, file)


def _keep(target: str, kept: str, by_link: bool) -> None:
    if by_link:
        with contextlib.suppress(OSError):
            os.link(target, kept, follow_symlinks=False)
            return
    shutil.copy2(target, kept, follow_symlinks=False)


def _replace(source: str, target: str) -> bool:
    """Move a file; return False where the target can only be overwritten in place."""
    try:
        os.replace(source, target)
    except OSError as error:
        if not os.path.isfile(target) or not os.access(target, os.W_OK):
            raise
        log.warning(
            "%s cannot be replaced (%s): it is overwritten in place, which is not"
            " atomic",
            target,
            error.strerror,
        )
        return False
    return True


def _overwrite(source: str, target: str, staging: str) -> None:
    kept = dict(_read_journal(staging))[target]
    if kept:
        # it may be a link to the very file that is overwritten now
        os.remove(kept)
        _keep(target, kept, by_link=False)
    shutil.copyfile(source, target)


def _restore(kept: str, target: str) -> None:
    try:
        os.replace(kept, target)
    except OSError:
        shutil.copyfile(kept, target)


def _journal(staging: str) -> str:
    return os.path.join(staging, KEPT, JOURNAL)


def _read_journal(staging: str) -> List[Entry]:
    with open(_journal(staging), encoding="ascii") as file:
        return [(target, kept) for target, kept in json.load(file)]


def _is_folder(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)
