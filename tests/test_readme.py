"""The README says what the template does."""

from __future__ import annotations

import re

import pytest
from local_extensions import TEXTS
from repository import QUESTIONS, ROOT

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
        f"| {', '.join(row['frameworks'])} |"
        for row in QUESTIONS["_base_images"]
    ]
    assert "\n".join(rows) in README


def test_every_make_target_is_there() -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(re.findall(r"^make (\w+)", README, re.MULTILINE)) <= set(targets)


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"^\| `([\w./{}-]+)` \|", README, re.MULTILINE)) - set(QUESTIONS))
)
def test_every_path_in_the_table_of_files_is_there(path: str) -> None:
    assert (ROOT / path).exists()
