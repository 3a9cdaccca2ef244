"""The hook that runs when all is rendered: what it notices and reports."""

from __future__ import annotations

from pathlib import Path

import pytest
from repository import TEMPLATE, cookiecutter

pytestmark = pytest.mark.command

ANSWER = "{{ cookiecutter.model_slug }}"
BREAKS = {
    "YAML": ("model.yaml", f"{ANSWER}: [", "model.yaml: "),
    "JSON": ("settings.json", f"[{ANSWER}]", "settings.json: "),
    "Python": ("app.py", f"def {ANSWER}", "app.py: "),
    "Jinja": ("notes.md", "{% raw %}{{ cookiecutter.author }}{% endraw %}", "notes.md: contains Jinja"),
}


@pytest.mark.parametrize(("name", "text", "message"), BREAKS.values(), ids=BREAKS)
def test_a_broken_file_is_noticed(template: Path, tmp_path: Path, name: str, text: str, message: str) -> None:
    (template / TEMPLATE.name / name).write_text(text, encoding="utf-8")
    assert_noticed(template, tmp_path / "output", message)


def test_an_entry_point_that_cannot_be_run_is_noticed(template: Path, tmp_path: Path) -> None:
    (template / TEMPLATE.name / "entrypoint.sh").chmod(0o644)
    assert_noticed(template, tmp_path / "output", "entrypoint.sh: is not executable")


@pytest.mark.parametrize("module", ["pathlib", "shutil", "subprocess", "tempfile"])
def test_no_module_is_taken_from_the_folder_for_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    (tmp_path / f"{module}.py").write_text("raise SystemExit('somebody else')", encoding="utf-8")
    # Cookiecutter itself runs elsewhere, but puts its hooks here
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    result = cookiecutter(tmp_path / "output", "--no-input", "git=yes")
    assert result.returncode == 0, result.stderr


def assert_noticed(template: Path, output: Path, message: str) -> None:
    """Render a broken template, and check that the error is reported and that nothing is left."""
    result = cookiecutter(output, "--no-input", template=template)
    assert result.returncode == 1
    assert message in result.stdout
    assert list(output.iterdir()) == []
