"""The rules for answers."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from cookiecutter.exceptions import FailedHookException

from template_extensions.images import ROOT, Stack, base_images
from template_extensions.text import MAX_SLUG, MIN_SLUG, slug

Answers = Mapping[str, Any]

#: The questions that accept any text.
TEXTS = ("model_name", "description", "author", "model_slug", "base_image", "container_user")
#: Docker refuses a Dockerfile with a line of 64 KiB, and a character may need four bytes in a label.
MAX_TEXT = 10_000

#: The largest id of a user or group that Docker and Kubernetes accept.
MAX_ID = 2**31 - 1

_SLUG = re.compile(r"[a-z0-9]+(?:[-_.][a-z0-9]+)*")

# The grammar of Docker's distribution/reference package, with digests of SHA-256 only.
# It is unambiguous: otherwise matching a long text could take exponential time.
_HOST_PART = r"[a-zA-Z0-9]+(?:-+[a-zA-Z0-9]+)*"
_HOST = rf"{_HOST_PART}(?:\.{_HOST_PART})*(?::\d{{1,5}})?"
_PATH_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_IMAGE = re.compile(
    rf"(?:{_HOST}/)?{_PATH_PART}(?:/{_PATH_PART})*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?"
    r"(?:@sha256:[0-9a-f]{64})?"
)


def check_answers(answers: Answers) -> str:
    """Raise an error if the answers cannot give a working repository.

    Returns:
        An empty text, so that a template can contain the call.

    Raises:
        FailedHookException: lists every problem. Cookiecutter shows this error without
            a traceback.
    """
    problems = list(find_problems(answers))
    if problems:
        lines = ["These answers cannot be used:", *(f"  * {problem}" for problem in problems)]
        raise FailedHookException("\n".join(lines))
    return ""


def find_problems(answers: Answers) -> Iterator[str]:
    """Yield what is wrong with the answers, and what to type instead."""
    for key in TEXTS:
        yield from _find_text_problems(key, str(answers[key]))
    if not answers["model_name"].strip():
        yield "model_name is blank: type a name such as Color Name Predictor"
    elif len(answers["model_name"].splitlines()) > 1:
        yield "model_name has several lines: type it on one line"
    model_slug = answers["model_slug"]
    if not MIN_SLUG <= len(model_slug) <= MAX_SLUG or not _SLUG.fullmatch(model_slug):
        yield (
            f'model_slug "{_shorten(model_slug)}" cannot name a folder and an image: type at least {MIN_SLUG} and'
            f" at most {MAX_SLUG} lower case letters and digits, with single -, _ or . between them,"
            f" such as {slug(model_slug)}"
        )
    yield from _find_choice_problems(answers)
    yield from _find_image_problems(Stack.of(answers), answers["base_image"])
    yield from _find_user_problems(str(answers["container_user"]))


def _find_text_problems(key: str, text: str) -> Iterator[str]:
    if any(mark in text for mark in ("{{", "{%", "{#")):
        yield f"{key} contains {{{{, {{% or {{#, which Cookiecutter would run as template code: remove them"
    if any(unicodedata.category(char) == "Cs" for char in text):
        yield f"{key} is not valid UTF-8: check the encoding of your terminal"
    elif any(unicodedata.category(char) == "Cc" and char not in "\t\n" for char in text):
        yield f"{key} contains a control character: remove it"
    if len(text) > MAX_TEXT:
        yield f"{key} has {len(text)} characters: shorten it to {MAX_TEXT}"


def _find_choice_problems(answers: Answers) -> Iterator[str]:
    """Yield the answers that are not among the choices: Cookiecutter itself does not check those of a replay."""
    questions = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
    for key, choices in questions.items():
        if isinstance(choices, list) and key[0] != "_" and answers[key] not in choices:
            yield f'{key} "{_shorten(str(answers[key]))}" is not a choice: use one of {", ".join(choices)}'


def _find_image_problems(stack: Stack, image: str) -> Iterator[str]:
    missing = []
    if not stack.has_packages():
        missing.append("set of packages")
    recommended = stack.recommended_image()
    if not image.strip() and not recommended:
        missing.append(f"{stack.image_registry} base image")
    if missing:
        yield f"there is no {' and no '.join(missing)} for {stack}; {_suggest(stack)}"
    if not image.strip():
        if recommended:
            yield f"base_image is blank: type one such as {recommended}"
        return
    if not _IMAGE.fullmatch(image):
        yield f'base_image "{_shorten(image)}" is not the name of an image: type one such as python:3.12-slim-bookworm'
    pythons = {row["python"] for row in base_images() if row["image"] == image}
    if pythons and stack.python_version not in pythons:
        yield (
            f"base_image {image} has Python {' or '.join(pythons)}, and python_version is {stack.python_version}:"
            " change one of them"
        )


def _find_user_problems(user: str) -> Iterator[str]:
    ids = user.split(":")
    if user != "root" and (len(ids) > 2 or not all(map(_is_id, ids))):
        yield (
            f'container_user "{_shorten(user)}" is neither root nor an id: type root, a user id such as 1000, or'
            f" the ids of a user and a group such as 1000:1000; an id is a whole number from 0 to {MAX_ID}"
        )


def _is_id(text: str) -> bool:
    return bool(re.fullmatch("0|[1-9][0-9]{0,9}", text)) and int(text) <= MAX_ID


def _suggest(wanted: Stack) -> str:
    """Return the nearest answers that are accepted; an answer changed later is nearer."""

    def distance(stack: Stack) -> tuple[int, list[bool]]:
        changed = [one != other for one, other in zip(wanted, stack, strict=True)]
        return sum(changed), changed

    possible = {
        Stack(framework, row["python"], accelerator, row["registry"])
        for row in base_images()
        for framework in row["frameworks"]
        for accelerator in row["accelerators"]
    }
    accepted = [stack for stack in possible if stack.has_packages()]
    nearest = sorted(accepted, key=lambda stack: (distance(stack), stack))[:3]
    lines = [f"\n      {stack}" for stack in nearest]
    if wanted.has_packages():
        lines.append("\n      or keep these answers and type an image of your own as base_image")
    return "use one of these:" + "".join(lines)


def _shorten(text: str) -> str:
    return text if len(text) <= 80 else text[:80] + "..."
