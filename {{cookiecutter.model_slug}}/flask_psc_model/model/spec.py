"""The limits that `model.yaml` sets: times, sizes and resources, in plain numbers."""

import math
from typing import Any, Callable, Dict, Optional

from .loading import ModelFactory, find_module_file
from .metadata import Metadata, find_metadata, load_metadata
from .units import parse_duration, parse_size

DEFAULT_STATUS_TIMEOUT = 60.0
DEFAULT_RUN_TIMEOUT = 60.0


class Limits:
    """What `model.yaml` allows.

    Attributes:
        status_timeout: seconds that loading the model may take (`timeout.status`).
        run_timeout: seconds that one run may take (`timeout.run`).
        input_sizes: bytes that each input file may have, where that is declared.
        output_sizes: bytes that each output file may have, where that is declared.
        memory: bytes (`resources.memory.size`), or None where not declared.
        cpus: processors (`resources.cpu.count`), or None where not declared.
        gpus: graphics processors (`resources.gpu.count`), 0 where not declared.
    """

    def __init__(self, metadata: Metadata, path: str = "model.yaml") -> None:
        """Read the limits.

        Args:
            metadata: the content of `model.yaml`.
            path: the file that errors name.

        Raises:
            ValueError: a value is blank or wrong; the message names file, key and
                value.
        """
        reader = _Reader(metadata, path)
        read = reader.read
        self.status_timeout = float(
            read("timeout.status", parse_duration, DEFAULT_STATUS_TIMEOUT)
        )
        self.run_timeout = float(
            read("timeout.run", parse_duration, DEFAULT_RUN_TIMEOUT)
        )
        self.memory: Optional[int] = read("resources.memory.size", parse_size)
        self.cpus: Optional[float] = read("resources.cpu.count", _parse_cpus)
        self.gpus = int(read("resources.gpu.count", _parse_gpus, 0))
        self.input_sizes = reader.read_sizes("inputs")
        self.output_sizes = reader.read_sizes("outputs")

    @classmethod
    def default(cls) -> "Limits":
        """Return the limits where there is no `model.yaml`."""
        return cls(Metadata({}))

    @classmethod
    def of_model(cls, factory: ModelFactory) -> "Limits":
        """Read the limits from the `model.yaml` that belongs to a model.

        Raises:
            ValueError: the file or a value in it is wrong.
        """
        path = find_model_metadata(factory)
        return cls.load(path) if path else cls.default()

    @classmethod
    def load(cls, path_hint: str) -> "Limits":
        """Read the limits from the `model.yaml` at or above a path.

        Raises:
            OSError: there is no such file.
            ValueError: the file or a value in it is wrong.
        """
        return cls(load_metadata(path_hint), find_metadata(path_hint))


def find_model_metadata(factory: ModelFactory) -> str:
    """Find the `model.yaml` at or above the module of a model's factory.

    Returns:
        Its path, empty where there is none.
    """
    try:
        return find_metadata(find_module_file(factory))
    except OSError:
        return ""


def load_model_metadata(factory: ModelFactory) -> Metadata:
    """Return the content of a model's `model.yaml`, empty where there is none.

    Raises:
        ValueError: the file is wrong.
    """
    path = find_model_metadata(factory)
    return load_metadata(path) if path else Metadata({})


class _Reader:
    def __init__(self, metadata: Metadata, path: str) -> None:
        self.metadata = metadata
        self.path = path

    def read(self, key: str, parse: Callable[[Any], Any], default: Any = None) -> Any:
        value: Any = self.metadata
        parts = key.split(".")
        for depth, part in enumerate(parts):
            if not isinstance(value, dict):
                where = ".".join(parts[:depth])
                raise self.error(where, value, "expected a mapping")
            if part not in value:
                return default
            value = value[part]
        try:
            return parse(value)
        except ValueError as error:
            raise self.error(key, value, str(error)) from error

    def read_sizes(self, key: str) -> Dict[str, int]:
        files = self.metadata.get(key, {})
        if not isinstance(files, dict):
            raise self.error(key, files, "expected a mapping of file names")
        sizes = {}
        for name, properties in files.items():
            where = f"{key}.{name}"
            if not isinstance(properties, dict):
                raise self.error(where, properties, "expected a mapping")
            if "maxSize" in properties:
                value = properties["maxSize"]
                try:
                    sizes[str(name)] = parse_size(value)
                except ValueError as error:
                    raise self.error(where + ".maxSize", value, str(error)) from error
        return sizes

    def error(self, key: str, value: Any, problem: str) -> ValueError:
        shown = "blank" if value is None else repr(value)
        return ValueError(f"{self.path}: {key} is {shown}: {problem}")


def _parse_cpus(value: Any) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 < value < math.inf:
        raise ValueError("expected a number above zero, such as 1 or 0.5")
    return float(value)


def _parse_gpus(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("expected a whole number, 0 for none")
    return value
