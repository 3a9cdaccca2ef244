"""What the page makes of `model.yaml`: HTML, and pairs of labels and values."""

from typing import List, Tuple

from markdown_it import MarkdownIt
from markupsafe import Markup

from ...model.spec import Limits, ModelSpec
from ...model.units import format_size


def render(text: str) -> Markup:
    """Turn Markdown into HTML that is safe to show.

    HTML in it is escaped, images become links, and links to scripts are dropped.
    """
    markdown = MarkdownIt("commonmark", {"html": False})
    markdown.enable("table").disable("image")
    tokens = markdown.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            # levels 1 and 2 are the page's own
            token.tag = f"h{min(6, max(3, int(token.tag[1:]) + 1))}"
    return Markup(markdown.renderer.render(tokens, markdown.options, {}))


def list_sections(spec: ModelSpec) -> List[Tuple[str, str]]:
    """Return the heading and the text, in Markdown, of each section."""
    sections = [
        ("Intended use", spec.details),
        ("How it works", spec.technical),
        ("Performance", spec.performance),
    ]
    return [(heading, text) for heading, text in sections if text]


def list_resources(limits: Limits) -> List[Tuple[str, str]]:
    """Return what the model needs."""
    resources = [
        ("Memory", format_size(limits.memory) if limits.memory else ""),
        ("CPUs", f"{limits.cpus:g}" if limits.cpus else ""),
        ("GPUs", str(limits.gpus) if limits.gpus else ""),
        ("Time limit for loading", f"{limits.status_timeout:g} s"),
        ("Time limit for a job", f"{limits.run_timeout:g} s"),
    ]
    return [(label, text) for label, text in resources if text]
