"""The rules for answers, and the filters that write an answer into a file as data.

Cookiecutter loads this module by the name in `cookiecutter.json` (`_extensions`).
"""

from __future__ import annotations

import functools
import json
import os
import re
import sys
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from cookiecutter.exceptions import FailedHookException
from jinja2 import Environment, FileSystemBytecodeCache
from jinja2.ext import Extension

Answer = Mapping[str, Any]

TEXTS = ("model_name", "description", "author", "model_slug", "base_image")
ROOT = Path(__file__).parent
REQUIREMENTS = ROOT / "templates" / "requirements"
RUNTIME = ROOT / "{{cookiecutter.model_slug}}" / "flask_psc_model"
#: The one in C is ten times as fast, where PyYAML has it.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

#: Docker refuses shorter names of containers; longer ones are no host names.
MIN_SLUG, MAX_SLUG = 2, 63
#: Docker refuses a Dockerfile with a line of 64 KiB, and a label may take four bytes for a character.
MAX_TEXT = 10_000
#: With a longer class name some generated lines would pass 88 columns.
MAX_CLASS_NAME = 48

_SLUG = re.compile(r"[a-z0-9]+(?:[-_.][a-z0-9]+)*")

# The grammar of Docker's distribution/reference package, without digests of odd kinds.
# No text can be read in two ways, or a long one would take for ever.
_HOST_PART = r"[a-zA-Z0-9]+(?:-+[a-zA-Z0-9]+)*"
_HOST = rf"{_HOST_PART}(?:\.{_HOST_PART})*(?::\d{{1,5}})?"
_PATH_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_IMAGE = re.compile(
    rf"(?:{_HOST}/)?{_PATH_PART}(?:/{_PATH_PART})*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?"
    r"(?:@sha256:[0-9a-f]{64})?"
)


class Stack(NamedTuple):
    """The four answers that decide which base image and packages are used."""

    framework: str
    python_version: str
    accelerator: str
    image_registry: str

    @classmethod
    def of(cls, answers: Answer) -> Stack:
        """Pick the four out of all answers."""
        return cls(*(str(answers[field]) for field in cls._fields))

    def __str__(self) -> str:
        return " ".join(f"{field}={value}" for field, value in zip(self._fields, self, strict=True))

    def packages(self, image: str = "") -> list[str] | None:
        """Return what the framework adds to `requirements.in` for a base image; None if it cannot be had."""
        if self.framework == "none":
            return []
        for row in framework_versions():
            fits = row["framework"] == self.framework and self.python_version in row["pythons"]
            if fits and image in row.get("images", [image]):
                return list(row[self.accelerator])
        return None

    def version(self, image: str = "") -> tuple[int, ...]:
        """Return the framework's version; it is empty without a framework."""
        packages = self.packages(image)
        return tuple(map(int, packages[0].split("==")[1].split("."))) if packages else ()

    def pins(self, image: str = "", *, inside: bool = False) -> str:
        """Name the file that pins the packages.

        Args:
            image: the base image.
            inside: whether to leave out the framework, since it is in the image.
        """
        version = ".".join(map(str, self.version(image)))
        kind = "image" if inside else self.accelerator
        parts = [self.framework, version, kind] if version else [self.framework]
        return "-".join([*parts, self.python_version]) + ".txt"

    def tool_pins(self, image: str = "") -> str:
        """Name the file that pins the tools: one of the set's own, or the one of its Python."""
        own = f"dev/{self.pins(image)}"
        return own if (REQUIREMENTS / own).is_file() else f"dev/{self.python_version}.txt"

    def has_packages(self) -> bool:
        """Tell whether there is a set of packages for it."""
        return (REQUIREMENTS / self.pins()).is_file()

    def differences(self, other: Stack) -> tuple[int, list[bool]]:
        """How far another stack is from this one, to sort by: an answer changed later is nearer."""
        changed = [one != two for one, two in zip(self, other, strict=True)]
        return sum(changed), changed


def framework_versions() -> list[dict[str, Any]]:
    """Return what the frameworks add to `requirements.in`; the file says how it is read.

    It is read at every call: `cruft update` renders two versions of the template in one
    process, with this module loaded once.
    """
    return _parse_versions((REQUIREMENTS / "versions.yaml").read_text(encoding="utf-8"))


@functools.cache
def _parse_versions(text: str) -> list[dict[str, Any]]:
    return list(yaml.load(text, LOADER))


