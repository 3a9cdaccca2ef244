"""A few sets of answers give, to the byte, what was reviewed last; `make golden` renews it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from golden import GOLDEN, TREES, describe, golden_path
from rendering import render_typed

if TYPE_CHECKING:
    from conftest import Bake

each_tree = pytest.mark.parametrize("name", TREES)


@each_tree
def test_a_tree_is_the_one_that_was_reviewed(bake: Bake, name: str) -> None:
    reviewed = golden_path(name).read_text(encoding="utf-8")
    assert describe(bake(**TREES[name]).path) == reviewed, "run `make golden`, and review `git diff tests/golden`"


def test_there_is_no_other_tree() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(TREES)


@each_tree
def test_rendering_in_memory_gives_the_same_files(bake: Bake, name: str) -> None:
    repository = bake(**TREES[name])
    assert {name: (repository.path / name).read_bytes() for name in repository.files()} == render_typed(**TREES[name])
