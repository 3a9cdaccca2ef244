"""What makes rendering quick changes nothing that is rendered."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from repository import TEMPLATE, cookiecutter

from existing_files import PLAIN

MARKS = (b"{{", b"{%", b"{#")


def is_plain(name: str) -> bool:
    """Tell whether a file of the template is copied instead of rendered."""
    return any(name == each or name.startswith(f"{each}/") for each in PLAIN)


def test_a_file_is_copied_if_it_has_nothing_to_render() -> None:
    for path in TEMPLATE.rglob("*"):
        name = path.relative_to(TEMPLATE).as_posix()
        if path.is_file() and path.suffix not in (".png", ".pyc") and "{" not in name:
            assert is_plain(name) is not any(mark in path.read_bytes() for mark in MARKS), name


def test_a_second_rendering_uses_the_byte_code_of_the_first(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    first, second = (render(template, tmp_path / name) for name in ("first", "second"))
    assert second == first
    kept = {path: path.stat().st_mtime_ns for path in (template / "__pycache__").glob("*.jinja")}
    assert kept
    readme = template / TEMPLATE.name / "README.md"
    readme.write_text("# {{ cookiecutter.model_name }}\n", encoding="utf-8")
    third = render(template, tmp_path / "third")
    assert third == {**first, "README.md": b"# Color Name Predictor\n"}
    assert sum(path.stat().st_mtime_ns != modified for path, modified in kept.items()) == 1


@pytest.mark.parametrize("obstacle", ["PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"])
def test_no_byte_code_is_kept_where_python_keeps_none(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, obstacle: str
) -> None:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setenv(obstacle, str(tmp_path / "elsewhere"))
    assert "README.md" in render(template, tmp_path / "output")
    assert not (template / "__pycache__").exists()


def render(template: Path, output: Path) -> dict[str, bytes]:
    """Render a template with its defaults, and return each file's content."""
    result = cookiecutter(output, "--no-input", template=template)
    assert result.returncode == 0, result.stdout + result.stderr
    (folder,) = output.iterdir()
    return {os.path.relpath(path, folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
