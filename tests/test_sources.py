"""Where the template comes from, and which Cookiecutter renders it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from commands import CommandFailed, run
from conftest import UV
from repository import ROOT, TEMPLATE, cookiecutter
from test_first_commit import commit_all

pytestmark = pytest.mark.command


def test_scripts_are_executable_though_a_zip_file_has_no_modes(template: Path, tmp_path: Path) -> None:
    (template / TEMPLATE.name / "entrypoint.sh").chmod(0o644)
    archive = shutil.make_archive(str(tmp_path / "archive"), "zip", template.parent, template.name)
    result = cookiecutter(tmp_path / "output", "--no-input", template=Path(archive))
    assert result.returncode == 0, result.stdout + result.stderr
    assert cookiecutter(tmp_path / "expected", "--no-input").returncode == 0
    assert states(tmp_path / "output") == states(tmp_path / "expected")


def test_a_clone_with_windows_line_ends_gives_a_repository_without(template: Path, tmp_path: Path) -> None:
    commit_all(template)
    clone = tmp_path / "clone"
    run(["git", "clone", "--quiet", "-c", "core.autocrlf=true", template, clone])
    for source, output in ((ROOT, "expected"), (clone, "output")):
        result = cookiecutter(tmp_path / output, "--no-input", template=source)
        assert result.returncode == 0, result.stdout
    assert states(tmp_path / "output") == states(tmp_path / "expected")


#: What each Cookiecutter says that is too old; 1.7 does not load the template's code, and the README quotes it.
TOO_OLD = {
    "1.7.3": "Unable to load extension: No module named 'template_extensions'",
    "2.1.1": "Unable to load extension: this template needs Cookiecutter 2.6 or later, and this is 2.1.1: run pip",
    "2.5.0": "Unable to load extension: this template needs Cookiecutter 2.6 or later, and this is 2.5.0: run pip",
}


@pytest.mark.network
@pytest.mark.parametrize(("version", "message"), TOO_OLD.items(), ids=list(TOO_OLD))
def test_an_old_cookiecutter_prints_one_line_and_writes_nothing(version: str, message: str, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    run([*UV, "venv", "--quiet", "--python", sys.executable, environment])
    python = environment / "bin" / "python"
    # 1.7 needs pkg_resources
    packages = (f"cookiecutter=={version}", "setuptools<80")
    run([*UV, "pip", "install", "--quiet", "--python", python, *packages])
    output = tmp_path / "output"
    output.mkdir()
    variables = {**os.environ, "HOME": str(tmp_path), "PYTHONWARNINGS": "ignore"}
    with pytest.raises(CommandFailed) as refusal:
        run([python, "-m", "cookiecutter", ROOT, "--no-input", "-o", output], output, variables)
    lines = [line for line in str(refusal.value).splitlines() if line.startswith("Unable")]
    assert len(lines) == 1
    assert lines[0].startswith(message)
    assert "Traceback" not in str(refusal.value)
    assert list(output.iterdir()) == []
    if version.startswith("1."):
        assert message in (ROOT / "README.md").read_text(encoding="utf-8")


def states(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return the mode and the content of every file in a folder."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mode, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }
