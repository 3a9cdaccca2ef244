"""What spares Jinja its work gives what Jinja gives."""

from __future__ import annotations

from typing import Any

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plain_templates import PlainTemplate, PlainTemplates

OPTIONS: dict[str, Any] = {"keep_trailing_newline": True, "lstrip_blocks": True, "trim_blocks": True}
TEXTS = st.text() | st.text(st.sampled_from("{}%# \r\n\ta"))


def environments(**templates: str) -> tuple[jinja2.Environment, jinja2.Environment]:
    """Return an environment with the extension, and one without."""
    loader = jinja2.DictLoader(templates)
    return (
        jinja2.Environment(loader=loader, extensions=[PlainTemplates], **OPTIONS),
        jinja2.Environment(loader=loader, **OPTIONS),
    )


def outcome(environment: jinja2.Environment, text: str) -> str:
    """Render a template from a text and from a loader; return what came of it, an error too."""
    try:
        return environment.from_string(text).render(x=1) + environment.get_template("name").render(x=1)
    except jinja2.TemplateSyntaxError as error:
        return str(error)


@given(TEXTS)
def test_every_text_gives_the_same(text: str) -> None:
    quick, usual = environments(name=text)
    assert outcome(quick, text) == outcome(usual, text)


@given(TEXTS)
def test_every_text_can_be_included(text: str) -> None:
    quick, usual = environments(name=text)
    including = "a {{ x }}{% include 'name' %} b\n"
    assert outcome(quick, including) == outcome(usual, including)


@pytest.mark.parametrize(("text", "is_plain"), [("a.py", True), ("{ % #}", True), ("{{ x }}", False), ("{# #}", False)])
def test_only_texts_without_a_mark_are_spared(text: str, is_plain: bool) -> None:
    quick, _ = environments()
    assert isinstance(quick.from_string(text), PlainTemplate) == is_plain
