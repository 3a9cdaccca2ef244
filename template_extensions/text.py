"""An answer as text in a file: a slug, a class name, YAML, Python, Markdown, a Dockerfile's label."""

from __future__ import annotations

import re
import unicodedata

import yaml

#: Docker refuses shorter names of containers; longer ones are not valid host names.
MIN_SLUG, MAX_SLUG = 2, 63
#: With a longer class name some generated lines would exceed 88 columns.
MAX_CLASS_NAME = 48


def slug(name: str) -> str:
    """Return a slug: `Color Name Predictor` gives `color-name-predictor`."""
    words = re.findall("[a-z0-9]+", _to_ascii(name).lower())
    joined = "-".join(words)[:MAX_SLUG].strip("-")
    return joined if len(joined) >= MIN_SLUG else f"{joined}-model".strip("-")


def class_name(name: str) -> str:
    """Return the name of the model's class: `Color Name Predictor` gives `ColorNamePredictorModel`."""
    words = re.findall("[A-Za-z0-9]+", _to_ascii(name))
    joined = "".join(word[0].upper() + word[1:] for word in words).removesuffix("Model")
    if not joined[:1].isalpha():
        joined = "Custom" + joined
    return joined[: MAX_CLASS_NAME - len("Model")] + "Model"


def yaml_string(text: str) -> str:
    """Return a text as a double-quoted YAML string on one line."""
    return str(yaml.safe_dump(text, default_style='"', allow_unicode=True, width=float("inf"))).rstrip("\n")


def python_string(text: str) -> str:
    """Return a text as the inside of a double-quoted Python string."""
    return text.encode("unicode_escape").decode("ascii").replace('"', r"\"")


def docstring(text: str) -> str:
    """Return a Python docstring on one line whose value is the text."""
    if not text.strip():
        return '"""The model."""'
    body = text.strip(" ")
    before, after = len(text) - len(text.lstrip(" ")), len(text) - len(text.rstrip(" "))
    escaped = "".join(map(_escape, body))
    # a quote at an end or beside another could close the docstring
    escaped = re.sub(r'^"|"(?=")|(?<=")"|"$', r"\"", escaped)
    return '"""' + r"\x20" * before + escaped + r"\x20" * after + '"""'


def _escape(char: str) -> str:
    if char == "\\":
        return r"\\"
    return char if char.isprintable() else char.encode("unicode_escape").decode("ascii")


def label(text: str) -> str:
    """Return a text as the value of a Dockerfile's label, with its white space collapsed."""
    return '"' + re.sub(r'([\\"$])', r"\\\1", " ".join(text.split())) + '"'


def markdown(text: str) -> str:
    """Return Markdown that shows a text as it is; only what Markdown would interpret is escaped."""
    paragraphs = re.sub(r"\n\s*\n", "\n\n", text.strip())
    return "\n".join(map(_markdown_line, paragraphs.split("\n")))


def _markdown_line(line: str) -> str:
    line = line.strip()
    line = re.sub(r"\\(?=[!-/:-@\[-`{-~]|$)", r"\\\\", line)
    line = re.sub(r"[`*\[\]]|<(?=\S)|&(?=#?\w+;)|~(?=~)|(?<![^\W_])_|_(?![^\W_])|!(?=\[)", r"\\\g<0>", line)
    line = re.sub(r"^(?:[-+](?=\s|$)|[-:|](?=[-:|\s]*$)|=(?==|$)|#(?=#*(?:\s|$))|>|~)", r"\\\g<0>", line)
    # a heading drops the marks at its end
    line = re.sub(r"(?<=\s)#(?=#*$)", r"\\#", line)
    return re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", line)


def _to_ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
