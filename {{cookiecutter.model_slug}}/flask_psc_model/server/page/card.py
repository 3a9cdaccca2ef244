"""What the page makes of `model.yaml`: HTML, and pairs of words."""

from typing import List, Tuple

from markdown_it import MarkdownIt
from markupsafe import Markup

from ...model.spec import Limits, ModelSpec
from ...model.units import format_size


def render(text: str) -> Markup:
    """Turn Markdown into HTML that is safe to show.

    HTML in it is shown as it is written, an image becomes a link to it, and no link
    is a script.
    """
    markdown = MarkdownIt("commonmark", {"html": False})
    markdown.enable("table").disable("image")
    tokens = markdown.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            # the page has headings of its own above these
            token.tag = f"h{min(6, max(3, int(token.tag[1:]) + 1))}"
    return Markup(markdown.renderer.render(tokens, markdown.options, {}))


def list_sections(spec: ModelSpec) -> List[Tuple[str, str]]:
    """Return the heading and the text, in Markdown, of each section."""
    sections = [
        ("What it is for", spec.details),
        ("How it works", spec.technical),
        ("How good it is", spec.performance),
    ]
    return [(heading, text) for heading, text in sections if text]


def list_resources(limits: Limits) -> List[Tuple[str, str]]:
    """Return what the model needs."""
    resources = [
        ("Memory", format_size(limits.memory) if limits.memory else ""),
        ("Processors", f"{limits.cpus:g}" if limits.cpus else ""),
        ("Graphics processors", str(limits.gpus) if limits.gpus else ""),
        ("Longest time to load", f"{limits.status_timeout:g} s"),
        ("Longest time of a run", f"{limits.run_timeout:g} s"),
    ]
    return [(label, text) for label, text in resources if text]
