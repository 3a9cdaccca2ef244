"""The times of `HEALTHCHECK` in the Dockerfile, which depend on `timeout.status`.

While the model loads, `/status` waits for at most `timeout.status`. So the command waits
a little longer, and Docker a little longer than that.
"""

import math
import os
import re
from typing import Dict, Iterator, Match, Optional

from ..model.units import format_duration, parse_duration
from .files import replace_file

DOCKERFILE = "Dockerfile"

#: Seconds beyond `timeout.status`, by the option of `check_status`, in CMD, and those of
#: Docker.
MARGINS = {"CMD --timeout": 5, "--timeout": 10, "--start-period": 10}

#: Seconds of the options that are not there.
DEFAULTS = {"CMD --timeout": 65.0, "--timeout": 30.0, "--start-period": 0.0}

#: An instruction with its continuation lines: the options, and the command.
_INSTRUCTION = re.compile(
    r"^(?P<options>[ \t]*HEALTHCHECK\b(?:\\\r?\n|.)*?\bCMD\b)(?P<command>(?:\\\r?\n|.)*)",
    re.MULTILINE | re.IGNORECASE,
)
_OPTION = r"({}=)(\S+)"
#: The option and its value, as a word each of a list or of a line.
_COMMAND_OPTION = re.compile(r"(--timeout[\"',\s=]+)([^\"'\s\]]+)")


def find_wrong_times(folder: str, status_timeout: float) -> Iterator[str]:
    """Yield what is wrong with each time in the Dockerfile of a repository.

    Args:
        folder: of the repository; one without a Dockerfile or health check is fine.
        status_timeout: `timeout.status` of its `model.yaml`, in seconds.
    """
    found = _INSTRUCTION.search(_read(folder))
    if not found:
        return
    for name, text in _find_times(found).items():
        wanted = _wanted(name, status_timeout)
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
    """
    text = _read(folder)
    changed = _INSTRUCTION.sub(lambda found: _set_times(found, status_timeout), text)
    if changed == text:
        return None
    path = os.path.join(folder, DOCKERFILE)
    replace_file(path, changed.encode("utf-8"))
    return path


def _find_times(found: Match[str]) -> Dict[str, str]:
    """Return the times of an instruction as they are there, by the keys of `MARGINS`."""
    times = {}
    for name in ("--timeout", "--start-period"):
        option = re.search(_OPTION.format(name), found.group("options"))
        times[name] = option.group(2) if option else ""
    # other commands have options of their own
    if "check_status" in found.group("command"):
        option = _COMMAND_OPTION.search(found.group("command"))
        times["CMD --timeout"] = option.group(2) if option else ""
    return times


def _set_times(found: Match[str], status_timeout: float) -> str:
    options, command = found.group("options", "command")
    for name, text in _find_times(found).items():
        wanted = _wanted(name, status_timeout)
        if name != "CMD --timeout":
            pattern, new = _OPTION.format(name), f" {name}={wanted}"
            options = (
                re.sub(pattern, rf"\g<1>{wanted}", options)
                if text
                else re.sub("HEALTHCHECK", rf"\g<0>{new}", options, flags=re.IGNORECASE)
            )
        elif text:
            command = _COMMAND_OPTION.sub(rf"\g<1>{wanted}", command)
        else:
            is_list = 'check_status"' in command
            new = f', "--timeout", "{wanted}"' if is_list else f" --timeout {wanted}"
            command = re.sub('check_status"?', rf"\g<0>{new}", command)
    return options + command


def _wanted(name: str, status_timeout: float) -> str:
    seconds = math.ceil(status_timeout) + MARGINS[name]
    # the command reads a number
    return str(seconds) if name == "CMD --timeout" else format_duration(seconds)


def _read(folder: str) -> str:
    try:
        path = os.path.join(folder, DOCKERFILE)
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return ""
