"""The times of `HEALTHCHECK` in the Dockerfile, which depend on `timeout.status`.

While the model loads, `/status` waits for at most `timeout.status`. So the command waits
a little longer, and Docker a little longer than that.
"""

import math
import os
import re
from typing import Dict, Iterator, Match, NamedTuple, Optional

from ..model.units import format_duration, parse_duration
from .dockerfile import DOCKERFILE
from .files import read_text, replace_file

#: Seconds beyond `timeout.status`, by the option of `check_status`, in CMD, and those of
#: Docker.
MARGINS = {"CMD --timeout": 5, "--timeout": 10, "--start-period": 10}

#: Seconds of the options that are not there.
DEFAULTS = {"CMD --timeout": 65.0, "--timeout": 30.0, "--start-period": 0.0}

_COMMENT = re.compile(r"^[ \t]*#[^\r\n]*", re.MULTILINE)

#: An instruction with its continuation lines: the options, and the command. Lines
#: between them are blank, or comments.
_CONTINUED = r"\\[ \t]*\r?\n(?:[ \t]*\r?\n)*"
_INSTRUCTION = re.compile(
    rf"^[ \t]*HEALTHCHECK\b(?P<options>(?:{_CONTINUED}|.)*?\bCMD\b)"
    rf"(?P<command>(?:{_CONTINUED}|.)*)",
    re.MULTILINE | re.IGNORECASE,
)
#: The value of an option; in the command, as a word of a list or of a line.
_OPTIONS = {
    "--timeout": re.compile(r"--timeout=(?P<value>\S+)"),
    "--start-period": re.compile(r"--start-period=(?P<value>\S+)"),
    "CMD --timeout": re.compile(r"--timeout[\"',\s=]+(?P<value>[^\"'\s\]]+)"),
}
_PROGRAM = re.compile('check_status"?')


class _Time(NamedTuple):
    """The place of a time in a Dockerfile.

    Attributes:
        start: the position of the time, or where it is missing.
        end: of the time; `start` where it is missing.
        new: what to write there, with `%s` for the time.
    """

    start: int
    end: int
    new: str = "%s"


def find_wrong_times(folder: str, status_timeout: float) -> Iterator[str]:
    """Yield what is wrong with each time in the Dockerfile of a repository.

    Args:
        folder: of the repository; one without a Dockerfile or health check is fine.
        status_timeout: `timeout.status` of its `model.yaml`, in seconds.
    """
    found = _INSTRUCTION.search(_blank_comments(_read(folder)))
    if not found:
        return
    for name, time in _find_times(found).items():
        wanted = _wanted(name, status_timeout)
        text = found.string[time.start : time.end]
        try:
            seconds = parse_duration(text) if text else DEFAULTS[name]
        except ValueError as error:
            yield f"{name} of HEALTHCHECK is {text!r}: {error}"
            continue
        if seconds <= status_timeout:
            yield (
                f"{name} of HEALTHCHECK is {seconds:g} s, and timeout.status of"
                f" model.yaml {status_timeout:g} s: set it to {wanted}"
            )


def write_times(folder: str, status_timeout: float) -> Optional[str]:
    """Set the times in the Dockerfile of a repository.

    Args:
        folder: of the repository.
        status_timeout: `timeout.status` of its `model.yaml`, in seconds.

    Returns:
        The path of the Dockerfile, None if it has no health check or is as it should be.

    Raises:
        OSError: it cannot be written.
        ValueError: it is not UTF-8.
    """
    text = changed = _read(folder)
    instructions = list(_INSTRUCTION.finditer(_blank_comments(text)))
    for found in reversed(instructions):
        changed = _set_times(changed, found, status_timeout)
    if changed == text:
        return None
    path = os.path.join(folder, DOCKERFILE)
    replace_file(path, changed.encode("utf-8"))
    return path


def _blank_comments(text: str) -> str:
    """Return a text with spaces in place of comments, so that all positions stay."""
    return _COMMENT.sub(lambda found: " " * len(found.group()), text)


def _find_times(found: Match[str]) -> Dict[str, _Time]:
    """Return the times that an instruction has, or should, by the keys of `MARGINS`."""
    times = {}
    for name in ("--timeout", "--start-period"):
        option = _OPTIONS[name].search(found.string, *found.span("options"))
        # a missing option becomes the first one
        start = found.start("options")
        times[name] = (
            _Time(*option.span("value"))
            if option
            else _Time(start, start, f" {name}=%s")
        )
    program = _PROGRAM.search(found.string, *found.span("command"))
    # other commands have options of their own
    if program:
        name = "CMD --timeout"
        option = _OPTIONS[name].search(found.string, *found.span("command"))
        is_list = program.group().endswith('"')
        new = ', "--timeout", "%s"' if is_list else " --timeout %s"
        times[name] = (
            _Time(*option.span("value"))
            if option
            else _Time(program.end(), program.end(), new)
        )
    return times


def _set_times(text: str, found: Match[str], status_timeout: float) -> str:
    """Return a text with new times in the instruction that was found in it."""
    times = _find_times(found)
    # the last one first: the positions before it stay
    for name in sorted(times, key=lambda name: -times[name].start):
        time, wanted = times[name], _wanted(name, status_timeout)
        text = text[: time.start] + time.new % wanted + text[time.end :]
    return text


def _wanted(name: str, status_timeout: float) -> str:
    seconds = math.ceil(status_timeout) + MARGINS[name]
    # the command reads a number
    return str(seconds) if name == "CMD --timeout" else format_duration(seconds)


def _read(folder: str) -> str:
    try:
        path = os.path.join(folder, DOCKERFILE)
        return read_text(path, newline="")
    except FileNotFoundError:
        return ""
