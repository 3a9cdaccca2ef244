"""Renews the pinned requirements: of the generated repositories, and of this one.

`make lock` runs it; it needs uv.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from commands import CommandFailed, run
from console import Console

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "{{cookiecutter.model_slug}}"
PINS = ROOT / "templates" / "requirements"

#: The oldest Python on which the template itself is used.
OLDEST_PYTHON = "3.10"


def main() -> None:
    """Renew every file."""
    questions = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
    console = Console()
    try:
        for python in questions["python_version"]:
            pins = PINS / f"none-{python}.txt"
            renew(console, pins, TEMPLATE / "requirements.in", "--python-version", python)
        for name in ("requirements", "requirements-dev"):
            source = ROOT / f"{name}.in"
            renew(console, source.with_suffix(".txt"), source, "--python-version", OLDEST_PYTHON, "--universal")
    except CommandFailed as error:
        console.error(str(error))
        sys.exit(1)


def renew(console: Console, pins: Path, source: Path, *options: str) -> None:
    """Pin what a file asks for to the newest versions that go together."""
    before = pins.read_text(encoding="utf-8") if pins.exists() else ""
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-header", "--upgrade"]
    # run beside the file, so that the comments in the pins name it without a folder
    run([*command, *options, source.name, "--output-file", pins], folder=source.parent)
    changed = before != pins.read_text(encoding="utf-8")
    console.say(f"{pins.relative_to(ROOT)}: {'renewed' if changed else 'unchanged'}")


if __name__ == "__main__":
    main()
