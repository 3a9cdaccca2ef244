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

MAX_LABEL = 63
MAX_SUBDOMAIN = 253

# the strictest object here is a Service: its name begins with a letter
_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(rf"{_LABEL.pattern}(\.{_LABEL.pattern})*")

#: The name, without tag and digest, that a registry accepts.
MAX_IMAGE = 255

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
    return re.sub("[^-_.A-Za-z0-9]+", "-", text)[:MAX_LABEL].strip("-_.")


def check_name(text: str) -> str:
    """Return the name of an object unchanged.

    Raises:
        ValueError: not every object here can have it.
    """
    if len(text) > MAX_NAME or not _NAME.fullmatch(text):
        raise ValueError(
            f"{text!r} is no name: use up to {MAX_NAME} letters from a to z, digits and"
            " dashes, with a letter first and no dash last"
        )
    return text


def check_namespace(text: str) -> str:
    """Return the name of a namespace unchanged.

    Raises:
        ValueError: no namespace can have it.
    """
    if len(text) > MAX_LABEL or not _LABEL.fullmatch(text):
        raise ValueError(
            f"{text!r} is no namespace: use up to {MAX_LABEL} letters from a to z, digits"
            " and dashes, with no dash at either end"
        )
    return text


def check_claim(text: str) -> str:
    """Return the name of a PersistentVolumeClaim unchanged.

    Raises:
        ValueError: no claim can have it.
    """
    if len(text) > MAX_SUBDOMAIN or not _SUBDOMAIN.fullmatch(text):
        raise ValueError(
            f"{text!r} is no claim: use up to {MAX_SUBDOMAIN} letters from a to z, digits,"
            " dashes and dots, with a letter or digit at both ends and beside each dot"
        )
    return text


def check_image(text: str) -> str:
    """Return the name of an image unchanged.

    Raises:
        ValueError: no image can have it.
    """
    match = _IMAGE.fullmatch(text)
    if not match or len(match.group("name")) > MAX_IMAGE:
        raise ValueError(
            f"{text!r} is not the name of an image, such as"
            " registry.example.com/team/model:1.0.0: the path is in lower case, and a"
            " digest is sha256 with 64 hexadecimal digits"
        )
    return text
