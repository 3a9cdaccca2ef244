"""An open folder, in which no link is followed."""

import contextlib
import errno
import os
import shutil
import stat
from typing import Any, BinaryIO, Iterator, List, Optional, Tuple


class Folder:
    """A context manager. Paths are relative to the folder, and lead to nothing outside.

    Attributes:
        fd: its descriptor.
    """

    def __init__(self, path: str, parent: Optional[int] = None) -> None:
        """Open a folder; append "/." to the path where it may be a link itself."""
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
        self.fd = os.open(path, flags, dir_fd=parent)

    def __enter__(self) -> "Folder":
        return self

    def __exit__(self, *_: Any) -> None:
        os.close(self.fd)

    def names(self, path: str) -> List[str]:
        """Return the sorted names in a folder below; in this one for an empty path."""
        with self._parent(os.path.join(path, "any")) as (fd, _):
            return sorted(os.listdir(fd))

    def stat(self, path: str) -> Optional[os.stat_result]:
        """Return the status of what a path names; None where there is nothing."""
        with contextlib.suppress(FileNotFoundError), self._parent(path) as (fd, name):
            return os.stat(name, dir_fd=fd, follow_symlinks=False)
        return None

    def open(self, path: str, flags: int = os.O_RDONLY, mode: int = 0o600) -> BinaryIO:
        """Open a file; one that is made has this mode."""
        with self._parent(path) as (fd, name):
            # without blocking: a FIFO would wait for its other end
            flags |= os.O_NOFOLLOW | os.O_NONBLOCK
            opened = os.open(name, flags, mode, dir_fd=fd)
        return open(opened, "wb" if flags & os.O_WRONLY else "rb")

    def move(self, path: str, target: "Folder", new_path: str) -> None:
        """Rename what a path names, over a file that is there."""
        with self._parent(path) as (fd, name), target._parent(new_path) as new:
            os.rename(name, new[1], src_dir_fd=fd, dst_dir_fd=new[0])

    def link(self, path: str, target: "Folder", new_path: str) -> None:
        """Add a second name to a file."""
        with self._parent(path) as (fd, name), target._parent(new_path) as new:
            folders = {"src_dir_fd": fd, "dst_dir_fd": new[0]}
            os.link(name, new[1], follow_symlinks=False, **folders)

    def copy(self, path: str, target: "Folder", new_path: str) -> None:
        """Copy the content of a file, also over that of a file that is there."""
        with self.open(path) as reader:
            mode = stat.S_IMODE(os.fstat(reader.fileno()).st_mode)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            with target.open(new_path, flags, mode) as writer:
                shutil.copyfileobj(reader, writer)

    @contextlib.contextmanager
    def _parent(self, path: str) -> Iterator[Tuple[int, str]]:
        """Open the folder that holds a path; yield its descriptor and the last name."""
        name, slash, rest = path.partition("/")
        if name in ("", ".", ".."):
            raise OSError(errno.EINVAL, "the path leads nowhere or outside")
        if not slash:
            yield self.fd, name
            return
        with Folder(name, self.fd) as folder, folder._parent(rest) as found:
            yield found
