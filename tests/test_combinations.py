"""Every combination of the four answers that decide on the base image and the packages."""

from __future__ import annotations

import ast
import itertools
import re
from typing import TYPE_CHECKING

import pytest
from cookiecutter.exceptions import FailedHookException
from repository import QUESTIONS

from local_extensions import Stack, has_framework, recommended_image

if TYPE_CHECKING:
    from conftest import Bake

ROWS = QUESTIONS["_base_images"]
STACKS = [Stack(*values) for values in itertools.product(*(QUESTIONS[field] for field in Stack._fields))]


def image_of(stack: Stack) -> str:
    """Return the recommended image of a combination."""
    return recommended_image({**stack._asdict(), "_base_images": ROWS})


ACCEPTED = [stack for stack in STACKS if stack.has_packages() and image_of(stack)]
#: What is accepted, with every image of the table that has the Python and is for the accelerator.
TYPED = [
    (stack, row["image"])
    for stack, row in itertools.product(ACCEPTED, ROWS)
    if row["python"] == stack.python_version
    and stack.accelerator in row["accelerators"]
    and row["image"] != image_of(stack)
]
WITHOUT_IMAGE = [stack for stack in STACKS if stack.has_packages() and not image_of(stack)]


def test_plain_python_is_accepted_on_every_version_and_accelerator() -> None:
    for python, accelerator in itertools.product(QUESTIONS["python_version"], QUESTIONS["accelerator"]):
        assert Stack("none", python, accelerator, "public") in ACCEPTED


def test_every_framework_has_packages_on_every_version_and_accelerator() -> None:
    assert all(stack.has_packages() for stack in STACKS)


def test_every_base_image_is_recommended_for_some_answers_or_an_alternative_of_that() -> None:
    recommended = {image_of(stack) for stack in STACKS} - {""}
    alternatives = {row["image"] for row in QUESTIONS["_base_images"]} - recommended
    assert {image.split(":")[0] for image in alternatives} == {
        "nvidia/cuda",
        "pytorch/pytorch",
        "tensorflow/tensorflow",
    }


def test_a_recommended_image_is_right_in_python_and_accelerator() -> None:
    for stack in ACCEPTED:
        rows = [row for row in ROWS if row["image"] == image_of(stack)]
        assert {row["python"] for row in rows} == {stack.python_version}
        assert {row["registry"] for row in rows} == {stack.image_registry}
        assert any(stack.accelerator in row["accelerators"] and stack.framework in row["frameworks"] for row in rows)
        assert {row["contains"] for row in rows} <= {"none", stack.framework, "tensorflow"}


@pytest.mark.parametrize("stack", ACCEPTED, ids=str)
def test_an_accepted_combination_renders(bake: Bake, stack: Stack) -> None:
    repository = bake(**stack._asdict())
    assert repository.read("Dockerfile").startswith(f"FROM {image_of(stack)}\n")
    for name, content in repository.texts():
        if name.endswith(".py"):
            ast.parse(content)
    wanted = required_names(repository.read("requirements.in"), r"(\w[\w-]*)")
    pinned = required_names(repository.read("requirements.txt"), r"([\w-]+)==\S+")
    assert wanted <= pinned
    assert f"Python {stack.python_version}" in repository.read("requirements.txt")
    repository.check_style()


@pytest.mark.parametrize(
    ("stack", "image"), [pytest.param(stack, image, id=f"{stack} {image}") for stack, image in TYPED]
)
def test_an_image_of_the_table_that_is_typed_renders(bake: Bake, stack: Stack, image: str) -> None:
    repository = bake(**stack._asdict(), base_image=image)
    dockerfile = repository.read("Dockerfile")
    assert dockerfile.startswith(f"FROM {image}\n")
    inside = has_framework({**stack._asdict(), "base_image": image, "_base_images": ROWS})
    assert ("requirements-image.txt" in repository.files()) == inside
    assert ("COPY requirements-image.txt" in dockerfile) == inside
    assert ("COPY requirements.txt" in dockerfile) != inside
    assert ("pip check" in dockerfile) == inside
    assert ("!requirements-image.txt" in repository.read(".dockerignore")) == inside
    assert ("python3-venv" in dockerfile) == image.startswith("nvidia/cuda:")
    for name, content in repository.texts():
        if name.endswith(".py"):
            ast.parse(content)


@pytest.mark.parametrize("stack", WITHOUT_IMAGE, ids=str)
def test_a_combination_without_an_image_is_refused_unless_one_is_typed(bake: Bake, stack: Stack) -> None:
    with pytest.raises(FailedHookException, match=f"no {stack.image_registry} base image"):
        bake(**stack._asdict())
    repository = bake(**stack._asdict(), base_image="registry.example.com/team/image:1")
    assert repository.read("Dockerfile").startswith("FROM registry.example.com/team/image:1\n")


def required_names(text: str, pattern: str) -> set[str]:
    """Return the names of packages at the start of lines."""
    return set(re.findall(rf"^{pattern}", text, re.MULTILINE))
