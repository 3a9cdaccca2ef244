"""Names and label values that Kubernetes accepts.

See https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ and
https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/.
"""

import re
import unicodedata

from ...bulk.shard import MAX_SHARDS

#: A part of a host name has up to 63 characters, and that of a Job's pod ends in a dash
#: and the number of the shard.
MAX_NAME = 63 - len(f"-{MAX_SHARDS - 1}")

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"

#: By what has the name: its length, its pattern, and what it may contain. The strictest
#: object here is a Service, whose name begins with a letter.
_RULES = {
    "name": (
        MAX_NAME,
        r"[a-z]([-a-z0-9]*[a-z0-9])?",
        "digits and dashes, with a letter first and no dash last",
    ),
    "namespace": (63, _LABEL, "digits and dashes, with no dash at either end"),
    "claim": (
        253,
        rf"{_LABEL}(\.{_LABEL})*",
        "digits, dashes and dots, with a letter or digit at both ends and beside each"
        " dot",
    ),
}

# https://github.com/distribution/reference: a first part with a dot or a colon, or
# `localhost`, is the registry
_PART = "[a-z0-9]+(?:(?:[.]|_|__|-+)[a-z0-9]+)*"
_HOST_PART = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = rf"(?:{_HOST_PART}(?:\.{_HOST_PART})*|\[[0-9A-Fa-f:]+\])(?::[0-9]+)?"
_IMAGE = re.compile(
    rf"(?P<name>(?:{_HOST}/)?{_PART}(?:/{_PART})*)"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?"
    "(?:@sha256:[0-9a-f]{64})?"
)


def make_name(title: str) -> str:
    """Return the name of an object, made from the name of the model.

    Raises:
        ValueError: the title has no letter or digit that a name can hold.
    """
    letters = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    name = re.sub("[^a-z0-9]+", "-", letters.lower()).strip("-")
    if not name:
        raise ValueError(
            f"no name can be made of {title!r}: it has no letter from a to z and no"
            " digit"
        )
    if name[0].isdigit():
        name = "model-" + name
    return name[:MAX_NAME].rstrip("-")


def make_label_value(text: str) -> str:
    """Return a text as the value of a label, without what that cannot hold."""
    return re.sub("[^-_.A-Za-z0-9]+", "-", text)[:63].strip("-_.")


def check_name(kind: str, text: str) -> str:
    """Return the `name` of all objects, a `namespace` or a `claim` unchanged.

    Raises:
        ValueError: nothing of this kind can have it.
    """
    longest, pattern, rule = _RULES[kind]
    if len(text) > longest or not re.fullmatch(pattern, text):
        raise ValueError(
            f"{text!r} is no {kind}: use up to {longest} letters from a to z, {rule}"
        )
    return text


def check_image(text: str) -> str:
    """Return the name of an image unchanged.

    Raises:
        ValueError: no image can have it.
    """
    match = _IMAGE.fullmatch(text)
    if not match or len(match.group("name")) > 255:
        raise ValueError(
            f"{text!r} is not the name of an image, such as"
            " registry.example.com/team/model:1.0.0: the path is in lower case, and a"
            " digest is sha256 with 64 hexadecimal digits"
        )
    return text
