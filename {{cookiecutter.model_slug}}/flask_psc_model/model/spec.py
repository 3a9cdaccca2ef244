"""`model.yaml`, decoded: the texts, files and limits of a model as typed values."""

import sys
from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional, Tuple

from .loading import ModelFactory, find_module_file
from .metadata import (
    Metadata,
    find_metadata,
    load_metadata,
    reload_metadata,
)
from .units import parse_duration, parse_size


class FileSpec(NamedTuple):
    """An input or output file.

    Attributes:
        name: of the file.
        media_types: that it may have.
        max_size: in bytes, None where not declared.
        description: in Markdown.
    """

    name: str
    media_types: Tuple[str, ...] = ()
    max_size: Optional[int] = None
    description: str = ""

    @property
    def media_type(self) -> str:
        """The only media type that it may have, empty where there are more or none."""
        return self.media_types[0] if len(self.media_types) == 1 else ""


class Limits(NamedTuple):
    """What the model may use.

    Attributes:
        status_timeout: seconds that loading the model may take (`timeout.status`).
        run_timeout: seconds that one run may take (`timeout.run`).
        memory: bytes (`resources.memory.size`), None where not declared.
        cpus: CPUs (`resources.cpu.count`), None where not declared.
        gpus: GPUs (`resources.gpu.count`), 0 where not declared.
    """

    status_timeout: float = 60.0
    run_timeout: float = 60.0
    memory: Optional[int] = None
    cpus: Optional[float] = None
    gpus: int = 0


class Metric(NamedTuple):
    """A figure that measures the quality of the model.

    Attributes:
        label: its name.
        value: as text.
        share: the value, where it is a number from 0 to 1.
        description: of the figure.
    """

    label: str
    value: str
    share: Optional[float]
    description: str


class ModelSpec(NamedTuple):
    """The content of `model.yaml`; without arguments, that of a model without one.

    Attributes:
        path: of the file, empty where there is none.
        name: of the model.
        version: of the model.
        author: of the model.
        summary: what the model does, in Markdown like the texts that follow.
        details: what it is for.
        technical: how it works.
        performance: how good it is.
        inputs: the files that the model reads, by their names.
        outputs: the files that it writes, by their names.
        metrics: how good it is, in figures.
        limits: what it may use.
    """

    path: str = ""
    name: str = ""
    version: str = ""
    author: str = ""
    summary: str = ""
    details: str = ""
    technical: str = ""
    performance: str = ""
    inputs: Mapping[str, FileSpec] = Metadata({})
    outputs: Mapping[str, FileSpec] = Metadata({})
    metrics: Tuple[Metric, ...] = ()
    limits: Limits = Limits()

    @classmethod
    def decode(
        cls, metadata: Metadata, path: str = "model.yaml", strict: bool = True
    ) -> "ModelSpec":
        """Decode the content of a `model.yaml`.

        A wrong text never raises, since texts are only shown: it becomes empty.

        Args:
            metadata: the content.
            path: the file that errors name.
            strict: reject a blank or wrong limit or file, which otherwise becomes its
                default.

        Raises:
            ValueError: a value is blank or wrong; the message names file, key and
                value.
        """
        reader = _Reader(metadata, path, strict)
        texts = _Reader(metadata, path, strict=False)
        return cls(
            path,
            texts.read_text("name"),
            texts.read_text("version"),
            texts.read_text("author"),
            texts.read_text("description", "summary"),
            texts.read_text("description", "details"),
            texts.read_text("description", "technical"),
            texts.read_text("description", "performance"),
            limits=_decode_limits(reader),
            inputs=_decode_files(reader, texts, "inputs", "acceptedMediaTypes"),
            outputs=_decode_files(reader, texts, "outputs", "mediaType"),
            metrics=_decode_metrics(texts),
        )

    @classmethod
    def load(cls, path_hint: str, strict: bool = True) -> "ModelSpec":
        """Decode the `model.yaml` at or above a path; `strict` is that of `decode`.

        Raises:
            OSError: there is no such file.
            ValueError: the file or a value in it is wrong.
        """
        path = find_metadata(path_hint)
        return cls.decode(load_metadata(path), path, strict)

    @classmethod
    def reload(cls, path_hint: str) -> "ModelSpec":
        """Decode the file as it is now, and let all that loads it later find that.

        Raises:
            OSError: there is no such file.
            ValueError: the file or a value in it is wrong; what was loaded stays.
        """
        path = find_metadata(path_hint)
        metadata = reload_metadata(path, lambda content: cls.decode(content, path))
        return cls.decode(metadata, path)

    @classmethod
    def of_model(cls, factory: ModelFactory, strict: bool = True) -> "ModelSpec":
        """Decode the `model.yaml` at or above the module of a model's factory, if any.

        Raises:
            ValueError: the file or a value in it is wrong.
        """
        try:
            path = find_metadata(find_module_file(factory))
        except OSError:
            return cls()
        return cls.load(path, strict)


