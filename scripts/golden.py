"""Renews the golden trees: what a few sets of answers give, as one text each in `tests/golden`.

`make golden` runs it; `git diff tests/golden` shows what it changed.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from commands import run
from console import Console

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "{{cookiecutter.model_slug}}"
PINS = ROOT / "templates" / "requirements"
GOLDEN = ROOT / "tests" / "golden"

TREES: dict[str, dict[str, str]] = {
    "defaults": {},
    "none-3.6": {"model_slug": "my.old_model", "python_version": "3.6", "description": 'Is "old"\nand: # long'},
    "pytorch-3.8-cuda-modzy": {
        "framework": "pytorch",
        "python_version": "3.8",
        "accelerator": "cuda",
        "image_registry": "modzy",
    },
    "keras-3.13": {"model_name": "Größe & Maß", "framework": "keras", "python_version": "3.13", "ci": "gitlab"},
    "package": {"runtime": "package", "ci": "github"},
}


def main() -> None:
    """Renew every tree."""
    console = Console()
    GOLDEN.mkdir(exist_ok=True)
    for path in GOLDEN.iterdir():
        if path.stem not in TREES:
            path.unlink()
    with TemporaryDirectory() as folder:
        defaults = render(Path(folder) / "defaults", {})
        for name, answers in TREES.items():
            path = golden_path(name)
            before = path.read_text(encoding="utf-8") if path.exists() else ""
            after = describe(render(Path(folder) / name, answers) if answers else defaults, defaults)
            path.write_text(after, encoding="utf-8")
            console.say(f"{path.relative_to(ROOT)}: {'unchanged' if before == after else 'renewed'}")


def golden_path(name: str) -> Path:
    """Return the file of a golden tree."""
    return GOLDEN / f"{name}.txt"


def render(folder: Path, answers: dict[str, str]) -> Path:
    """Render the template as a user does; return the repository's folder.

    Raises:
        CommandFailed: Cookiecutter cannot.
    """
    # without an author, the template takes the name in Git's settings
    given = [f"{key}={value}" for key, value in {"author": "Your Name", **answers}.items()]
    options = ("--no-input", "--default-config", "--output-dir", folder)
    run([sys.executable, "-m", "cookiecutter", *options, ROOT, *given])
    (repository,) = folder.iterdir()
    return repository


def describe(folder: Path, defaults: Path) -> str:
    """Return a tree as one text.

    A file that is as it stands in the template is named only, and so are pins. A document is shown as what differs
    from that of the default answers.
    """
    return "\n".join(_describe_file(folder, name, defaults) for name in _files(folder))


def names(text: str) -> list[str]:
    """Return the names of the files in a tree's text."""
    return re.findall(r"^=== ([^\s:]+)", text, re.MULTILINE)


def _files(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix()


def _describe_file(folder: Path, name: str, defaults: Path) -> str:
    path, source = folder / name, TEMPLATE / name
    mode = " (executable)" if os.access(path, os.X_OK) else ""
    content = path.read_bytes()
    if source.exists() and source.read_bytes() == content:
        return f"=== {name}{mode}: as in the template"
    text = content.decode()
    base = defaults / name
    if name.endswith(".md") and folder != defaults and base.exists():
        return f"=== {name}{mode}: differs from the defaults'\n{_compare(base.read_text(encoding='utf-8'), text)}"
    for pins in (*PINS.glob("*-3.*.txt"), *PINS.glob("dev/*.txt")):
        text = text.replace(pins.read_text(encoding="utf-8"), f"[{pins.relative_to(ROOT)}]\n")
    return f"=== {name}{mode}\n{text}"


def _compare(one: str, other: str) -> str:
    """Return the lines that differ, below the heading of their section."""
    before, after = one.splitlines(keepends=True), other.splitlines(keepends=True)
    parts = []
    for kind, start, end, other_start, other_end in difflib.SequenceMatcher(None, before, after, False).get_opcodes():
        if kind != "equal":
            headings = [line for line in before[:start] if re.match("##+ ", line)]
            parts += [f"@@ {headings[-1]}" if headings else "@@\n"]
            parts += [f"-{line}" for line in before[start:end]] + [f"+{line}" for line in after[other_start:other_end]]
    return "".join(parts)


if __name__ == "__main__":
    main()
