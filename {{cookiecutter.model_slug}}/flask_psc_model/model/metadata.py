"""The model's metadata: `model.yaml`, read once and frozen."""

import os
from functools import lru_cache
from typing import Any, Dict

import yaml


class Metadata(Dict[str, Any]):
    """A mapping that cannot be changed, with `m["key"]` and `m.key` access.

    Mappings within it are of this class too, and lists become tuples.
    """

    def __init__(self, items: Dict[str, Any]) -> None:
        super().__init__((key, _freeze(value)) for key, value in items.items())

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(
                "the metadata has no key {!r}; it has: {}".format(
                    name, ", ".join(map(str, self))
                )
            ) from None

    def __reduce__(self) -> Any:
        return Metadata, (dict(self),)

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("the metadata is frozen: change model.yaml instead")

    __setattr__ = __delattr__ = __setitem__ = __delitem__ = __ior__ = _refuse
    clear: Any = _refuse
    pop: Any = _refuse
    popitem: Any = _refuse
    setdefault: Any = _refuse
    update: Any = _refuse


def _freeze(value: Any) -> Any:
    if isinstance(value, dict):
        return Metadata(value)
    if isinstance(value, list):
        return tuple(_freeze(item) for item in value)
    return value


def find_metadata(path_hint: str, filename: str = "model.yaml") -> str:
    """Find the metadata file at or above a path.

    Args:
        path_hint: a file or folder; `__file__` does.
        filename: the name to look for.

    Returns:
        The absolute path of the nearest file of that name.

    Raises:
        OSError: the path does not exist, or there is no such file at or above it.
    """
    start = os.path.abspath(str(path_hint))
    if not os.path.exists(start):
        raise FileNotFoundError(f"there is no file or folder {start}")
    folder = start if os.path.isdir(start) else os.path.dirname(start)
    while True:
        candidate = os.path.join(folder, filename)
        if os.path.isfile(candidate):
            return candidate
        parent = os.path.dirname(folder)
        if parent == folder:
            raise FileNotFoundError(
                f"there is no {filename} in the folder of {start} or above it"
            )
        folder = parent


@lru_cache(maxsize=None)
def load_metadata(path_hint: str, filename: str = "model.yaml") -> Metadata:
    """Find the metadata file at or above a path and read it, once.

    Args:
        path_hint: where to start looking; pass `__file__` from any file of the
            repository.
        filename: the name to look for.

    Raises:
        OSError: there is no such file, or it cannot be read.
        ValueError: the file is not YAML, or not a mapping.
    """
    path = find_metadata(path_hint, filename)
    with open(path, encoding="utf-8") as file:
        try:
            content = yaml.safe_load(file)
        except (yaml.YAMLError, ValueError) as error:
            raise ValueError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(
            f"{path} should be a mapping of keys such as inputs, outputs and timeout"
        )
    return Metadata(content)