class _Reader:
    """Reads values by their keys; a wrong one is an error, or becomes its default."""

    def __init__(self, content: Any, path: str, strict: bool) -> None:
        self.content = content
        self.path = path
        self.strict = strict

    def read(self, *keys: Any, parse: Callable[[Any], Any], default: Any = None) -> Any:
        value = self.content
        try:
            for depth, key in enumerate(keys):
                where = keys[:depth]
                if not isinstance(value, dict):
                    raise ValueError("expected a mapping")
                if key not in value:
                    return default
                value = value[key]
            where = keys
            return parse(value)
        except ValueError as error:
            if not self.strict:
                return default
            shown = "blank" if value is None else repr(value)
            key = ".".join(map(str, where))
            raise ValueError(f"{self.path}: {key} is {shown}: {error}") from error

    def read_text(self, *keys: Any) -> str:
        text: str = self.read(*keys, parse=_parse_text, default="")
        return text


def _decode_limits(reader: _Reader) -> Limits:
    read, default = reader.read, Limits()
    return Limits(
        read("timeout", "status", parse=parse_duration, default=default.status_timeout),
        read("timeout", "run", parse=parse_duration, default=default.run_timeout),
        read("resources", "memory", "size", parse=parse_size),
        read("resources", "cpu", "count", parse=_parse_cpus),
        read("resources", "gpu", "count", parse=_parse_gpus, default=default.gpus),
    )


def _decode_files(
    reader: _Reader, texts: _Reader, key: str, media_types_key: str
) -> Mapping[str, FileSpec]:
    return {
        str(name): FileSpec(
            str(name),
            texts.read(
                key, name, media_types_key, parse=_parse_media_types, default=()
            ),
            reader.read(key, name, "maxSize", parse=parse_size),
            texts.read_text(key, name, "description"),
        )
        for name in reader.read(key, parse=_parse_files, default=())
    }


def _decode_metrics(texts: _Reader) -> Tuple[Metric, ...]:
    metrics = []
    for each in texts.read("metrics", parse=_parse_list, default=()):
        reader = _Reader(each, texts.path, strict=False)
        label = reader.read_text("label") or reader.read_text("type")
        value = reader.read_text("value")
        if label or value:
            share = reader.read("value", parse=_parse_share)
            metrics.append(Metric(label, value, share, reader.read_text("description")))
    return tuple(metrics)


def _parse_files(value: Any) -> Dict[Any, Any]:
    if not isinstance(value, dict):
        raise ValueError("expected a mapping of file names")
    return value


def _parse_list(value: Any) -> Tuple[Any, ...]:
    if not isinstance(value, tuple):
        raise ValueError("expected a list")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _parse_text(value: Any) -> str:
    if not isinstance(value, str) and not _is_number(value):
        raise ValueError("expected a text")
    return str(value).strip()


def _parse_media_types(value: Any) -> Tuple[str, ...]:
    values = (value,) if isinstance(value, str) else _parse_list(value)
    return tuple(map(_parse_text, values))


def _parse_cpus(value: Any) -> float:
    if not _is_number(value) or not 0 < value <= sys.float_info.max:
        raise ValueError("expected a number above zero, such as 1 or 0.5")
    return float(value)


def _parse_gpus(value: Any) -> int:
    if not _is_number(value) or not isinstance(value, int) or value < 0:
        raise ValueError("expected a whole number, 0 for none")
    return value


def _parse_share(value: Any) -> float:
    if not _is_number(value) or not 0 <= value <= 1:
        raise ValueError("expected a number from 0 to 1")
    return float(value)
