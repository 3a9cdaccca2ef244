"""The model's metadata: `model.yaml`, read once and frozen."""

import json
import os
from typing import Any, Callable, Dict, Iterator, Optional, Set

import yaml

#: Path and text, as JSON, of the file that the server has read: a model process that
#: starts later finds no other, whatever is in the file by then.
VARIABLE = "PSC_MODEL_METADATA"

#: The system accepts no longer variables.
MAX_VARIABLE = 120000


class Metadata(Dict[str, Any]):
    """A frozen mapping with `m["key"]` and `m.key` access.

    Nested mappings are of this class, too; lists become tuples.
    """

    #: Where the mapping is: its file, and the keys that lead to it.
    _place = "the metadata"

    def __init__(self, items: Dict[str, Any], place: str = _place) -> None:
        """Freeze a mapping.

        Args:
            items: of the mapping.
            place: what errors name: its file, and the keys that lead to it.
        """
        super().__init__(
            (key, _freeze(value, f"{place}{'.' if ': ' in place else ': '}{key}"))
            for key, value in items.items()
        )
        object.__setattr__(self, "_place", place)

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(error.args[0]) from None

    def __missing__(self, key: Any) -> Any:
        held = f"it has: {', '.join(map(str, self))}" if self else "it is empty"
        raise KeyError(f"{self._place} has no key {key!r}; {held}")

    def __reduce__(self) -> Any:
        return Metadata, (dict(self), self._place)

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("the metadata is frozen: edit model.yaml instead")

    __setattr__ = __delattr__ = __setitem__ = __delitem__ = __ior__ = _refuse
    clear: Any = _refuse
    pop: Any = _refuse
    popitem: Any = _refuse
    setdefault: Any = _refuse
    update: Any = _refuse


def _freeze(value: Any, place: str) -> Any:
    if isinstance(value, dict):
        return Metadata(value, place)
    if isinstance(value, list):
        return tuple(
            _freeze(item, f"{place}.{index}") for index, item in enumerate(value)
        )
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
    if start not in _loaded and not os.path.exists(start):
        raise FileNotFoundError(f"there is no file or folder {start}")
    folder = start if os.path.isdir(start) else os.path.dirname(start)
    while True:
        candidate = os.path.join(folder, filename)
        # a running server does without a file that is removed
        if candidate in _loaded or os.path.isfile(candidate):
            return candidate
        parent = os.path.dirname(folder)
        if parent == folder:
            raise FileNotFoundError(
                f"there is no {filename} at {start} or in a folder above it"
            )
        folder = parent


def load_metadata(path_hint: str, filename: str = "model.yaml") -> Metadata:
    """Return the content of the metadata file at or above a path; cached.

    Args:
        path_hint: where to start, such as `__file__` in any file of the repository.
        filename: of the metadata file.

    Raises:
        OSError: there is no such file, or it cannot be read.
        ValueError: the file is not YAML, not a mapping, or has a key twice.
    """
    path = find_metadata(path_hint, filename)
    if path not in _loaded:
        _loaded[path] = _decode(_read_text(path), path)
    return _loaded[path]


def reload_metadata(path: str, check: Callable[[Metadata], object]) -> Metadata:
    """Read a metadata file anew, for this process and the model processes it starts.

    Args:
        path: of the file.
        check: raises an error if the content is wrong: then all stays as it was.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not YAML, not a mapping, or wrong for `check`.
    """
    text = _read_text(path)
    metadata = _decode(text, path)
    check(metadata)
    _loaded[path] = metadata
    variable = json.dumps([path, text])
    if len(variable) <= MAX_VARIABLE:
        os.environ[VARIABLE] = variable
    else:
        os.environ.pop(VARIABLE, None)
    return metadata


def _read_text(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not valid YAML: {error}") from error


def _decode(text: str, path: str) -> Metadata:
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        # before the merge keys of YAML become keys like others
        duplicates = list(_find_duplicates(root, "", set()))
        content = root and loader.construct_document(root)
        metadata = Metadata(content, path) if isinstance(content, dict) else None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid YAML: {_describe(error)}") from error
    if metadata is None:
        raise ValueError(
            f"{path} should be a mapping of keys such as inputs, outputs and timeout"
        )
    if duplicates:
        raise ValueError(f"{path}: {duplicates[0]}: remove one of them")
    return metadata


def _describe(error: Exception) -> str:
    """Return the message of an error on one line; YAML's own have several."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return " ".join(str(error).split())
    problem = getattr(error, "problem", None)
    return f"{problem} in line {mark.line + 1}, column {mark.column + 1}"


def _find_duplicates(
    node: Optional[yaml.Node], key: str, seen: Set[int]
) -> Iterator[str]:
    """Yield what is wrong with each key that a mapping in the file has twice.

    Args:
        node: where to look, and below.
        key: of the node, such as `timeout`.
        seen: the ids of nodes to skip: an alias is the node that it stands for.
    """
    if id(node) in seen or not isinstance(node, yaml.CollectionNode):
        return
    seen.add(id(node))
    places: Dict[Any, str] = {}
    for index, child in enumerate(node.value):
        name, value = child if isinstance(node, yaml.MappingNode) else (None, child)
        child_key = f"{key}.{name.value if name else index}".lstrip(".")
        if isinstance(name, yaml.ScalarNode):
            place = f"in line {name.start_mark.line + 1}"
            if isinstance(value, yaml.ScalarNode):
                place += f" with the value {value.value!r}"
            same = (name.tag, name.value)
            if same in places:
                yield f"{child_key} is there twice, {places[same]} and {place}"
            places[same] = place
        yield from _find_duplicates(value, child_key, seen)


def _read_inherited() -> Dict[str, Metadata]:
    """Return what the server has read, if it started this process."""
    inherited = os.environ.get(VARIABLE)
    if not inherited:
        return {}
    path, text = json.loads(inherited)
    return {path: _decode(text, path)}


#: What `load_metadata` returns, by path.
_loaded = _read_inherited()
