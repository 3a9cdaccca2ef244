"""The files of requirements as text: the packages they name, and addresses of indexes."""

import os
import re
from typing import Iterator, List, Pattern, Set, Tuple
from urllib.parse import urlsplit

from .files import read_text

#: The direct dependencies, and the files that pin them: all of them, and those that the
#: base image lacks.
WANTED = "requirements.in"
PINNED = "requirements.txt"
IMAGE_PINNED = "requirements-image.txt"

#: Anybody may read these indexes; PyTorch's has its builds for the CPU.
PUBLIC_HOSTS = ("download.pytorch.org", "pypi.org", "pypi.python.org")

#: The name of a package at the start of a line. Lines with an environment marker are
#: skipped: it may exclude this Python. So are URLs and paths, whose package has a name
#: that only its files know.
NAME = re.compile(
    r"^(?![\w.+-]*(?:://|/|\\)|[\w.+-]*\.(?:whl|zip|tar\.gz)\b)"
    r"([A-Za-z0-9][\w.-]*)(?=[^;#\n]*(?:#.*)?$)",
    re.MULTILINE,
)
PIN = re.compile(
    r"^([A-Za-z0-9][\w.-]*)(?:\s*\[[^\]]*\])?\s*(?:===?|@)\s*\S", re.MULTILINE
)

#: An option with the address of an index; in a comment too, where tools write down how
#: they were called.
_INDEX = re.compile(
    r"(?:^|\s)(?:-i|--index-url|--extra-index-url|--default-index|--index|-f"
    r"|--find-links)[ =]\s*(\S+://\S+)"
    # the comment of uv's --emit-index-annotation
    r"|^\s*# from (\S+://\S+)",
)
_TRUSTED = re.compile(r"(?:^|\s)--trusted-host[ =]")

#: A user name or a password in a URL; ssh's user is none.
_CREDENTIALS = re.compile(r"\bhttps?://([^/\s@]+)@")

#: A variable that pip and uv replace.
_VARIABLE = re.compile(r"\$\{\w+\}")


def read_names(path: str, pattern: Pattern[str]) -> List[str]:
    """Return the packages in a file.

    Args:
        path: of the file.
        pattern: `NAME` or `PIN`.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not UTF-8.
    """
    return list_names(read_text(path), pattern)


def list_names(text: str, pattern: Pattern[str]) -> List[str]:
    """Return the packages in the text of a file, see `read_names`."""
    return [normalize(name) for name in pattern.findall(text)]


def normalize(name: str) -> str:
    """Return the name of a package as the index writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def find_secrets(text: str) -> Iterator[Tuple[int, str]]:
    """Yield the number of each line that should not be in a file, and what it has.

    Args:
        text: of the file.
    """
    for number, line in enumerate(text.splitlines(), 1):
        if has_password(line):
            yield number, "a password"
        elif has_private_index(line):
            yield number, "the address of a package index"


def has_password(line: str) -> bool:
    """Return whether a URL in a line has a user name or a password, not by variables."""
    users = _CREDENTIALS.findall(line)
    return any(_VARIABLE.sub("", user).strip(":") for user in users)


def has_private_index(line: str) -> bool:
    """Return whether a line has the address of an index that is not public."""
    addresses = [urlsplit(one or other).hostname for one, other in _INDEX.findall(line)]
    is_private = any(host not in PUBLIC_HOSTS for host in addresses)
    return is_private or bool(_TRUSTED.search(line))


def list_files(folder: str) -> Set[str]:
    """Return the names of the files of requirements in a folder."""
    pattern = re.compile(r"(?:requirements|constraints).*\.(?:in|txt)")
    return {name for name in os.listdir(folder) if pattern.fullmatch(name)}
