"""The README says what the template does."""

from __future__ import annotations

import re

import pytest
from repository import QUESTIONS, ROOT, TEMPLATE

from local_extensions import TEXTS

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("question", [name for name in QUESTIONS if not name.startswith("_")])
def test_every_question_and_choice_is_explained(question: str) -> None:
    (row,) = re.findall(rf"^\| `{question}` \|.*$", README, re.MULTILINE)
    if question not in TEXTS:
        default, *others = QUESTIONS[question]
        assert re.match(rf"\| `{question}` \| `{default}` \|", row)
        assert all(f"`{choice}`" in row for choice in [default, *others])


def test_the_table_of_base_images_is_that_of_the_template() -> None:
    rows = [
        f"| `{row['image']}` | {row['python']} | {row['registry']} | {', '.join(row['accelerators'])} "
        f"| {', '.join(row['frameworks'])} |{'' if row['contains'] == 'none' else ' ' + row['contains']} |"
        for row in QUESTIONS["_base_images"]
    ]
    assert "\n".join(rows) in README


def test_the_packages_of_the_server_are_named() -> None:
    requirements = (TEMPLATE / "requirements.in").read_text(encoding="utf-8")
    packages = set(re.findall(r"^([a-z-]+)$", requirements, re.MULTILINE))
    (named,) = re.findall(r"the packages of the server, which are (.*?)\n- ", README, re.DOTALL)
    assert set(re.findall(r"`(.*?)`", named)) == packages


def test_every_make_target_is_there() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert {"check", "demo", "test"} <= set(re.findall(r"^make ([\w-]+)", README, re.MULTILINE)) <= set(targets)


def test_every_file_that_is_explained_is_there() -> None:
    paths = re.findall(r"^\| `([\w{}]*[/.][\w./{}]*)` \|", README, re.MULTILINE)
    assert "hooks/pre_gen_project.py" in paths
    assert [path for path in paths if not (ROOT / path).exists()] == []
