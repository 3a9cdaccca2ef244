"""The command that renews the pins of a generated repository, with the real uv: it writes what `make lock` writes."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest
from lock import list_pins

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Bake
    from repository import Repository

pytestmark = pytest.mark.network

ANSWERS = {
    "defaults": {},
    "3.6": {"python_version": "3.6"},
    "a build for the CPU": {"framework": "pytorch"},
    "a framework in the image": {
        "framework": "pytorch",
        "python_version": "3.8",
        "accelerator": "cuda",
        "image_registry": "modzy",
    },
}


def lock(repository: Repository, constraint: Path) -> str:
    """Run the command, so that it finds the versions of the template's own pins."""
    pins = re.sub(r"^[^\w].*\n|\+cpu$", "", repository.read("requirements.txt"), flags=re.MULTILINE)
    constraint.write_text(pins, encoding="utf-8")
    return repository.run(sys.executable, "-m", "flask_psc_model.cli.lock", UV_CONSTRAINT=str(constraint))


@pytest.mark.parametrize("answers", ANSWERS.values(), ids=ANSWERS)
def test_a_fresh_repository_is_locked_as_it_was_rendered(bake: Bake, tmp_path: Path, answers: dict[str, str]) -> None:
    repository = bake(**answers)
    names = [path.name for path in repository.path.glob("requirements*.txt") if "ray" not in path.name]
    before = {name: repository.read(name) for name in names}
    output = lock(repository, tmp_path / "pins.txt")
    assert "requirements.txt: the pins are up to date" in output
    assert repository.read("requirements.txt") == before["requirements.txt"]
    assert len(names) == 2 + ("requirements-image.txt" in names)
    for name in names:
        pinned = {pin.split("==")[0] for pin in list_pins(repository.read(name))}
        assert pinned == {pin.split("==")[0] for pin in list_pins(before[name])}
        assert repository.read(name).splitlines()[0] == before[name].splitlines()[0]


def test_a_package_that_is_added_is_pinned_with_what_it_requires(bake: Bake, tmp_path: Path) -> None:
    repository = bake()
    with (repository.path / "requirements.in").open("a", encoding="utf-8") as file:
        file.write("jsonschema\n")
    output = lock(repository, tmp_path / "pins.txt")
    assert re.search("^requirements.txt: attrs .* added, jsonschema .* added", output)
    assert re.search(
        "^jsonschema==.*\n    # via -r requirements.in$", repository.read("requirements.txt"), re.MULTILINE
    )
