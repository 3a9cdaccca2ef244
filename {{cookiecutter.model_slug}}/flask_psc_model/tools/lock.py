"""Renews the pins of a repository for the Python of its image, with uv or pip-tools.

What they print is parsed, and only names, versions and parents are written: both can put
the addresses of indexes into their output, with the passwords in them.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence

from . import to_line
from .files import read_text, replace_file
from .pins import Pin, find_required, name_source, parse_pins, remove_pins
from .requirements import (
    IMAGE_PINNED,
    NAME,
    PIN,
    PINNED,
    WANTED,
    has_password,
    has_private_index,
    list_names,
    normalize,
)

COMMAND = "python -m flask_psc_model.cli.lock"

DEV_WANTED = "requirements-dev.in"
DEV_PINNED = "requirements-dev.txt"

#: The system of the base images.
PLATFORM = "x86_64-manylinux_2_28"

#: The end of the version of a build for the CPU, which only PyTorch's own index has.
CPU_BUILD = "+cpu"
CPU_INDEX = re.compile(
    r"^--extra-index-url[ =]https://download\.pytorch\.org/whl/cpu\b"
)
PYTORCH_INDEX = re.compile(r"https://download\.pytorch\.org/")

#: The packages by which a framework brings CUDA; its builds for the CPU need none.
CUDA = re.compile(r"(?:nvidia|cuda)-.+|triton|pytorch-triton")

#: What a base image with a framework holds, with all that these packages require.
FRAMEWORKS = {"torch", "tensorflow", "tensorflow-cpu", "keras", "numpy"}

#: The settings of pip that uv has under another name: it reads none of pip's.
SETTINGS = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
}

_PYTHONS = (
    # the check of the Dockerfile, the official images, and the pins of before
    ("Dockerfile", r'found == "(\d+\.\d+)"'),
    ("Dockerfile", r"^FROM\s+(?:\S+/)?python:(\d+\.\d+)"),
    (PINNED, r"pinned for Python (\d+\.\d+)"),
)


#: The name of a package, whatever follows it.
_START = re.compile(r"^([A-Za-z0-9][\w.-]*)(?![\w.+-]*://)", re.MULTILINE)


class LockFailed(Exception):
    """The pins cannot be renewed; nothing is written."""


class Resolver(NamedTuple):
    """A program that chooses the versions.

    Attributes:
        command: without what is to be resolved.
        environment: variables for it.
    """

    command: List[str]
    environment: Dict[str, str]


def lock(folder: str, python: Optional[str] = None) -> Iterator[str]:
    """Renew the pins of a repository.

    Args:
        folder: of the repository.
        python: of the image, such as `3.12`; by default that of the Dockerfile.

    Yields:
        A line about each file.

    Raises:
        LockFailed: there is no resolver, or it finds no versions that go together.
        OSError: a file is missing, or cannot be written.
        ValueError: a file is not UTF-8.
    """
    python = python or find_python(folder)
    resolver = find_resolver(python)
    wanted = read_text(os.path.join(folder, WANTED))
    pins = _pin_packages(resolver, folder, wanted)
    options = _list_options(wanted)
    texts = {PINNED: _compose(_title(WANTED, python), options, pins)}
    image = os.path.join(folder, IMAGE_PINNED)
    if os.path.exists(image):
        held = FRAMEWORKS - set(list_names(read_text(image), PIN))
        inside = find_required(pins, held & set(list_names(wanted, NAME)))
        rest = [pin for pin in pins if normalize(pin.name) not in inside]
        texts[IMAGE_PINNED] = _compose(_read_title(image), options, rest)
    if os.path.exists(os.path.join(folder, DEV_WANTED)):
        tools = _pin_tools(resolver, folder, pins)
        texts[DEV_PINNED] = _compose(_title(DEV_WANTED, python), [], tools)
    paths = {name: os.path.join(folder, name) for name in texts}
    # a file that cannot be read ends this before anything is written
    old = {
        name: read_text(path) if os.path.exists(path) else ""
        for name, path in paths.items()
    }
    for name, text in texts.items():
        if text != old[name]:
            replace_file(paths[name], text.encode("utf-8"))
        yield f"{name}: {_describe_changes(old[name], text)}"


def find_python(folder: str) -> str:
    """Return the Python of a repository's image, such as `3.12`.

    Raises:
        LockFailed: no file names it.
    """
    for name, pattern in _PYTHONS:
        path = os.path.join(folder, name)
        found = os.path.exists(path) and re.search(
            pattern, read_text(path), re.MULTILINE
        )
        if found:
            return found.group(1)
    raise LockFailed(
        "cannot tell the Python of the image: pass it, as in --python 3.12"
    )


def find_resolver(python: str) -> Resolver:
    """Return uv if it is installed, else pip-tools in an environment of that Python.

    Raises:
        LockFailed: there is neither.
    """
    uv = shutil.which("uv")
    if uv or find_spec("uv"):
        # without a patch version uv takes 3.6 for 3.6.0, too old for many packages
        full = "3.6.15" if python == "3.6" else python
        command = [uv] if uv else [sys.executable, "-m", "uv"]
        command += ["pip", "compile", "--quiet", "--no-header", "--annotation-style"]
        command += ["split", "--python-version", full, "--python-platform", PLATFORM]
        return Resolver(command, _make_uv_environment())
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if find_spec("piptools") and python == here:
        command = [
            sys.executable,
            "-m",
            "piptools",
            "compile",
            "--quiet",
            "--no-header",
        ]
        return Resolver(command, dict(os.environ))
    raise LockFailed(
        "uv is not installed: run `pip install uv` in any environment of Python 3.8 or"
        f" later, and have it on the PATH; or `pip install pip-tools` in an environment"
        f" of Python {python}, and run this command there"
    )


def _make_uv_environment() -> Dict[str, str]:
    """Return variables for uv, with the settings of pip that it does not read."""
    # an old Python of the environment cannot run what uv asks it
    dropped = ("VIRTUAL_ENV", "CONDA_PREFIX")
    variables = {name: os.environ[name] for name in os.environ if name not in dropped}
    variables["UV_PYTHON_DOWNLOADS"] = "never"
    if any(re.fullmatch("UV_.*INDEX.*", name) for name in os.environ):
        return variables
    settings = _read_pip_settings()
    for setting, name in SETTINGS.items():
        if setting in settings:
            values = settings[setting].split()
            separator = "," if name == "UV_FIND_LINKS" else " "
            variables.setdefault(name, separator.join(values))
    if "UV_INDEX" in variables:
        # as pip does: the newest version of all indexes
        variables.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    return variables


def _read_pip_settings() -> Dict[str, str]:
    """Return the settings of pip's files and variables."""
    # an environment of uv has no pip, and may have the variables
    output = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
        errors="replace",
    ).stdout
    settings = {}
    # those of `pip install` take precedence, and come behind the global ones
    for name, value in re.findall(
        r"^(?:global|install)\.([\w-]+)=(.*)$", output, re.MULTILINE
    ):
        settings[name] = str(ast.literal_eval(value))
    for name in SETTINGS:
        value = os.environ.get("PIP_" + name.upper().replace("-", "_"))
        if value:
            settings[name] = value
    return settings