def runtime_version() -> str:
    """Return the version of the runtime, which is that of the template."""
    text = (RUNTIME / "version.py").read_text(encoding="utf-8")
    (version,) = re.findall(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    return str(version)


def tool_version(name: str) -> str:
    """Return the version of a tool with which the template's own tests check what is generated."""
    pins = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8")
    (version,) = re.findall(rf"^{name}==(\S+)", pins, re.MULTILINE)
    return str(version)


def keep_bytecode(environment: Environment) -> None:
    """Keep compiled templates where Python keeps this module's byte-code, if it does: the next rendering is quicker."""
    folder = ROOT / "__pycache__"
    if not sys.dont_write_bytecode and os.access(folder, os.W_OK):
        environment.bytecode_cache = FileSystemBytecodeCache(str(folder), "%s.jinja")


class Answers(Extension):
    """The filters, and the byte-code of the templates."""

    def __init__(self, environment: Environment) -> None:
        """Add the filters to Cookiecutter's environment."""
        super().__init__(environment)
        keep_bytecode(environment)
        environment.globals.update(runtime_version=runtime_version, tool_version=tool_version)
        environment.filters.update(
            check_answers=check_answers,
            class_name=class_name,
            docstring=docstring,
            label=label,
            markdown=markdown,
            python=python_string,
            recommended_image=recommended_image,
            has_framework=has_framework,
            image_pins=lambda answers: Stack.of(answers).pins(answers["base_image"], inside=True),
            packages=lambda answers: Stack.of(answers).packages(answers["base_image"]),
            pins=lambda answers: Stack.of(answers).pins(answers["base_image"]),
            version=lambda answers: Stack.of(answers).version(answers["base_image"]),
            slug=slug,
            tool_pins=lambda answers: Stack.of(answers).tool_pins(answers["base_image"]),
            yaml=yaml_string,
        )


def check_answers(answers: Answer) -> str:
    """Refuse answers of which no working repository can be made.

    Returns:
        Nothing, so that it can stand in a template.

    Raises:
        FailedHookException: lists every problem. Cookiecutter shows this one without
            a traceback.
    """
    problems = list(find_problems(answers))
    if problems:
        lines = ["These answers cannot be used:", *(f"  * {problem}" for problem in problems)]
        raise FailedHookException("\n".join(lines))
    return ""


def find_problems(answers: Answer) -> Iterable[str]:
    """List what is wrong with the answers, and what to type instead."""
    for key in TEXTS:
        yield from _find_text_problems(key, str(answers[key]))
    if not answers["model_name"].strip():
        yield "model_name is blank: type a name such as Color Name Predictor"
    elif len(answers["model_name"].splitlines()) > 1:
        yield "model_name has several lines: type it on one line"
    model_slug = answers["model_slug"]
    if not MIN_SLUG <= len(model_slug) <= MAX_SLUG or not _SLUG.fullmatch(model_slug):
        yield (
            f'model_slug "{_shorten(model_slug)}" cannot name a folder and an image: type lower case letters and'
            f" digits, with single -, _ or . between them, at least {MIN_SLUG} and at most {MAX_SLUG} in all,"
            f" such as {slug(model_slug)}"
        )
    yield from _find_choice_problems(answers)
    yield from _find_stack_problems(answers)


def _find_text_problems(key: str, text: str) -> Iterable[str]:
    if any(mark in text for mark in ("{{", "{%", "{#")):
        yield f"{key} holds {{{{, {{% or {{#, which Cookiecutter would take for a template: leave them out"
    if any(unicodedata.category(char) == "Cs" for char in text):
        yield f"{key} is not valid UTF-8: check the encoding of your terminal"
    elif any(unicodedata.category(char) == "Cc" and char not in "\t\n" for char in text):
        yield f"{key} holds a control character: leave it out"
    if len(text) > MAX_TEXT:
        yield f"{key} has {len(text)} characters: shorten it to {MAX_TEXT}"


def _find_choice_problems(answers: Answer) -> Iterable[str]:
    """List the choices that are none; only a replay can hold them."""
    questions = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
    for key, choices in questions.items():
        if isinstance(choices, list) and key[0] != "_" and answers[key] not in choices:
            yield f'{key} "{_shorten(str(answers[key]))}" is not a choice: take one of {", ".join(choices)}'


def _find_stack_problems(answers: Answer) -> Iterable[str]:
    stack, image = Stack.of(answers), answers["base_image"]
    missing = []
    if not stack.has_packages():
        missing.append("set of packages")
    recommended = recommended_image(answers)
    if not image.strip() and not recommended:
        missing.append(f"{stack.image_registry} base image")
    if missing:
        yield f"there is no {' and no '.join(missing)} for {stack}; {_suggest(answers)}"
    if not image.strip():
        if recommended:
            yield f"base_image is blank: type one such as {recommended}"
        return
    if not _IMAGE.fullmatch(image):
        yield f'base_image "{_shorten(image)}" is not the name of an image: type one such as python:3.12-slim-bookworm'
    pythons = {row["python"] for row in answers["_base_images"] if row["image"] == image}
    if pythons and stack.python_version not in pythons:
        yield (
            f"base_image {image} has Python {' or '.join(pythons)}, and python_version is {stack.python_version}:"
            " change one of them"
        )


def _suggest(answers: Answer) -> str:
    """Name the answers nearest to the given ones that would do."""
    wanted = Stack.of(answers)
    possible = {
        Stack(framework, row["python"], accelerator, row["registry"])
        for row in answers["_base_images"]
        for framework in row["frameworks"]
        for accelerator in row["accelerators"]
    }
    accepted = [stack for stack in possible if stack.has_packages()]
    nearest = sorted(accepted, key=lambda stack: (wanted.differences(stack), stack))[:3]
    lines = [f"\n      {stack}" for stack in nearest]
    if wanted.has_packages():
        lines.append("\n      or the same with an image of your own as base_image")
    return "these would do:" + "".join(lines)


def recommended_image(answers: Answer) -> str:
    """Look up the base image for the answers given so far.

    Returns:
        The first row of `_base_images` that serves them, an image with the framework
        inside before one without; nothing where no row does.
    """
    stack = Stack.of(answers)
    rows = [
        row
        for row in answers["_base_images"]
        if row["python"] == stack.python_version
        and row["registry"] == stack.image_registry
        and stack.accelerator in row["accelerators"]
        and stack.framework in row["frameworks"]
    ]
    return str(rows[0]["image"]) if rows else ""


def has_framework(answers: Answer) -> bool:
    """Tell whether the framework is in the base image already."""
    stack = Stack.of(answers)
    return any(
        row["image"] == answers["base_image"]
        and row["python"] == stack.python_version
        and row["contains"] != "none"
        and stack.framework in row["frameworks"]
        for row in answers["_base_images"]
    )


def slug(name: str) -> str:
    """Make a slug: `Color Name Predictor` gives `color-name-predictor`."""
    words = re.findall("[a-z0-9]+", _to_ascii(name).lower())
    joined = "-".join(words)[:MAX_SLUG].strip("-")
    return joined if len(joined) >= MIN_SLUG else f"{joined}-model".strip("-")


def class_name(name: str) -> str:
    """Make the name of the model's class: `Color Name Predictor` gives `ColorNamePredictorModel`."""
    words = re.findall("[A-Za-z0-9]+", _to_ascii(name))
    joined = "".join(word[0].upper() + word[1:] for word in words).removesuffix("Model")
    if not joined[:1].isalpha():
        joined = "Custom" + joined
    return joined[: MAX_CLASS_NAME - len("Model")] + "Model"


def yaml_string(text: str) -> str:
    """Write a text as a double-quoted YAML string on one line."""
    return str(yaml.safe_dump(text, default_style='"', allow_unicode=True, width=float("inf"))).rstrip("\n")


def python_string(text: str) -> str:
    """Write a text as what stands between two double quotes in Python."""
    return text.encode("unicode_escape").decode("ascii").replace('"', r"\"")


def docstring(text: str) -> str:
    """Write a text as a Python docstring on one line, whose value is the text."""
    if not text.strip():
        return '"""The model."""'
    body = text.strip(" ")
    before, after = len(text) - len(text.lstrip(" ")), len(text) - len(text.rstrip(" "))
    escaped = "".join(map(_escape, body))
    # a quote could close the docstring where it stands at an end or beside another
    escaped = re.sub(r'^"|"(?=")|(?<=")"|"$', r"\"", escaped)
    return '"""' + r"\x20" * before + escaped + r"\x20" * after + '"""'


def _escape(char: str) -> str:
    if char == "\\":
        return r"\\"
    return char if char.isprintable() else char.encode("unicode_escape").decode("ascii")


def label(text: str) -> str:
    """Write a text as the value of a Dockerfile's label, with its white space collapsed."""
    return '"' + re.sub(r'([\\"$])', r"\\\1", " ".join(text.split())) + '"'


def markdown(text: str) -> str:
    """Write a text into Markdown so that it shows as it is; only what would not is escaped."""
    paragraphs = re.sub(r"\n\s*\n", "\n\n", text.strip())
    return "\n".join(map(_markdown_line, paragraphs.split("\n")))


def _markdown_line(line: str) -> str:
    line = line.strip()
    line = re.sub(r"\\(?=[!-/:-@\[-`{-~]|$)", r"\\\\", line)
    line = re.sub(r"[`*\[\]]|<(?=\S)|&(?=#?\w+;)|~(?=~)|(?<![^\W_])_|_(?![^\W_])|!(?=\[)", r"\\\g<0>", line)
    line = re.sub(r"^(?:[-+](?=\s|$)|[-:|](?=[-:|\s]*$)|=(?==|$)|#(?=#*(?:\s|$))|>|~)", r"\\\g<0>", line)
    # at the end of a heading it would be left out
    line = re.sub(r"(?<=\s)#(?=#*$)", r"\\#", line)
    return re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", line)


def _to_ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")


def _shorten(text: str) -> str:
    return text if len(text) <= 80 else text[:80] + "..."
