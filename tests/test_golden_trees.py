"""A few sets of answers give, to the byte, what was reviewed last; `make golden` renews it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from golden import GOLDEN, TREES, describe, golden_path
from rendering import render_typed

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Bake
    from repository import Repository

each_tree = pytest.mark.parametrize("name", TREES)


@each_tree
def test_a_tree_is_the_one_that_was_reviewed(bake: Bake, defaults: Repository, name: str) -> None:
    reviewed = golden_path(name).read_text(encoding="utf-8")
    folder = bake(**TREES[name]).path if TREES[name] else defaults.path
    assert describe(folder, defaults.path) == reviewed, "run `make golden`, and review `git diff tests/golden`"


def test_a_document_is_shown_as_what_differs_from_the_defaults(tmp_path: Path) -> None:
    texts = {"defaults": "# A\n\n## B\n\nsame\nold\n\n## C\n", "other": "# A\n\n## B\n\nsame\nnew\nmore\n\n## C\n"}
    for name, text in texts.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "notes.md").write_text(text, encoding="utf-8")
    defaults, other = tmp_path / "defaults", tmp_path / "other"
    assert describe(defaults, defaults) == f"=== notes.md\n{texts['defaults']}"
    assert describe(other, defaults) == "=== notes.md: differs from the defaults'\n@@ ## B\n-old\n+new\n+more\n"


def test_there_is_no_other_tree() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(TREES)


@each_tree
def test_rendering_in_memory_gives_the_same_files(bake: Bake, name: str) -> None:
    repository = bake(**TREES[name])
    assert {name: (repository.path / name).read_bytes() for name in repository.files()} == render_typed(**TREES[name])