def _pin_packages(resolver: Resolver, folder: str, wanted: str) -> List[Pin]:
    """Pin all packages; builds of PyTorch for the CPU keep the end of their version."""
    builds = set(
        re.findall(rf"^([\w.-]+)==\S+{re.escape(CPU_BUILD)}", wanted, re.MULTILINE)
    )
    options = []
    if builds:
        # PyPI has the same versions, and what they require besides CUDA
        lines = wanted.replace(CPU_BUILD, "").splitlines()
        source = "\n".join(line for line in lines if not CPU_INDEX.match(line))
    else:
        source = wanted
        if PYTORCH_INDEX.search(wanted):
            options += ["--index-strategy", "unsafe-best-match"]
    pins = _resolve(resolver, folder, WANTED, source, options)
    if not builds:
        return pins
    direct = set(list_names(wanted, NAME))
    names = {normalize(pin.name) for pin in pins}
    pins = remove_pins(pins, {name for name in names - direct if CUDA.fullmatch(name)})
    builds = {normalize(name) for name in builds}
    return [
        pin._replace(version=pin.version + CPU_BUILD)
        if normalize(pin.name) in builds
        else pin
        for pin in pins
    ]


def _pin_tools(resolver: Resolver, folder: str, pins: Sequence[Pin]) -> List[Pin]:
    """Pin the packages of the commands, in the versions of the pins where they share some."""
    lines = read_text(os.path.join(folder, DEV_WANTED)).splitlines()
    pattern = re.compile(r"(?:-c|--constraint)[ =]\s*" + re.escape(PINNED))
    lines = [line for line in lines if not pattern.match(line)]
    with tempfile.TemporaryDirectory(prefix="psc-") as temporary:
        path = os.path.join(temporary, PINNED)
        with open(path, "w", encoding="utf-8") as file:
            for pin in pins:
                version = pin.version.split(CPU_BUILD)[0]
                print(f"{pin.name}{version}", file=file)
        # the oldest pip-tools has no option for it
        source = "\n".join([f"-c {path}", *lines])
        return _resolve(resolver, folder, DEV_WANTED, source, [])


