"""The page as one document that loads nothing else."""

import base64
import hashlib
import os
from typing import List

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from ...model.spec import ModelSpec
from ...model.units import format_size
from .card import list_resources, list_sections, render

FOLDER = os.path.dirname(os.path.abspath(__file__))

# other marks than Jinja's own, since the template of this repository is one of Jinja's
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
ENVIRONMENT.filters.update(markdown=render, size=format_size)


def _read(name: str) -> str:
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        return file.read()


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest())
    return "'sha256-{}'".format(digest.decode("ascii"))


STYLE = _read("style.css")
SCRIPT = _read("script.js")

#: Only the script and the style of the page itself are taken, and no address but this
#: server's own; see https://www.w3.org/TR/CSP3/.
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


def write_document(spec: ModelSpec, examples: List[str]) -> str:
    """Write the page of a model.

    Args:
        spec: what to say of it.
        examples: names of the cases to offer.
    """
    return ENVIRONMENT.get_template("page.html").render(
        spec=spec,
        sections=list_sections(spec),
        resources=list_resources(spec.limits),
        examples=examples,
        style=Markup(STYLE),
        script=Markup(SCRIPT),
    )
