"""The page as one HTML file that loads no other files."""

import base64
import contextlib
import hashlib
import json
import os
from typing import Dict, List

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from ...model.cases import Case, find_case_file
from ...model.spec import ModelSpec
from ...model.units import format_size
from .card import list_resources, list_sections, render

FOLDER = os.path.dirname(os.path.abspath(__file__))

# other delimiters than Jinja's own, which Cookiecutter uses
ENVIRONMENT = Environment(
    loader=FileSystemLoader(FOLDER),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    block_start_string="[%",
    block_end_string="%]",
    variable_start_string="[[",
    variable_end_string="]]",
    comment_start_string="[#",
    comment_end_string="#]",
)
ENVIRONMENT.filters.update(markdown=render, size=format_size, json=json.dumps)


def _read(name: str) -> str:
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        return file.read()


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest())
    return f"'sha256-{digest.decode('ascii')}'"


STYLE = _read("style.css")
SCRIPT = _read("script.js")

#: Allows the page's own script and style, and requests to this server only; see
#: https://www.w3.org/TR/CSP3/.
POLICY = "; ".join(
    [
        "default-src 'none'",
        f"script-src {_hash(SCRIPT)}",
        f"style-src {_hash(STYLE)}",
        "img-src blob: data:",
        "media-src blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)


def write_html(spec: ModelSpec, examples: List[Case]) -> str:
    """Return the HTML of a model's page.

    Args:
        spec: of the model.
        examples: to offer.
    """
    return ENVIRONMENT.get_template("page.html").render(
        spec=spec,
        sections=list_sections(spec),
        resources=list_resources(spec.limits),
        examples={case.name: _find_inputs(case, spec) for case in examples},
        style=Markup(STYLE),
        script=Markup(SCRIPT),
    )


def _find_inputs(case: Case, spec: ModelSpec) -> Dict[str, str]:
    """Return the path of each input file of an example, by the name of the input."""
    paths = {}
    for name in spec.inputs:
        # the run of the example says what is wrong with it
        with contextlib.suppress(OSError, ValueError):
            path = find_case_file(case.folder, name)
            if path:
                paths[name] = path
    return paths
