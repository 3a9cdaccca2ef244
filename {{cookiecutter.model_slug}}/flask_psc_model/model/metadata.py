"""The model's metadata: `model.yaml`, read once and frozen."""

import os
from functools import lru_cache
from typing import Any, Dict

import yaml


class Metadata(Dict[str, Any]):
    """A frozen mapping with `m["key"]` and `m.key` access.

    Nested mappings are of this class, too; lists become tuples.
    """

    def __init__(self, items: Dict[str, Any]) -> None:
        super().__init__((key, _freeze(value)) for key, value in items.items())

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(
                f"the metadata has no key {name!r}; it has: {', '.join(map(str, self))}"
            ) from None

    def __reduce__(self) -> Any:
        return Metadata, (dict(self),)

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("the metadata is frozen: edit model.yaml instead")

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
        path_hint: a file or folder, such as `__file__`.
        filename: of the metadata file.

    Returns:
        The absolute path of the nearest such file.

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
                f"there is no {filename} at {start} or in a folder above it"
            )
        folder = parent


@lru_cache(maxsize=None)
def load_metadata(path_hint: str, filename: str = "model.yaml") -> Metadata:
    """Return the content of the metadata file at or above a path; cached.

    Args:
        path_hint: where to start, such as `__file__` in any file of the repository.
        filename: of the metadata file.

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
