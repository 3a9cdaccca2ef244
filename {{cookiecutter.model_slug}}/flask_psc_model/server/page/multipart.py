"""Several files in one response: multipart/form-data, RFC 7578.

Browsers parse this format themselves.
"""

import re
import uuid
from typing import IO, Iterator, List, NamedTuple, Optional, Tuple

CHUNK = 64 * 1024

_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)


class Part(NamedTuple):
    """A file, or only its name.

    Attributes:
        kind: the form field, such as `output`.
        name: of the file.
        media_type: of the file, empty if unknown.
        file: open for reading; None for the name only.
    """

    kind: str
    name: str
    media_type: str
    file: Optional[IO[bytes]]


def write_multipart(parts: List[Part]) -> Tuple[str, Iterator[bytes]]:
    """Return the content type of a response and its body, in chunks."""
    boundary = uuid.uuid4().hex
    content_type = f"multipart/form-data; boundary={boundary}"
    return content_type, _write(parts, boundary)


def _write(parts: List[Part], boundary: str) -> Iterator[bytes]:
    for part in parts:
        yield f"--{boundary}\r\n".encode()
        if part.file is None:
            yield _write_head(part, "")
            yield part.name.encode("utf-8", "replace")
        else:
            yield _write_head(part, f'; filename="{_quote(part.name)}"')
            yield from _read_chunks(part.file)
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def _read_chunks(file: IO[bytes]) -> Iterator[bytes]:
    chunk = file.read(CHUNK)
    while chunk:
        yield chunk
        chunk = file.read(CHUNK)


def _write_head(part: Part, filename: str) -> bytes:
    head = f'Content-Disposition: form-data; name="{part.kind}"{filename}\r\n'
    if part.file is not None:
        is_known = _MEDIA_TYPE.fullmatch(part.media_type)
        media_type = part.media_type if is_known else "application/octet-stream"
        head += f"Content-Type: {media_type}\r\n"
    return (head + "\r\n").encode("utf-8", "replace")


def _quote(name: str) -> str:
    """Escape a file name as browsers do."""
    for character in '"\r\n':
        name = name.replace(character, f"%{ord(character):02X}")
    return name
