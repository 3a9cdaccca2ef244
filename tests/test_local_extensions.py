"""The filters by themselves."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from typing import Any

import pytest
import yaml
from cookiecutter.exceptions import FailedHookException
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from plain_text import plain_text
from repository import QUESTIONS

from local_extensions import (
    MAX_CLASS_NAME,
    MAX_SLUG,
    Stack,
    check_answers,
    class_name,
    docstring,
    find_problems,
    label,
    markdown,
    python_string,
    recommended_image,
    slug,
    yaml_string,
)

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
    "_base_images": QUESTIONS["_base_images"],
}

#: What an answer may hold: neither lone surrogates nor control characters.
CHARACTERS = st.characters(exclude_categories=["Cs", "Cc"], include_characters="\t\n")
TEXTS = st.text(CHARACTERS)
#: Texts that are likelier to break something.
MARKS = st.text(st.sampled_from(" \t\n\"'\\$#%&*_~`[]()<>!|:;,.-+={}^@/?0123456789abcxyzNXé🎨"))
ANY = TEXTS | MARKS


def problems(**answers: Any) -> list[str]:
    """Return what is wrong with answers; the others are good."""
    return list(find_problems({**ANSWERS, **answers}))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Color Name Predictor", "color-name-predictor"),
        ("  Größe & Maß 2 ", "groe-ma-2"),
        ("resnet50_v2.1", "resnet50-v2-1"),
        ("色", "model"),
        ("", "model"),
    ],
)
def test_a_slug_is_made_of_a_name(name: str, expected: str) -> None:
    assert slug(name) == expected


@given(ANY | st.text(min_size=60))
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


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Color Name Predictor", "ColorNamePredictorModel"),
        ("color-name predictor", "ColorNamePredictorModel"),
        ("Language Model", "LanguageModel"),
        ("Model", "CustomModel"),
        ("2 cats", "Custom2CatsModel"),
        ("GPT", "GPTModel"),
        ("Crème brûlée", "CremeBruleeModel"),
        ("色", "CustomModel"),
    ],
)
def test_the_name_of_the_class_is_made_of_the_models(name: str, expected: str) -> None:
    assert class_name(name) == expected


@given(ANY | st.text(min_size=60))
def test_the_name_of_the_class_is_always_an_identifier(name: str) -> None:
    made = class_name(name)
    assert made.isidentifier()
    assert made.isascii()
    assert made.endswith("Model")
    assert len(made) <= MAX_CLASS_NAME


@given(ANY)
def test_a_text_survives_yaml(text: str) -> None:
    written = yaml_string(text)
    assert "\n" not in written
    assert yaml.safe_load(f"key: {written}\nother: 1\n") == {"key": text, "other": 1}


@given(ANY)
def test_a_text_survives_a_docstring(text: str) -> None:
    written = docstring(text)
    assert "\n" not in written
    source = f"class Model:\n    {written}\n\n    x = 1\n"
    (node,) = ast.parse(source).body
    assert isinstance(node, ast.ClassDef)
    assert ast.get_docstring(node, clean=False) == (text if text.strip() else "The model.")


@given(ANY | st.text(st.characters()))
def test_a_text_survives_a_string_of_python(text: str) -> None:
    written = f'"{python_string(text)}"'
    assert written.isascii()
    assert ast.literal_eval(written) == text


@given(st.lists(ANY, min_size=30))
@settings(max_examples=10, deadline=None)
def test_the_formatter_leaves_docstrings_as_they_are(texts: list[str]) -> None:
    source = "\n\n".join(f"class Model{number}:\n    {docstring(text)}\n" for number, text in enumerate(texts))
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "-"]
    formatted = subprocess.run(command, input=source, capture_output=True, encoding="utf-8", check=True)
    assert formatted.stdout == source


@given(ANY)
def test_a_text_survives_a_label(text: str) -> None:
    written = label(text)
    match = re.fullmatch(r'"((?:[^"\\$\n]|\\["\\$])*)"', written)
    assert match
    assert re.sub(r"\\(.)", r"\1", match[1]) == " ".join(text.split())


@given(ANY)
def test_a_text_shows_in_markdown_as_it_is(text: str) -> None:
    assert plain_text(markdown(text)) == " ".join(text.split())


@given(ANY)
def test_a_text_is_nothing_but_paragraphs_in_markdown(text: str) -> None:
    tokens = MarkdownIt("commonmark").enable(["strikethrough", "table"]).parse(markdown(text))
    assert {token.tag for token in tokens} <= {"p", ""}
    children = [child for token in tokens for child in token.children or []]
    assert {child.type for child in children} <= {"text", "softbreak"}


@pytest.mark.parametrize("text", ["Names 2 colours.", "a_b, 3 * 4 is 12 (twelve) - no more", "x < y & z > 1"])
def test_markdown_escapes_no_more_than_it_must(text: str) -> None:
    assert markdown(text) == text.replace("*", r"\*")


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
    assert problem.startswith(f"{key} holds")


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


def test_an_image_of_the_table_must_have_the_python() -> None:
    (problem,) = problems(base_image="python:3.8-slim-bookworm")
    assert "has Python 3.8, and python_version is 3.12: change one of them" in problem


@pytest.mark.parametrize("row", QUESTIONS["_base_images"], ids=lambda row: f"{row['image'].rpartition('/')[2]}")
def test_every_row_of_the_table_can_be_typed(row: dict[str, Any]) -> None:
    accelerator, framework = row["accelerators"][0], "none"
    assert (
        problems(base_image=row["image"], python_version=row["python"], accelerator=accelerator, framework=framework)
        == []
    )


def test_an_image_with_the_framework_inside_comes_first() -> None:
    stack = Stack("pytorch", "3.8", "cuda", "modzy")
    image = recommended_image({**ANSWERS, **stack._asdict()})
    assert image.endswith("/modzy-py3.8-cuda-pt1.7:latest")


def test_no_image_is_recommended_where_none_fits() -> None:
    assert recommended_image({**ANSWERS, "image_registry": "modzy"}) == ""


def test_answers_without_packages_are_refused_with_any_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local_extensions.framework_versions", list)
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
    assert "these would do:\n      framework=none python_version=3.12 accelerator=cpu image_registry=public" in problem


def test_every_suggestion_would_do() -> None:
    (problem,) = problems(image_registry="modzy", base_image="")
    suggestions = re.findall(r"framework=\S+ python_version=\S+ accelerator=\S+ image_registry=\w+", problem)[1:]
    assert suggestions
    for suggestion in suggestions:
        answers = dict(pair.split("=") for pair in suggestion.split())
        image = recommended_image({**ANSWERS, **answers})
        assert image
        assert problems(**answers, base_image=image) == []
