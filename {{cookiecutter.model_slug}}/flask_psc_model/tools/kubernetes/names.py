"""Names and values of labels that Kubernetes takes.

See https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ and
https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/.
"""

import re
import unicodedata

from ...bulk.shard import MAX_SHARDS

#: A part of a host name has up to 63 characters, and those of a Job's pods end in a
#: dash and the number of the shard.
MAX_NAME = 63 - len(f"-{MAX_SHARDS - 1}")

MAX_LABEL = 63
MAX_SUBDOMAIN = 253

# of the objects here, a Service asks for most: its name begins with a letter
_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(rf"{_LABEL.pattern}(\.{_LABEL.pattern})*")


def make_name(title: str) -> str:
    """Make the name of an object of what people call the model.

    Raises:
        ValueError: the title has no letter or digit that a name may have.
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
    """Make the value of a label of a text; empty where nothing of it can stay."""
    return re.sub("[^-_.A-Za-z0-9]+", "-", text)[:MAX_LABEL].strip("-_.")


def check_name(text: str) -> str:
    """Return the name of an object as it is.

    Raises:
        ValueError: it is none that each object here can have.
    """
    if len(text) > MAX_NAME or not _NAME.fullmatch(text):
        raise ValueError(
            f"{text!r} is no name: up to {MAX_NAME} letters from a to z, digits and dashes, of which"
            " the first is a letter and the last no dash"
        )
    return text


def check_namespace(text: str) -> str:
    """Return the name of a namespace as it is.

    Raises:
        ValueError: it cannot be one.
    """
    if len(text) > MAX_LABEL or not _LABEL.fullmatch(text):
        raise ValueError(
            f"{text!r} is no namespace: up to {MAX_LABEL} letters from a to z, digits and dashes, with"
            " no dash at an end"
        )
    return text


def check_claim(text: str) -> str:
    """Return the name of a PersistentVolumeClaim as it is.

    Raises:
        ValueError: it cannot be one.
    """
    if len(text) > MAX_SUBDOMAIN or not _SUBDOMAIN.fullmatch(text):
        raise ValueError(
            f"{text!r} is no claim: up to {MAX_SUBDOMAIN} letters from a to z, digits, dashes and dots,"
            " with a letter or a digit at each end and beside each dot"
        )
    return text


def check_image(text: str) -> str:
    """Return the name of an image as it is.

    Raises:
        ValueError: it is none.
    """
    if not text or text.split() != [text]:
        raise ValueError(f"{text!r} is not the name of an image")
    return text
