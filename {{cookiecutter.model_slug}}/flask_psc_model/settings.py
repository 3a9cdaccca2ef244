"""The settings: environment variables, which every server and command reads here.

A blank variable counts as one that is not set. A wrong value is a `ValueError`, whose
one line names the variable, the value, and what to set instead.
"""

import os
import re
import socket
from typing import Callable, Sequence, Tuple, TypeVar
from urllib.parse import urlsplit, urlunsplit

DEFAULT_PORT = 8080

_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off")
_HOST_NAME = r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*"
_DOTTED_PATH = r"[^\W\d]\w*(?:[.:][^\W\d]\w*)+"

Value = TypeVar("Value")


def read_port() -> int:
    """Return `PSC_MODEL_PORT`, the port that a server listens on."""
    return _read("PSC_MODEL_PORT", parse_port, DEFAULT_PORT)


def read_host(default: str) -> str:
    """Return `PSC_MODEL_HOST`, the address that a server listens on; see `parse_host`."""
    return _read("PSC_MODEL_HOST", parse_host, default)


def read_allowed_hosts() -> Tuple[str, ...]:
    """Return `PSC_MODEL_ALLOWED_HOSTS`: more names under which a server answers.

    Returns:
        Names in lower case; one that begins with a dot stands for all names below it.
    """
    return _read("PSC_MODEL_ALLOWED_HOSTS", _parse_host_names, ())


def read_processes() -> int:
    """Return `PSC_MODEL_PROCESSES`, the number of model processes."""
    return _read("PSC_MODEL_PROCESSES", lambda text: _parse_number(text, 1, 1024), 1)


def read_max_jobs() -> int:
    """Return `PSC_MODEL_MAX_JOBS`, after which a model process is replaced; 0: never."""
    return _read("PSC_MODEL_MAX_JOBS", lambda text: _parse_number(text, 1, 10**9), 0)


def read_page(default: bool) -> bool:
    """Return `PSC_MODEL_PAGE`: whether a server has the page."""
    return _read("PSC_MODEL_PAGE", _parse_switch, default)


def read_debug() -> bool:
    """Return `PSC_MODEL_DEBUG`: whether the development server debugs."""
    return _read("PSC_MODEL_DEBUG", _parse_switch, False)


def read_model_factory() -> str:
    """Return `PSC_MODEL_FACTORY`, a dotted path; empty where it is not set."""
    return _read("PSC_MODEL_FACTORY", _parse_dotted_path, "")


def read_shutdown_function() -> str:
    """Return `PSC_SHUTDOWN_FUNCTION`, a dotted path; empty where it is not set."""
    return _read("PSC_SHUTDOWN_FUNCTION", _parse_dotted_path, "")


def read_choice(variable: str, choices: Sequence[str], default: str) -> str:
    """Return a variable that is one of several words, in any letter case."""
    return _read(variable, lambda text: _parse_choice(text, choices), default)


def check_server_settings() -> None:
    """Read all settings of a server, also those that this one does not use.

    Raises:
        ValueError: one of them is wrong.
    """
    read_port()
    read_host("")
    read_allowed_hosts()
    read_processes()
    read_max_jobs()
    read_page(False)
    read_debug()
    read_model_factory()
    read_shutdown_function()


def join_address(host: str, port: int) -> str:
    """Return an address with its port, as in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_port(text: str) -> int:
    """Read a port; 0 stands for any that is free.

    Raises:
        ValueError: it is not a port.
    """
    if re.match(r"\w+://", text):
        raise ValueError(
            "Kubernetes sets this for a service of the name psc-model: set the variable"
            " to a port such as 8080 in the pod, or enableServiceLinks to false"
        )
    return _parse_number(text, 0, 65535)


def parse_host(text: str) -> str:
    """Read an address to listen on: an IP address, also in brackets, or a host name.

    Returns:
        The address without brackets.

    Raises:
        ValueError: it is neither.
    """
    host = text[1:-1] if re.fullmatch(r"\[.*\]", text) else text
    if not (_is_ipv6(host) if ":" in host else re.fullmatch(_HOST_NAME, host)):
        raise ValueError(
            "set it to an address such as 127.0.0.1 or ::1, or to a host name, without"
            " a port"
        )
    return host


def parse_url(url: str) -> str:
    """Return the URL of a server, given its own or that of one of its routes.

    Raises:
        ValueError: it is not an HTTP URL, or it holds a user name or a password.
    """
    url = url.strip()
    try:
        parts = urlsplit(url if "//" in url else "http://" + url)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    # before the messages that show the URL
    if "@" in (parts.netloc if valid else url):
        raise ValueError(
            "the URL holds a user name or a password, which are not supported: leave"
            " out the part that ends in @"
        )
    if any(ord(each) > 127 for each in url):
        raise ValueError(
            f"{url!r} has characters that are not ASCII: write the host as its xn--"
            " name, and the path in percent-encoding"
        )
    if not valid or re.search(r"\s", url):
        raise ValueError(f"{url!r} is not a URL such as http://localhost:8080")
    path = parts.path.rstrip("/")
    for route in ("/run", "/status"):
        if path.endswith(route):
            path = path[: -len(route)]
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def _read(variable: str, parse: Callable[[str], Value], default: Value) -> Value:
    text = os.environ.get(variable, "")
    try:
        return parse(text.strip()) if text.strip() else default
    except ValueError as error:
        raise ValueError(f"{variable} is {text!r}: {error}") from None


def _parse_number(text: str, low: int, high: int) -> int:
    # int() also accepts 8_080 and the digits of other scripts
    if not re.fullmatch("[0-9]{1,18}", text) or not low <= int(text) <= high:
        raise ValueError(f"set it to a whole number from {low} to {high}")
    return int(text)


def _parse_choice(text: str, choices: Sequence[str]) -> str:
    for choice in choices:
        if text.lower() == choice.lower():
            return choice
    listed = ", ".join(choices[:-1])
    raise ValueError(f"set it to {listed} or {choices[-1]}")


def _parse_switch(text: str) -> bool:
    return _parse_choice(text, _TRUE + _FALSE) in _TRUE


def _parse_dotted_path(text: str) -> str:
    if not re.fullmatch(_DOTTED_PATH, text):
        raise ValueError("set it to a dotted path such as package.module.name")
    return text


def _parse_host_names(text: str) -> Tuple[str, ...]:
    names = [name.strip().lower() for name in text.split(",")]
    for name in names:
        if not re.fullmatch(r"\.?" + _HOST_NAME, name):
            raise ValueError(
                "set it to host names without a port, separated by commas, such as"
                " box.example.org, or .example.org for all names below it"
            )
    return tuple(names)


def _is_ipv6(host: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    except (OSError, ValueError):
        return False
    return True
