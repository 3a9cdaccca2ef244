"""Fills in `server.yaml` and `job.yaml`."""

import json
import math
import os
import posixpath
import re
from typing import Any, Dict, Union

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..containers.engine import MOUNT_POINT


def quote(value: Union[str, int]) -> str:
    """Return a value as YAML in one line, for every reader of YAML the same.

    PyYAML reads `y`, `1e3` and `0o7` as strings, but other YAML parsers may not.
    """
    if not isinstance(value, str):
        return json.dumps(value)
    is_plain = re.fullmatch("[A-Za-z/]{2}[-A-Za-z0-9./_:@]*", value)
    if is_plain and yaml.safe_load(value) == value:
        return value
    return str(yaml.safe_dump(value, default_style='"', width=math.inf)).rstrip("\n")


# other delimiters than Jinja's own, which Cookiecutter uses; `quote` writes every value
ENVIRONMENT = Environment(
    loader=FileSystemLoader(os.path.dirname(os.path.abspath(__file__))),
    variable_start_string="${",
    variable_end_string="}",
    line_statement_prefix="##",
    line_comment_prefix="###",
    undefined=StrictUndefined,
    finalize=quote,
    keep_trailing_newline=True,
)


def fill_in(name: str, values: Dict[str, Any]) -> str:
    """Return the manifests of `server.yaml` or `job.yaml`, filled in."""
    return ENVIRONMENT.get_template(name).render(values).lstrip("\n")


def list_folders(inputs: str, outputs: str) -> Dict[str, str]:
    """Return the paths in the pods of the folders of a bulk run in the claim.

    Raises:
        ValueError: `run_many` refuses them, or one is not in the claim.
    """
    inputs, outputs = _find_folder("inputs", inputs), _find_folder("outputs", outputs)
    if f"{outputs}/".startswith(f"{inputs}/"):
        raise ValueError(
            f"--outputs {outputs} is in --inputs {inputs}, where every folder is a job:"
            " choose a folder outside it"
        )
    return {"inputs": inputs, "outputs": outputs}


def _find_folder(option: str, folder: str) -> str:
    path = posixpath.normpath(posixpath.join(MOUNT_POINT, folder))
    if f"{path}/".startswith(f"{MOUNT_POINT}/") and folder.isprintable():
        return path
    raise ValueError(
        f"--{option} {folder!r} is not in the claim, which is {MOUNT_POINT} in the pods:"
        f" pass a path in the claim, such as {option}"
    )
