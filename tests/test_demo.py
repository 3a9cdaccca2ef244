"""`make demo`: it works from nothing, and leaves nothing, however it ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from console import Console
from demo import choices, nearest
from repository import ROOT, TEMPLATE

SKIPPED = (".*cache", ".git", ".hypothesis", ".venv", "__pycache__")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a fresh copy of the template's repository, with nothing installed."""
    return shutil.copytree(ROOT, tmp_path / "copy", ignore=shutil.ignore_patterns(*SKIPPED))


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder for temporary files of the commands that a test runs."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.mark.network
@pytest.mark.server
def test_make_demo_works_from_nothing(copy: Path, temporary: Path) -> None:
    command = ["make", "demo", f"PYTHON={sys.executable}"]
    result = subprocess.run(command, cwd=copy, capture_output=True, encoding="utf-8", check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    shown = [
        "[1/6] Generating",
        "[2/6] Installing",
        "[3/6] Starting",
        "[4/6] Waiting",
        "[5/6] Running a job",
        '"name": "orange"',
        "[6/6] Shutting",
        "Exit code of the server: 0",
        "To do the same by hand",
    ]
    positions = [result.stdout.find(text) for text in shown]
    assert -1 not in positions
    assert positions == sorted(positions)
    assert "\033" not in result.stdout
    assert_nothing_is_left(temporary)


@pytest.mark.network
@pytest.mark.server
@pytest.mark.parametrize(
    ("step", "number"), [("[2/6]", signal.SIGINT), ("[4/6]", signal.SIGINT), ("[5/6]", signal.SIGTERM)]
)
def test_an_interrupted_demo_cleans_up(temporary: Path, step: str, number: signal.Signals) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "demo.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8") as process:
        assert process.stdout
        assert any(line.startswith(step) for line in process.stdout)
        process.send_signal(number)
        rest = process.stdout.read()
    assert process.returncode == 128 + number
    assert "Stopping the server and removing the folder" in rest
    assert "Traceback" not in rest
    assert_nothing_is_left(temporary)


@pytest.mark.network
@pytest.mark.server
def test_a_failed_demo_shows_the_servers_log(copy: Path, temporary: Path) -> None:
    model = copy / TEMPLATE.name / "model_lib" / "colors.py"
    model.write_text(model.read_text(encoding="utf-8") + "\nraise RuntimeError('out of paint')\n", encoding="utf-8")
    command = [sys.executable, str(copy / "scripts" / "demo.py")]
    result = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert result.returncode == 1
    assert "The server's log:" in result.stderr
    assert "out of paint" in result.stderr.partition("The server's log:")[2]
    assert "Traceback" not in result.stderr.partition("The server's log:")[0]
    assert_nothing_is_left(temporary)


@pytest.mark.command
def test_an_old_python_is_refused_with_a_clear_message(copy: Path, tmp_path: Path, temporary: Path) -> None:
    python = tmp_path / "python3"
    python.write_text('#!/bin/sh\n[ "$1" = -V ] && echo Python 3.9.2 && exit\nexit 1\n', encoding="utf-8")
    python.chmod(0o755)
    command = ["make", "demo", f"PYTHON={python}"]
    result = subprocess.run(command, cwd=copy, capture_output=True, encoding="utf-8", check=False)
    assert result.returncode != 0
    assert f"needs Python 3.10 or later, and {python} is Python 3.9.2" in result.stderr
    assert not (copy / ".venv").exists()


@pytest.mark.parametrize(("minor", "expected"), [(12, "3.12"), (14, "3.13"), (99, "3.13"), (10, "3.10")])
def test_the_demo_takes_the_nearest_python(minor: int, expected: str) -> None:
    assert nearest(choices("python_version"), minor) == expected


@pytest.mark.parametrize(("no_color", "is_painted"), [("", True), ("1", False)])
def test_color_is_for_terminals_and_can_be_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], no_color: str, is_painted: bool
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", no_color)
    Console(1).step("Painting")
    assert ("\033[" in capsys.readouterr().out) is is_painted


def assert_nothing_is_left(temporary: Path) -> None:
    """Check that no file is left in the folder, and no process that was given it."""
    assert list(temporary.iterdir()) == []
    assert [path for path in Path("/proc").glob("[0-9]*/environ") if has_folder(path, temporary)] == []


def has_folder(environ: Path, temporary: Path) -> bool:
    """Return whether a process uses a folder for its temporary files."""
    try:
        return b"TMPDIR=" + os.fsencode(temporary) + b"\0" in environ.read_bytes()
    except OSError:
        return False
