"""The model card: the content of `model.yaml`, ready to be shown.

Values of a wrong type are skipped.
"""

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from markdown_it import MarkdownIt
from markupsafe import Markup

from ...model.metadata import Metadata
from ...model.spec import Limits

#: Keys under `description`, and the headings of their texts.
SECTIONS = (
    ("details", "Intended use"),
    ("technical", "How it works"),
    ("performance", "Performance"),
)


class File(NamedTuple):
    """An input or an output.

    Attributes:
        name: of the file.
        media_types: the accepted ones.
        max_size: as written in `model.yaml`, empty if not declared.
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
        """The only accepted media type, empty if there are several."""
        return self.media_types[0] if len(self.media_types) == 1 else ""


class Metric(NamedTuple):
    """A quality metric of the model.

    Attributes:
        label: its name.
        value: as written in `model.yaml`.
        share: the value, if it is a number from 0 to 1.
        description: of the metric.
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
        resources: labels and values of required resources.
        metrics: of the model's quality.
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

    HTML in it is escaped, images become links, and links to scripts are dropped.
    """
    markdown = MarkdownIt("commonmark", {"html": False})
    markdown.enable("table").disable("image")
    tokens = markdown.parse(_as_text(text))
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            # levels 1 and 2 are the page's own
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
        ("CPUs", f"{limits.cpus:g}" if limits.cpus else ""),
        ("GPUs", str(limits.gpus) if limits.gpus else ""),
        ("Time limit for loading", f"{limits.status_timeout:g} s"),
        ("Time limit for a job", f"{limits.run_timeout:g} s"),
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
