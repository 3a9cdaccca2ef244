"""The hook that runs when all is rendered: what it notices and reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest
from repository import ROOT, TEMPLATE, cookiecutter

pytestmark = pytest.mark.command

ANSWER = "{{ cookiecutter.model_slug }}"
BREAKS = {
    "YAML": ("model.yaml", f"{ANSWER}: [", "model.yaml: "),
    "JSON": ("settings.json", f"[{ANSWER}]", "settings.json: "),
    "Python": ("app.py", f"def {ANSWER}", "app.py: "),
    "Jinja": ("notes.md", "{% raw %}{{ cookiecutter.author }}{% endraw %}", "notes.md: contains Jinja"),
}

#: What fails: a file of the template, what is replaced in it, and what the message says.
FAILURES = {
    "the record": ("template_extensions/existing.py", "if folder is None:", "if folder.x:", "AttributeError"),
    "the answers": ("template_extensions/answers.py", "def find_problems(", "def x(", "NameError"),
    "the first hook": ("hooks/pre_gen_project.py", "# {% if", "raise OSError\n# {% if", "exit status: 1"),
    "the check of the files": ("template_extensions/rendered.py", "names = [name", "names = 1 / 0, [name", "Division"),
    "removing the example": ("template_extensions/existing.py", "def remove_unsuited(", "def x(", "remove_unsuited"),
    "a step of the last hook": ("hooks/post_gen_project.py", "  set_modes()\n", "  1 / 0\n", "the last step failed"),
}


@pytest.mark.parametrize(("name", "text", "message"), BREAKS.values(), ids=BREAKS)
def test_a_broken_file_is_noticed(template: Path, tmp_path: Path, name: str, text: str, message: str) -> None:
    (template / TEMPLATE.name / name).write_text(text, encoding="utf-8")
    assert_noticed(template, tmp_path / "output", message)


@pytest.mark.parametrize("is_new", [True, False], ids=["new", "existing"])
@pytest.mark.parametrize(("name", "old", "new", "message"), FAILURES.values(), ids=FAILURES)
def test_nothing_is_written_when_a_step_fails(
    template: Path, tmp_path: Path, name: str, old: str, new: str, message: str, is_new: bool
) -> None:
    text = (template / name).read_text(encoding="utf-8")
    assert text.count(old) == 1
    (template / name).write_text(text.replace(old, new), encoding="utf-8")
    assert_nothing_written(tmp_path / "output", message, is_new, template)


@pytest.mark.parametrize("is_new", [True, False], ids=["new", "existing"])
def test_nothing_is_written_when_the_summary_cannot_be_shown(tmp_path: Path, is_new: bool) -> None:
    with open("/dev/full", "w") as full:
        assert_nothing_written(tmp_path / "output", "No space left on device", is_new, stdout=full)


def assert_nothing_written(output: Path, message: str, is_new: bool, template: Path = ROOT, **streams: Any) -> None:
    """Check that a failing generation leaves a folder as it was, or makes none."""
    folder = output / "color-name-predictor"
    output.mkdir()
    if not is_new:
        (folder / "model_lib").mkdir(parents=True)
        (folder / "docs").mkdir()
        (folder / "model_lib" / "model.py").write_text("mine", encoding="utf-8")
    before = State.of_tree(output)
    options = ("--no-input", "--overwrite-if-exists", "--skip-if-file-exists")
    result = cookiecutter(output, *options, template=template, **streams)
    assert result.returncode == 1
    assert message in f"{result.stdout}{result.stderr}"
    assert State.of_tree(output) == before


class State(NamedTuple):
    """What matters of a file or a folder."""

    mode: int
    content: bytes

    @classmethod
    def of_tree(cls, folder: Path) -> dict[str, State]:
        """Return the state of everything in a folder."""
        return {
            path.relative_to(folder).as_posix(): cls(path.stat().st_mode, b"" if path.is_dir() else path.read_bytes())
            for path in folder.rglob("*")
        }


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
