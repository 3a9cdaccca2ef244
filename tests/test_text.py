"""The filters that turn an answer into text, with texts that Hypothesis generates."""

from __future__ import annotations

import ast
import re
import subprocess
import sys

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from plain_text import plain_text

from template_extensions.text import (
    MAX_CLASS_NAME,
    class_name,
    docstring,
    label,
    markdown,
    python_string,
    slug,
    yaml_string,
)

#: What an answer may contain: neither lone surrogates nor control characters.
CHARACTERS = st.characters(exclude_categories=["Cs", "Cc"], include_characters="\t\n")
TEXTS = st.text(CHARACTERS)
#: Texts that are likelier to break something.
MARKS = st.text(st.sampled_from(" \t\n\"'\\$#%&*_~`[]()<>!|:;,.-+={}^@/?0123456789abcxyzNXé🎨"))
ANY = TEXTS | MARKS


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
