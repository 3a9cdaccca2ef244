"""Pins: the packages that a resolver has chosen, and which package requires which."""

import re
from typing import Dict, Iterable, List, NamedTuple, Set

from .requirements import normalize

#: A line of uv or pip-tools with a package: its name, its extras, and its version.
_LINE = re.compile(
    r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?\s*(==|@)\s*(.*?)\s*(?:\s#.*|\\)?$"
)
_PARENT = re.compile(r"^\s+#\s+(?:via\s+)?(\S.*)$")


class Pin(NamedTuple):
    """A package in its chosen version.

    Attributes:
        name: of the package.
        version: with the operator: `==1.2`, or ` @ https://...`.
        parents: the packages that require it; `-r requirements.in` does, too.
    """

    name: str
    version: str
    parents: List[str]

    def __str__(self) -> str:
        lines = [f"{self.name}{self.version}"]
        if len(self.parents) == 1:
            lines.append(f"    # via {self.parents[0]}")
        elif self.parents:
            lines += ["    # via", *(f"    #   {parent}" for parent in self.parents)]
        return "\n".join(lines)


def parse_pins(text: str) -> List[Pin]:
    """Return the pins in the output of uv or pip-tools, and nothing else of it.

    Args:
        text: the output, with a comment about the parents below each pin.
    """
    pins: List[Pin] = []
    for line in text.splitlines():
        found = _LINE.match(line)
        parent = _PARENT.match(line)
        if found:
            name, operator, version = found.groups()
            operator = operator if operator == "==" else " @ "
            pins.append(Pin(name, operator + version, []))
        elif parent and pins and parent.group(1) != "via":
            # a URL would be that of an index; files are added by `name_source`
            if "://" not in line and not parent.group(1).startswith(("-c ", "-r ")):
                pins[-1].parents.append(parent.group(1))
    return pins


def name_source(pins: Iterable[Pin], names: Set[str], source: str) -> List[Pin]:
    """Return pins, of which some have a file of requirements as their first parent.

    Args:
        pins: without such a parent.
        names: of the packages in the file, normalized.
        source: the name of the file.
    """
    return [
        pin._replace(parents=["-r " + source, *pin.parents])
        if normalize(pin.name) in names
        else pin
        for pin in pins
    ]


def find_required(pins: Iterable[Pin], roots: Set[str]) -> Set[str]:
    """Return the normalized names of some packages and of all that they require."""
    children: Dict[str, List[str]] = {}
    for pin in pins:
        for parent in pin.parents:
            children.setdefault(normalize(parent), []).append(normalize(pin.name))
    found, left = set(), list(roots)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += children.get(name, [])
    return found


def remove_pins(pins: Iterable[Pin], names: Set[str]) -> List[Pin]:
    """Return pins without some packages, and without those that only these require."""
    kept, orphans = [], set()
    for pin in pins:
        if normalize(pin.name) in names:
            continue
        parents = [each for each in pin.parents if normalize(each) not in names]
        if pin.parents and not parents:
            orphans.add(normalize(pin.name))
        kept.append(pin._replace(parents=parents))
    return remove_pins(kept, orphans) if orphans else kept
