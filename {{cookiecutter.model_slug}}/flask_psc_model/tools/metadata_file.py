"""`model.yaml` as text: changes single values, and nothing else."""

import re
from typing import Any, Callable, Dict, List

import yaml

from . import to_line
from .files import read_text, replace_file

#: What may be between a key and its value.
_COLON = re.compile(r"\s*:(?:\s|#.*)*")


class MetadataFile:
    """The text of a `model.yaml`.

    Attributes:
        path: of the file.
        text: its content, with its own line ends.
    """

    def __init__(self, path: str) -> None:
        """Read the file.

        Raises:
            OSError: it cannot be read.
            ValueError: it is not UTF-8.
        """
        self.path = path
        self.text = read_text(path, newline="")

    def change(self, values: Dict[str, str]) -> None:
        """Change values in the text; `save` writes it.

        Args:
            values: the new values by their keys, such as `timeout.run`.

        Raises:
            ValueError: the file is not YAML, a key is missing, or its value cannot be
                changed by itself. The message explains what to do; the text is unchanged.
        """
        text = self.text
        for key, value in values.items():
            text = self._replace(text, key, value)
        self.text = text

    def replace_mapping(self, key: str, lines: List[str]) -> None:
        """Replace the mapping of a key at the top level; `save` writes it.

        Args:
            key: such as `inputs`.
            lines: of the new mapping, indented.

        Raises:
            ValueError: the file is not YAML, the key is missing, or its mapping cannot
                be replaced by itself. The text is unchanged.
        """
        before = self._parse(yaml.load, self.text)
        if not isinstance(before, dict) or key not in before:
            raise self._describe_missing([key], 0, "{}")
        newline = "\r\n" if "\r\n" in self.text else "\n"
        old = self.text.split(newline)
        new = [key + ":"] + lines
        changed = ""
        for start, line in enumerate(old):
            if line.startswith(key + ":"):
                rest = old[_find_end(old, start) :]
                changed = newline.join(old[:start] + new + rest)
        expected = dict(before, **self._parse(yaml.load, "\n".join(new)))
        # as text, since "not a number" does not equal itself
        if repr(self._parse(yaml.load, changed)) != repr(expected):
            raise ValueError(
                f"{self.path}: {key} cannot be replaced by itself: write it as a mapping"
                " on lines of its own"
            )
        self.text = changed

    def save(self) -> None:
        """Write the text to the file.

        Raises:
            OSError: it cannot be written; it is as it was.
        """
        replace_file(self.path, self.text.encode("utf-8"))

    def _replace(self, text: str, key: str, value: str) -> str:
        node = self._find(text, key, value)
        start, end = node.start_mark.index, node.end_mark.index
        if node.style in ("'", '"'):
            value = node.style + value + node.style
        elif start == end:
            # a blank value starts right after the colon
            value = " " + value
        changed = text[:start] + value + text[end:]
        if not _differ_in_one_value(
            self._parse(yaml.load, text), self._parse(yaml.load, changed), key
        ):
            raise self._refuse(key, value)
        return changed

    def _find(self, text: str, key: str, value: str) -> yaml.ScalarNode:
        """Return the node of a key's value, which has its position in the text."""
        node = self._parse(yaml.compose, text)
        parts = key.split(".")
        for depth, part in enumerate(parts):
            if not isinstance(node, yaml.MappingNode):
                if node is None or not node.value:
                    raise self._describe_missing(parts, depth, value)
                raise self._refuse(key, value)
            # of a repeated key, YAML uses the last
            found = [pair for pair in node.value if pair[0].value == part]
            if not found:
                raise self._describe_missing(parts, depth, value)
            name, node = found[-1]
            # an alias refers to a value elsewhere, which other keys may share
            between = text[name.end_mark.index : node.start_mark.index]
            if not _COLON.fullmatch(between):
                raise self._refuse(key, value)
        is_plain = isinstance(node, yaml.ScalarNode) and node.style in (None, "'", '"')
        if not is_plain or text.startswith(("&", "!"), node.start_mark.index):
            raise self._refuse(key, value)
        return node

    def _parse(self, parse: Callable[..., Any], text: str) -> Any:
        try:
            return parse(text, Loader=yaml.SafeLoader)
        except (yaml.YAMLError, ValueError) as error:
            raise ValueError(
                f"{self.path} is not valid YAML: {to_line(str(error))}"
            ) from error

    def _describe_missing(self, parts: List[str], depth: int, value: str) -> ValueError:
        line = value
        for part in reversed(parts[depth + 1 :]):
            line = "{" + part + ": " + line + "}"
        where = f'below "{".".join(parts[:depth])}:"' if depth else "to it"
        return ValueError(
            f"{self.path} has no key {'.'.join(parts)}: add the line"
            f' "{parts[depth]}: {line}" {where}'
        )

    def _refuse(self, key: str, value: str) -> ValueError:
        return ValueError(
            f"{self.path}: the value of {key} cannot be changed by itself: write {value}"
            " there"
        )


def _find_end(lines: List[str], start: int) -> int:
    """Return the number of the line after an entry: the next ones are not indented."""
    end = start + 1
    for index in range(end, len(lines)):
        line = lines[index]
        if line.strip():
            if line[0] not in " \t":
                break
            end = index + 1
    return end


def _differ_in_one_value(one: Any, other: Any, key: str) -> bool:
    *parents, name = key.split(".")
    for content in (one, other):
        holder = content
        for parent in parents:
            holder = holder[parent]
        holder[name] = None
    # as text, since "not a number" does not equal itself
    return repr(one) == repr(other)
