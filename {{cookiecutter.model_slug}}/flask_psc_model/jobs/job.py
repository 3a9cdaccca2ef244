"""One inference job: which files it reads and which it writes."""

import json
import os
from typing import Any, List, Sequence

from ..errors import InvalidJob, NotJson

EXAMPLE = (
    '{"type": "file", "input": "/path/to/input/directory",'
    ' "output": "/path/to/output/directory"}'
)


class Job:
    """The job configuration object of `POST /run`.

    Attributes:
        input_folder: absolute path of the folder that holds the input files.
        output_folder: absolute path of the folder for the output files.
    """

    def __init__(self, input_folder: str, output_folder: str) -> None:
        self.input_folder = os.path.abspath(input_folder)
        self.output_folder = os.path.abspath(output_folder)

    @classmethod
    def parse(cls, body: bytes, is_json: bool) -> "Job":
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
            problem = f"the body of the request is not JSON ({str(error) or type(error).__name__}); send {EXAMPLE}"
            raise (InvalidJob if is_json else NotJson)(problem) from error
        if not isinstance(content, dict):
            raise InvalidJob(f"the job is not a JSON object; send {EXAMPLE}")
        if content.get("type") != "file":
            raise InvalidJob(
                'the "type" of the job should be "file", not {}'.format(
                    _quote(content.get("type"))
                )
            )
        return cls(_parse_path(content, "input"), _parse_path(content, "output"))

    def find_inputs(self, filenames: Sequence[str]) -> List[str]:
        """Return the paths of the input files, after checking that they can be read.

        Raises:
            InvalidJob: the folder or a file is missing or cannot be read.
        """
        paths = [os.path.join(self.input_folder, name) for name in filenames]
        if paths and all(os.access(path, os.R_OK) for path in paths):
            return paths
        if not os.path.isdir(self.input_folder):
            raise InvalidJob(
                "the input folder {} {}".format(
                    self.input_folder,
                    "is not a folder"
                    if os.path.lexists(self.input_folder)
                    else "does not exist; if the server runs in a container, mount the"
                    " folder there and give its path inside the container",
                )
            )
        for path in paths:
            if not os.path.exists(path):
                raise InvalidJob(f"the input file {path} does not exist")
            if not os.access(path, os.R_OK):
                raise InvalidJob(f"the input file {path} cannot be read")
        return paths


def _parse_path(content: Any, key: str) -> str:
    path = content.get(key)
    if not isinstance(path, str) or not path:
        raise InvalidJob(
            f'the "{key}" of the job should be the path of a folder, not {_quote(path)}'
        )
    try:
        valid = b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        valid = False
    if not valid:
        raise InvalidJob(
            f'the "{key}" of the job holds characters that no path can have: {_quote(path)}'
        )
    return path


def _quote(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else text[:200] + "..."
