"""The staging folder of a job: the model writes there, and nobody else sees it.

It stands in the output folder, so that moving a file into place is one rename on the
same file system. The process that runs the model makes and fills it (`Staging`); the one
that answers the client names it, commits it (`transaction`) or removes it (`Destination`).
"""

import contextlib
import errno
import logging
import os
import secrets
import shutil
import stat
import tempfile
from functools import lru_cache
from typing import Iterator, NamedTuple, Sequence, Tuple

from ..errors import InvalidJob, ModelFailed
from ..procfs import find_host, find_start

#: Names that begin so are the server's own in every output folder.
RESERVED_PREFIX = ".psc-"

#: The number of files that a message lists.
MAX_LISTED = 5

log = logging.getLogger(__name__)


class Staged(NamedTuple):
    """The outputs that a model wrote.

    Attributes:
        path: of the staging folder.
        names: of the declared outputs.
        is_single: whether the first of them is a file, and there is nothing else.
        is_elsewhere: whether it is not in the output folder, which takes no new files.
    """

    path: str
    names: Tuple[str, ...]
    is_single: bool
    is_elsewhere: bool


class Staging:
    """The staging folder on the side of the model, which leaves it to who answers.

    Attributes:
        path: of the staging folder.
        output_paths: where the model writes its declared outputs, in their order.
    """

    def __init__(self, folder: str, name: str, filenames: Sequence[str]) -> None:
        """Make the staging folder, and the output folder where there is none.

        Raises:
            InvalidJob: nothing can be written there.
        """
        self._names = tuple(os.path.normpath(each) for each in filenames)
        self._is_elsewhere = False
        self.path = os.path.join(folder, name)
        try:
            _make_in(folder, self.path)
        except OSError as error:
            targets = [os.path.join(folder, each) for each in self._names]
            if not targets or not all(map(_can_overwrite, targets)):
                raise _describe_unwritable(folder, error) from error
            log.warning(
                "the output folder %s takes no new files (%s): its output files are"
                " overwritten in place, which is not atomic",
                folder,
                error.strerror,
            )
            self.path = os.path.join(tempfile.gettempdir(), name)
            self._is_elsewhere = True
            _make(self.path)
        self.output_paths = [os.path.join(self.path, each) for each in filenames]
        for each in self._names:
            if os.path.dirname(each):
                parent = os.path.join(self.path, os.path.dirname(each))
                os.makedirs(parent, exist_ok=True)

    def settle(self) -> Staged:
        """Check what the model wrote, and turn links into what they point to.

        Raises:
            ModelFailed: a declared output is missing, or something is no file.
        """
        written = []
        with contextlib.suppress(FileNotFoundError):
            written = list(_settle(self.path))
        files = [each for each in written if not each.endswith("/")]
        for name in self._names:
            if name + "/" in written:
                if not any(each.startswith(name + "/") for each in files):
                    raise ModelFailed(f"the model's output {name} is an empty folder")
            elif name not in files:
                raise ModelFailed(
                    f"the model did not write its output {name}: it wrote"
                    f" {_list_others(files, self._names)}"
                )
        is_single = len(written) == 1 and written[0] in self._names
        return Staged(self.path, self._names, is_single, self._is_elsewhere)


def _list_others(files: Sequence[str], names: Sequence[str]) -> str:
    """Return the files that a model wrote besides its declared outputs, in words."""
    declared = tuple(name + "/" for name in names)
    others = [each for each in files if not (each + "/").startswith(declared)]
    if not others:
        return "nothing else" if files else "nothing"
    more = len(others) - MAX_LISTED
    return ", ".join(others[:MAX_LISTED]) + (f" and {more} more" if more > 0 else "")


class Destination:
    """The output folder of one job, on the side of the process that answers.

    Attributes:
        name: of the staging folder; nobody can foresee it.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self.name = f"{_owner_prefix(os.getpid())}{secrets.randbits(48)}"
        self._existing = folder
        while not os.path.lexists(self._existing):
            self._existing = os.path.dirname(self._existing)

    def clean_up(self) -> None:
        """Remove the staging folder, and an output folder made for nothing.

        What the model started must have ended: it could write there again.
        """
        for parent in (self._folder, tempfile.gettempdir()):
            shutil.rmtree(os.path.join(parent, self.name), ignore_errors=True)
        folder = self._folder
        while folder != self._existing:
            with contextlib.suppress(OSError):
                os.rmdir(folder)
            folder = os.path.dirname(folder)


@lru_cache(maxsize=None)
def _owner_prefix(pid: int) -> str:
    return f"{RESERVED_PREFIX}{find_host()}-{pid}-{find_start(pid)}-"


def _settle(root: str, folder: str = "", above: Tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the paths below a folder, those of folders with a slash at their end.

    Links are replaced; `above` are the folders whose content this one is a copy of.
    """
    found = os.scandir(os.path.join(root, folder))
    for entry in sorted(found, key=lambda entry: entry.name):
        name = os.path.join(folder, entry.name)
        inside = above
        if entry.name.startswith(RESERVED_PREFIX):
            raise ModelFailed(
                f"the model wrote {name}: names that begin with {RESERVED_PREFIX} are"
                " reserved for the server, choose another one"
            )
        if entry.is_symlink():
            try:
                inside += (_replace_link(entry.path, above),)
            except OSError as error:
                raise ModelFailed(
                    f"the model's output {name} is a link that cannot be followed:"
                    f" {error.strerror or error}"
                ) from error
        if entry.is_dir():
            yield name + "/"
            yield from _settle(root, name, inside)
        elif entry.is_file():
            yield name
        else:
            raise ModelFailed(
                f"the model's output {name} is neither a file nor a folder"
            )


def _replace_link(path: str, above: Tuple[str, ...]) -> str:
    """Put in the place of a link what it points to: of a folder, links to its content."""
    mode = os.stat(path).st_mode
    target = os.path.realpath(path)
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OSError(errno.EINVAL, "it points to neither a file nor a folder")
    here = os.path.realpath(os.path.dirname(path))
    if target in above or os.path.commonpath([target, here]) == target:
        raise OSError(errno.ELOOP, "it points to a folder that it is in")
    os.remove(path)
    if stat.S_ISREG(mode):
        shutil.copy2(target, path)
    else:
        os.mkdir(path)
        for name in os.listdir(target):
            os.symlink(os.path.join(target, name), os.path.join(path, name))
    return target


def _make_in(folder: str, path: str) -> None:
    """Make a staging folder, and the output folder where there is none."""
    # a job that failed may remove the output folder that it had made
    for left in reversed(range(3)):
        try:
            _make(path)
            return
        except (FileNotFoundError, NotADirectoryError):
            if not left:
                raise
            try:
                os.makedirs(folder, exist_ok=True)
            except FileExistsError:
                message = f"the output folder {folder} is not a folder"
                raise InvalidJob(message) from None


def _make(path: str) -> None:
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        # the job runs again: an earlier process died before it was done
        shutil.rmtree(path)
        os.mkdir(path, 0o700)


def _can_overwrite(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.W_OK)


def _describe_unwritable(folder: str, error: OSError) -> InvalidJob:
    message = f"cannot write to the output folder {folder}: {error.strerror}"
    if error.errno in (errno.EACCES, errno.EPERM):
        message += (
            f"; the server runs as user {os.geteuid()} and group {os.getegid()}: give"
            " them write permission there, or start the container with --user for a"
            " user who has it"
        )
    return InvalidJob(message)
