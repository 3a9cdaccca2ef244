"""What the page says of a model: `model.yaml`, ready to be shown.

The file is written by people: whatever has another form than it should is left out.
"""

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from markdown_it import MarkdownIt
from markupsafe import Markup

from ...model.metadata import Metadata
from ...model.spec import Limits

#: The texts under `description`, and their headings.
SECTIONS = (
    ("details", "What it is for"),
    ("technical", "How it works"),
    ("performance", "How good it is"),
)


class File(NamedTuple):
    """An input or an output.

    Attributes:
        name: of the file.
        media_types: that it may have.
        max_size: as it is written, empty where not declared.
        max_bytes: the same in bytes.
        description: in HTML.
    """

    name: str
    media_types: List[str]
    max_size: str
    max_bytes: Optional[int]
    description: Markup

    @property
    def media_type(self) -> str:
        """The one media type that it has, empty where there may be others."""
        return self.media_types[0] if len(self.media_types) == 1 else ""


class Metric(NamedTuple):
    """A figure that says how good the model is.

    Attributes:
        label: its name.
        value: as it is written.
        share: the same, where it is a number from 0 to 1.
        description: of the figure.
    """

    label: str
    value: str
    share: Optional[float]
    description: str


class Card:
    """The model card.

    Attributes:
        name: of the model.
        version: of the model.
        author: of the model.
        summary: in HTML.
        sections: headings and texts in HTML.
        inputs: the files that the model reads.
        outputs: the files that it writes.
        resources: what it needs, as pairs of words.
        metrics: how good it is.
    """

    def __init__(self, metadata: Metadata, limits: Limits) -> None:
        """Read the card.

        Args:
            metadata: the content of `model.yaml`, empty where there is none.
            limits: those of the same file.
        """
        description = _as_mapping(metadata.get("description"))
        self.name = _as_text(metadata.get("name")) or "Model"
        self.version = _as_text(metadata.get("version"))
        self.author = _as_text(metadata.get("author"))
        self.summary = render(description.get("summary"))
        self.sections = [
            (heading, render(description.get(key)))
            for key, heading in SECTIONS
            if _as_text(description.get(key))
        ]
        self.inputs = _read_files(
            metadata.get("inputs"), "acceptedMediaTypes", limits.input_sizes
        )
        self.outputs = _read_files(
            metadata.get("outputs"), "mediaType", limits.output_sizes
        )
        self.resources = _list_resources(metadata, limits)
        self.metrics = _read_metrics(metadata.get("metrics"))


def render(text: Any) -> Markup:
    """Turn Markdown into HTML that is safe to show.

    HTML in it is shown as it is written, an image becomes a link to it, and no link
    is a script.
    """
    markdown = MarkdownIt("commonmark", {"html": False})
    markdown.enable("table").disable("image")
    tokens = markdown.parse(_as_text(text))
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            # the page has headings of its own above these
            token.tag = f"h{min(6, max(3, int(token.tag[1:]) + 1))}"
    return Markup(markdown.renderer.render(tokens, markdown.options, {}))


def _read_files(files: Any, media_type_key: str, sizes: Dict[str, int]) -> List[File]:
    read = []
    for name, properties in _as_mapping(files).items():
        properties = _as_mapping(properties)
        media_types = properties.get(media_type_key) or ()
        if isinstance(media_types, str):
            media_types = (media_types,)
        read.append(
            File(
                str(name),
                [str(each) for each in media_types],
                _as_text(properties.get("maxSize")),
                sizes.get(str(name)),
                render(properties.get("description")),
            )
        )
    return read


def _read_metrics(metrics: Any) -> List[Metric]:
    read = []
    for metric in metrics if isinstance(metrics, tuple) else ():
        metric = _as_mapping(metric)
        read.append(
            Metric(
                _as_text(metric.get("label")) or _as_text(metric.get("type")),
                _as_text(metric.get("value")),
                _as_share(metric.get("value")),
                _as_text(metric.get("description")),
            )
        )
    return read


def _list_resources(metadata: Metadata, limits: Limits) -> List[Tuple[str, str]]:
    memory = _as_mapping(_as_mapping(metadata.get("resources")).get("memory"))
    resources = [
        ("Memory", _as_text(memory.get("size"))),
        ("Processors", f"{limits.cpus:g}" if limits.cpus else ""),
        ("Graphics processors", str(limits.gpus) if limits.gpus else ""),
        ("Longest time to load", f"{limits.status_timeout:g} s"),
        ("Longest time of a run", f"{limits.run_timeout:g} s"),
    ]
    return [(label, text) for label, text in resources if text]


def _as_share(value: Any) -> Optional[float]:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value <= 1 else None


def _as_mapping(value: Any) -> Dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _as_text(value: Any) -> str:
    is_text = isinstance(value, (str, int, float)) and not isinstance(value, bool)
    return str(value).strip() if is_text else ""
