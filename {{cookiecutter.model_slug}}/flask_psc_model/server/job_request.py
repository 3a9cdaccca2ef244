"""The body of `POST /run`: the job configuration object."""

import json
import os
from typing import Any

from ..errors import InvalidJob, NotJson
from ..jobs.job import Job

EXAMPLE = (
    '{"type": "file", "input": "/path/to/input/directory",'
    ' "output": "/path/to/output/directory"}'
)

#: Bytes of a path with its end, and of each name in it; see path_resolution(7).
MAX_PATH = 4096
MAX_NAME = 255


def parse_job(body: bytes, is_json: bool) -> Job:
    """Read a job from the body of a request.

    Args:
        body: the body as it was sent.
        is_json: whether its content type claims JSON. A JSON object is taken
            whatever it claims, since existing clients claim nothing.

    Raises:
        NotJson: the body neither is JSON nor claims to be.
        InvalidJob: the body is not a job.
    """
    try:
        content = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise (InvalidJob if is_json else NotJson)(
            "the body of the request is not JSON"
            f" ({str(error) or type(error).__name__}); send {EXAMPLE}"
        ) from error
    if not isinstance(content, dict):
        raise InvalidJob(f"the job is not a JSON object; send {EXAMPLE}")
    if content.get("type") != "file":
        found = _quote(content.get("type"))
        raise InvalidJob(f'the "type" of the job should be "file", not {found}')
    return Job(_parse_path(content, "input"), _parse_path(content, "output"))


def _parse_path(content: Any, key: str) -> str:
    path = content.get(key)
    if not isinstance(path, str) or not path:
        raise InvalidJob(
            f'the "{key}" of the job should be the path of a folder, not {_quote(path)}'
        )
    try:
        data = os.fsencode(path)
    except UnicodeEncodeError:
        data = b"\0"
    if b"\0" in data:
        raise InvalidJob(
            f'the "{key}" of the job holds characters that no path can have:'
            f" {_quote(path)}"
        )
    if len(data) >= MAX_PATH or max(map(len, data.split(b"/"))) > MAX_NAME:
        raise InvalidJob(
            f'the "{key}" of the job is longer than a path can be ({MAX_PATH - 1} bytes,'
            f" {MAX_NAME} a name): {_quote(path)}"
        )
    return path


def _quote(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else text[:200] + "..."