def _resolve(
    resolver: Resolver, folder: str, name: str, source: str, options: Sequence[str]
) -> List[Pin]:
    """Return the pins of the text of a file of requirements.

    Raises:
        LockFailed: there are no versions that go together, or one has a password.
    """
    with tempfile.TemporaryDirectory(prefix="psc-") as temporary:
        output = os.path.join(temporary, "pins.txt")
        # standard input lets paths in the file start at the folder
        result = subprocess.run(
            [*resolver.command, *options, "--output-file", output, "-"],
            input=source,
            cwd=folder,
            env=resolver.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        if result.returncode:
            raise LockFailed(f"cannot pin {name}: {_shorten(result.stdout)}")
        pins = parse_pins(read_text(output))
    for pin in pins:
        if has_password(str(pin)):
            raise LockFailed(
                f"the address of {pin.name} in {name} has a password: use a variable, as"
                " in https://${TOKEN}@example.com, which pip and uv replace"
            )
    # uv does not say what standard input requires
    return name_source(pins, set(list_names(source, _START)), name)


def _shorten(output: str) -> str:
    """Return the words of a resolver on one line; of a traceback, the error."""
    is_traceback = "Traceback (most recent call last)" in output
    return to_line(output.strip().splitlines()[-1] if is_traceback else output)


def _list_options(wanted: str) -> List[str]:
    """Return the lines with options that the pins need, and the comments above them."""
    lines: List[str] = []
    comments: List[str] = []
    for number, line in enumerate(wanted.splitlines()):
        is_option = re.match(
            r"-(?!r\b|c\b|e\b|-requirement|-constraint|-editable)", line
        )
        if is_option and not has_private_index(line) and not has_password(line):
            lines += ["", *comments, line]
        # the first line is the title of the file
        comments = [*comments, line] if number and line.startswith("#") else []
    return [*lines, ""] if lines else []


def _title(source: str, python: str) -> List[str]:
    return [
        f"# All packages of {source}, pinned for Python {python}. Renew the pins with:",
        "#   " + COMMAND,
    ]


def _read_title(path: str) -> List[str]:
    """Return the comment at the top of a file, without that of a tool."""
    # behind a line of options that was added at the top
    found = re.match(r"(?:-.*\n|\s*\n)*((?:#.*\n)*)", read_text(path))
    title = found.group(1).splitlines() if found else []
    if any("compile" in line for line in title):
        return [
            "# The packages that the image installs: the base image has the others."
        ]
    return title


def _compose(title: List[str], options: List[str], pins: Sequence[Pin]) -> str:
    return "\n".join([*title, *options, *map(str, pins)]) + "\n"


def _describe_changes(before: str, after: str) -> str:
    old, new = _read_versions(before), _read_versions(after)
    changes = [f"{name} {new[name]} added" for name in sorted(new.keys() - old.keys())]
    changes += [f"{name} removed" for name in sorted(old.keys() - new.keys())]
    changes += [
        f"{name} {old[name]} -> {new[name]}"
        for name in sorted(old.keys() & new.keys())
        if old[name] != new[name]
    ]
    return ", ".join(changes) or "the pins are up to date"


def _read_versions(text: str) -> Dict[str, str]:
    found = re.findall(r"^([A-Za-z0-9][\w.-]*)(?:==| @ )(\S+)", text, re.MULTILINE)
    return {normalize(name): version for name, version in found}
