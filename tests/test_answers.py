"""The rules for answers."""

from __future__ import annotations

import re
from typing import Any

import pytest
from cookiecutter.exceptions import FailedHookException
from hypothesis import given
from hypothesis import strategies as st

from template_extensions import images
from template_extensions.answers import check_answers, find_problems
from template_extensions.images import Stack, base_images
from template_extensions.text import MAX_SLUG, slug

ANSWERS = {
    "model_name": "Color Name Predictor",
    "model_slug": "color-name-predictor",
    "description": "Names colours.",
    "author": "Ann",
    "framework": "none",
    "python_version": "3.12",
    "accelerator": "cpu",
    "image_registry": "public",
    "base_image": "python:3.12-slim-bookworm",
    "runtime": "vendored",
    "ci": "none",
    "git": "no",
    "container_user": "1000:1000",
}


def problems(**answers: Any) -> list[str]:
    """Return what is wrong with answers; the others are good."""
    return list(find_problems({**ANSWERS, **answers}))


@given(st.text() | st.text(min_size=60))
def test_every_slug_is_accepted(name: str) -> None:
    assert problems(model_slug=slug(name)) == []


@pytest.mark.parametrize("good", ["model", "my-model", "my_model", "my.model-2_x", "01", "x" * MAX_SLUG])
def test_a_good_slug_is_accepted(good: str) -> None:
    assert problems(model_slug=good) == []


@pytest.mark.parametrize(
    "bad",
    ["", "-", "-x", "x-", ".x", "x.", "_x", "a--b", "a..b", "a._b", "A", "é", "a b", "a/b", "..", "a\n", "x", "x" * 64],
)
def test_a_bad_slug_is_refused(bad: str) -> None:
    (problem,) = problems(model_slug=bad)
    assert "cannot name a folder and an image" in problem


def test_good_answers_have_no_problems() -> None:
    assert problems() == []
    assert check_answers(ANSWERS) == ""


def test_problems_are_told_all_at_once() -> None:
    with pytest.raises(FailedHookException) as refusal:
        check_answers({**ANSWERS, "model_name": " ", "model_slug": "-x", "author": "{{ x }}"})
    assert str(refusal.value).count("\n  * ") == 3


@pytest.mark.parametrize("key", ["model_name", "description", "author"])
@pytest.mark.parametrize("text", ["{{ x }}", "{% x %}", "{# x #}", "{{"])
def test_jinja_is_refused(key: str, text: str) -> None:
    (problem,) = problems(**{key: text})
    assert problem.startswith(f"{key} contains")


@pytest.mark.parametrize("key", ["model_name", "description", "author"])
@pytest.mark.parametrize(
    ("text", "message"), [("a\0b", "control character"), ("\x1b[31m", "control"), ("\ud800", "UTF-8")]
)
def test_characters_that_files_cannot_hold_are_refused(key: str, text: str, message: str) -> None:
    (problem,) = problems(**{key: text})
    assert problem.startswith(key)
    assert message in problem


@pytest.mark.parametrize(
    "image",
    [
        "python",
        "python:3.12-slim-bookworm",
        "nvidia/cuda:12.8.1-cudnn-runtime-ubuntu24.04",
        "registry.example.com/team/image",
        "localhost:5000/image:tag",
        "image@sha256:" + "0" * 64,
        "a__b/c--d.e_f:T.a-g_1",
    ],
)
def test_the_name_of_an_image_is_accepted(image: str) -> None:
    assert problems(base_image=image) == []


@pytest.mark.parametrize(
    "image", ["no image", "UPPER", "a:", ":tag", "a:tag:tag", "a//b", "/a", "a/", "-a", "$X", "a" * 99 + "@"]
)
@pytest.mark.parametrize("ending", ["", "@sha256:0", ":" + "t" * 129, "\nRUN b"])
def test_what_is_no_name_of_an_image_is_refused(image: str, ending: str) -> None:
    (problem,) = problems(base_image=image + ending)
    assert "is not the name of an image" in problem


@pytest.mark.parametrize("user", ["root", "0", "1000", "0:0", "1000:0", "12345:23456", "2147483647:2147483647"])
def test_a_user_of_the_container_is_accepted(user: str) -> None:
    assert problems(container_user=user) == []


@pytest.mark.parametrize(
    "user",
    [
        *("", " ", "abc", "Root", "root:root", "root:0", "1000:staff"),
        *("-1", "+1", "1.0", "1e3", "0x3e8", "1_000", "007", "१०००", "²"),
        *("1000:", ":1000", ":", "1000:1000:1000", "1000 1000", " 1000", "1000 ", "1000:1000\n", "1000:1000\nRUN b"),
        *("2147483648", "1000:4294967296", "9223372036854775808", "9" * 5000),
    ],
)
def test_what_is_no_user_of_a_container_is_refused(user: str) -> None:
    (problem,) = problems(container_user=user)
    assert problem.startswith(f'container_user "{user[:80]}')
    assert "type root, a user id such as 1000, or the ids of a user and a group such as 1000:1000" in problem


def test_an_image_of_the_table_must_have_the_python() -> None:
    (problem,) = problems(base_image="python:3.8-slim-bookworm")
    assert "has Python 3.8, and python_version is 3.12: change one of them" in problem


@pytest.mark.parametrize("row", base_images(), ids=lambda row: f"{row['image'].rpartition('/')[2]}")
def test_every_row_of_the_table_can_be_typed(row: dict[str, Any]) -> None:
    accelerator, framework = row["accelerators"][0], "none"
    assert (
        problems(base_image=row["image"], python_version=row["python"], accelerator=accelerator, framework=framework)
        == []
    )


def test_an_image_with_the_framework_inside_comes_first() -> None:
    stack = Stack("pytorch", "3.8", "cuda", "modzy")
    assert stack.recommended_image().endswith("/modzy-py3.8-cuda-pt1.7:latest")


def test_no_image_is_recommended_where_none_fits() -> None:
    assert Stack("none", "3.12", "cpu", "modzy").recommended_image() == ""


def test_answers_without_packages_are_refused_with_any_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "framework_versions", list)
    for image in (ANSWERS["base_image"], "registry.example.com/team/image:1"):
        (problem,) = problems(framework="pytorch", base_image=image)
        assert problem.startswith("there is no set of packages for framework=pytorch")
        assert "framework=none python_version=3.12 accelerator=cpu image_registry=public" in problem


def test_a_blank_image_is_refused_with_the_one_to_type() -> None:
    assert problems(base_image=" ") == ["base_image is blank: type one such as python:3.12-slim-bookworm"]


def test_a_text_that_is_too_long_is_refused() -> None:
    assert problems(description="x" * 10_000) == []
    assert problems(description="x" * 10_001) == ["description has 10001 characters: shorten it to 10000"]


def test_what_would_do_is_suggested() -> None:
    (problem,) = problems(image_registry="modzy", base_image="")
    assert (
        "use one of these:\n      framework=none python_version=3.12 accelerator=cpu image_registry=public" in problem
    )


def test_every_suggestion_would_do() -> None:
    (problem,) = problems(image_registry="modzy", base_image="")
    suggestions = re.findall(r"framework=\S+ python_version=\S+ accelerator=\S+ image_registry=\w+", problem)[1:]
    assert suggestions
    for suggestion in suggestions:
        answers = dict(pair.split("=") for pair in suggestion.split())
        image = Stack(**answers).recommended_image()
        assert image
        assert problems(**answers, base_image=image) == []
