"""The input and output files of a new model, as a person names them."""

import mimetypes
import os
import re
from typing import NamedTuple, Sequence

from ...jobs.outputs import RESERVED_PREFIX
from ...model.cases import (
    MESSAGE_FILENAME,
    TODO_FILENAME,
    check_filenames,
    check_findable,
)
from ...model.units import parse_size

_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+")

#: What would need an escape in YAML, Python or a path.
_UNSUITABLE = re.compile(r"[\"\\]|[^\S ]")


class NewFile(NamedTuple):
    """An input or output file.

    Attributes:
        name: of the file.
        media_type: of the file, empty where it is not known.
        max_size: as in `model.yaml`, empty for no limit.
    """

    name: str
    media_type: str = ""
    max_size: str = ""

    @classmethod
    def parse(cls, text: str) -> "NewFile":
        """Read a file such as `photo.png`, `photo.png:image/png` or `photo.png::10M`.

        A media type that is not given is guessed from the name.

        Raises:
            ValueError: a part is wrong.
        """
        name, *parts = [part.strip() for part in text.split(":")]
        if len(parts) > 2:
            raise ValueError(f"{text!r} is not NAME:MEDIA_TYPE:MAX_SIZE")
        media_type, max_size = (parts + ["", ""])[:2]
        _check_name(name)
        if media_type:
            check_media_type(media_type)
        if max_size:
            try:
                parse_size(max_size)
            except ValueError as error:
                raise ValueError(
                    f"the size of {name} is {max_size!r}: {error}"
                ) from None
        return cls(name, media_type or _guess_media_type(name), max_size)

    @property
    def kind(self) -> str:
        """How Python reads it: as `json`, `text` or `bytes`."""
        media_type = self.media_type.lower()
        if media_type == "application/json" or media_type.endswith("+json"):
            return "json"
        return "text" if media_type.startswith("text/") else "bytes"


def check_media_type(text: str) -> None:
    """Check a media type.

    Raises:
        ValueError: it is none.
    """
    if not _MEDIA_TYPE.fullmatch(text):
        raise ValueError(f"{text!r} is not a media type such as image/png")


def check_files(inputs: Sequence[NewFile], outputs: Sequence[NewFile]) -> None:
    """Check that the files of a model can stand side by side in the folder of a case.

    Raises:
        ValueError: no case can hold them; the message says why.
    """
    names = [file.name for file in list(inputs) + list(outputs)]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"there are two files {name}: rename one of them")
    check_filenames(names, MESSAGE_FILENAME)
    check_findable(names)
    # of the inputs, a refusal holds the message beside them
    check_findable([file.name for file in inputs] + [MESSAGE_FILENAME])


def _check_name(name: str) -> None:
    if not name:
        raise ValueError("the file has no name: write one such as photo.png")
    if _UNSUITABLE.search(name) or not name.isprintable():
        raise ValueError(f"the name {name!r} has characters that cannot be used")
    parts = name.split("/")
    if os.path.normpath(name) != name or name[0] == "/" or parts[0] in (".", ".."):
        raise ValueError(f"{name!r} is not the name of a file in the folder of a job")
    if any(part.startswith(RESERVED_PREFIX) for part in parts):
        raise ValueError(
            f"{name!r} begins with {RESERVED_PREFIX}, which is reserved for the server"
        )
    if name[-1] == "~":
        raise ValueError(f"{name!r} is the name of a backup, and cases skip those")
    if name.split(".")[0] == TODO_FILENAME.split(".")[0]:
        raise ValueError(f"{name!r} is the note on a case that is to be filled in")


def _guess_media_type(name: str) -> str:
    media_type, encoding = mimetypes.guess_type(name)
    return "" if encoding else media_type or ""
