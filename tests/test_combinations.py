"""Every combination of the four answers that decide on the base image and the packages."""

from __future__ import annotations

import ast
import itertools
import re
from typing import TYPE_CHECKING

import pytest
from cookiecutter.exceptions import FailedHookException
from repository import QUESTIONS

from local_extensions import Stack, recommended_image

if TYPE_CHECKING:
    from conftest import Bake

STACKS = [Stack(*values) for values in itertools.product(*(QUESTIONS[field] for field in Stack._fields))]


def image_of(stack: Stack) -> str:
    """Return the recommended image of a combination."""
    return recommended_image({**stack._asdict(), "_base_images": QUESTIONS["_base_images"]})


ACCEPTED = [stack for stack in STACKS if stack.has_packages() and image_of(stack)]
WITHOUT_PACKAGES = [stack for stack in STACKS if not stack.has_packages()]
WITHOUT_IMAGE = [stack for stack in STACKS if stack.has_packages() and not image_of(stack)]


def test_plain_python_is_accepted_on_every_version_and_accelerator() -> None:
    for python, accelerator in itertools.product(QUESTIONS["python_version"], QUESTIONS["accelerator"]):
        assert Stack("none", python, accelerator, "public") in ACCEPTED


def test_every_base_image_is_recommended_for_some_answers() -> None:
    recommended = {image_of(stack) for stack in STACKS}
    assert {row["image"] for row in QUESTIONS["_base_images"]} == recommended - {""}


@pytest.mark.parametrize("stack", ACCEPTED, ids=str)
def test_an_accepted_combination_renders(bake: Bake, stack: Stack) -> None:
    repository = bake(**stack._asdict())
    assert repository.read("Dockerfile").startswith(f"FROM {image_of(stack)}\n")
    for name, content in repository.texts():
        if name.endswith(".py"):
            ast.parse(content)
    wanted = required_names(repository.read("requirements.in"), r"([\w-]+)")
    pinned = required_names(repository.read("requirements.txt"), r"([\w-]+)==\S+")
    assert wanted <= pinned
    assert f"Python {stack.python_version}" in repository.read("requirements.txt")
    repository.check_style()


@pytest.mark.parametrize("stack", WITHOUT_PACKAGES, ids=str)
def test_a_combination_without_packages_is_refused(bake: Bake, stack: Stack) -> None:
    with pytest.raises(FailedHookException, match="no set of packages"):
        bake(**stack._asdict())
    with pytest.raises(FailedHookException, match="no set of packages"):
        bake(**stack._asdict(), base_image="registry.example.com/team/image:1")


@pytest.mark.parametrize("stack", WITHOUT_IMAGE, ids=str)
def test_a_combination_without_an_image_is_refused_unless_one_is_typed(bake: Bake, stack: Stack) -> None:
    with pytest.raises(FailedHookException, match=f"no {stack.image_registry} base image"):
        bake(**stack._asdict())
    repository = bake(**stack._asdict(), base_image="registry.example.com/team/image:1")
    assert repository.read("Dockerfile").startswith("FROM registry.example.com/team/image:1\n")


def required_names(text: str, pattern: str) -> set[str]:
    """Return the names of packages at the start of lines."""
    return set(re.findall(rf"^{pattern}", text, re.MULTILINE))
