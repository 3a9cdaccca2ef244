"""Lists files, reads texts, and replaces files as a whole."""

import contextlib
import os
import shutil
import tempfile
from typing import Iterator, Optional


def list_files(folder: str) -> Iterator[str]:
    """Yield the paths of all files below a folder, relative to it."""
    for parent, _, names in os.walk(folder):
        for name in names:
            yield os.path.relpath(os.path.join(parent, name), folder)


def read_text(path: str, newline: Optional[str] = None) -> str:
    """Return the content of a text file.

    Args:
        path: of the file.
        newline: as for `open`: an empty text keeps the line ends as they are.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not UTF-8; the message says what to do.
    """
    try:
        with open(path, encoding="utf-8", newline=newline) as file:
            return file.read()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8: save it as UTF-8 ({error})") from error


def replace_file(path: str, content: bytes) -> None:
    """Write a file by a rename, so that it is complete whatever happens.

    A link stays one: the file that it points to is replaced. The file keeps its mode
    and, where that is permitted, its owner.

    Args:
        path: of the file; it need not exist.
        content: of the file.

    Raises:
        OSError: it cannot be written; the file is as it was.
    """
    target = os.path.realpath(path)
    folder, name = os.path.split(target)
    number, new = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
    try:
        with open(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(target):
            _copy_owner(target, new)
            shutil.copymode(target, new)
        else:
            os.chmod(new, 0o666 & ~_read_umask())
        os.replace(new, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(new)
        raise


def _copy_owner(source: str, target: str) -> None:
    status = os.stat(source)
    with contextlib.suppress(PermissionError):
        os.chown(target, status.st_uid, status.st_gid)


def _read_umask() -> int:
    # there is no other way to read it
    umask = os.umask(0)
    os.umask(umask)
    return umask
