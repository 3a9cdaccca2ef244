"""The commands that the model's code calls, and the Debian packages that hold them."""

import ast
import os
from typing import Dict, Iterator, Set

from ...model.system_packages import COMMANDS, FILENAME, list_packages
from .imports import list_own_files, parse, read_text
from .point import Problem

#: The functions whose first argument is a command.
FUNCTIONS = (
    "Popen",
    "call",
    "check_call",
    "check_output",
    "create_subprocess_exec",
    "create_subprocess_shell",
    "getoutput",
    "getstatusoutput",
    "popen",
    "run",
    "system",
    "which",
)


def find_unlisted(folder: str) -> Iterator[Problem]:
    """Yield the commands that the code calls, and whose packages are not listed."""
    listed = _read_packages(folder)
    for command, caller in sorted(find_commands(folder).items()):
        package = COMMANDS[command]
        if package not in listed:
            yield Problem(
                FILENAME,
                f"has no {package}, whose command {command} {caller} calls: add the line"
                f" {package}, and build the image again",
            )


def find_commands(folder: str) -> Dict[str, str]:
    """Return the file that calls each known command.

    Raises:
        ValueError: a file is not Python.
    """
    found: Dict[str, str] = {}
    for name in list_own_files(folder):
        for node in ast.walk(parse(folder, name)):
            if isinstance(node, ast.Call) and node.args:
                command = _read_command(node)
                if command in COMMANDS:
                    found.setdefault(command, name)
    return found


def _read_command(call: ast.Call) -> str:
    """Return the command that a call starts, if it is written there."""
    function = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if function not in FUNCTIONS:
        return ""
    first: ast.AST = call.args[0]
    if isinstance(first, (ast.List, ast.Tuple)) and first.elts:
        first = first.elts[0]
    # of an f-string, what comes before the first value
    if isinstance(first, ast.JoinedStr) and first.values:
        first = first.values[0]
    return (read_text(first).split() or [""])[0]


def _read_packages(folder: str) -> Set[str]:
    try:
        path = os.path.join(folder, FILENAME)
        # a comment may be in any encoding
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            names = list_packages(file.read())
    except FileNotFoundError:
        return set()
    # a version or an architecture may follow the name
    return {name.split("=")[0].split(":")[0] for name in names}
