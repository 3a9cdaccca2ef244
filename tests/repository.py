"""Generated repositories, and how the tests make them."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import yaml
from commands import run
from environment import Environment

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "{{cookiecutter.model_slug}}"
#: What continuous integration adds to the files of a repository.
CI_FILES: dict[str, set[str]] = {
    "none": set(),
    "github": {".github/workflows/ci.yml", ".github/dependabot.yml"},
    "gitlab": {".gitlab-ci.yml", "renovate.json"},
}
QUESTIONS: dict[str, Any] = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))

#: The author of whom Git knows no name.
AUTHOR = "Your Name"

#: The key for every question.
ENTER = "\n" * len([name for name in QUESTIONS if not name.startswith("_")])

#: The files of the runtime end in these; a cache beside them does not.
RUNTIME_SUFFIXES = (".py", ".typed", ".html", ".css", ".js", ".yaml", "ruff.toml", "LICENSE")


class Repository:
    """A generated repository in a folder."""

    def __init__(self, path: Path) -> None:
        """Name the folder."""
        self.path = path

    def read(self, name: str) -> str:
        """Return the text of a file."""
        return (self.path / name).read_text(encoding="utf-8")

    def metadata(self) -> Any:
        """Return what is in `model.yaml`."""
        return yaml.safe_load(self.read("model.yaml"))

    def model_class(self) -> ast.ClassDef:
        """Return the syntax tree of the model's class."""
        (model,) = (node for node in ast.parse(self.read("model_lib/model.py")).body if isinstance(node, ast.ClassDef))
        return model

    def files(self) -> Iterator[str]:
        """Yield the name of every file, in order."""
        for path in sorted(self.path.rglob("*")):
            if path.is_file():
                yield path.relative_to(self.path).as_posix()

    def texts(self) -> Iterator[tuple[str, bytes]]:
        """Yield the name and the bytes of every text that people read: images and test data are none."""
        for name in self.files():
            if not name.startswith("tests/data/") and not name.endswith(".png"):
                yield name, (self.path / name).read_bytes()

    def run(self, *command: str | Path, environment: Environment | None = None, **variables: str) -> str:
        """Run a command in the folder; return what it wrote, and raise an error when it fails."""
        inherited = environment.variables() if environment else os.environ
        return run(command, folder=self.path, environment={**inherited, **variables})

    def check_style(self, folder: str = ".") -> None:
        """Check with ruff, under the settings of the repository, that the code in a folder is clean and formatted."""
        for options in (["check"], ["format", "--check"]):
            self.run(sys.executable, "-m", "ruff", *options, "--no-cache", folder)


def cookiecutter(
    output: Path,
    *arguments: str | Path,
    template: Path = ROOT,
    config: dict[str, Any] | None = None,
    keys: str = "",
    stdout: int | IO[str] = subprocess.PIPE,
) -> subprocess.CompletedProcess[str]:
    """Run the real command, as a user does, with settings of its own.

    Args:
        output: the folder to generate in; it is made where it does not exist.
        arguments: options and answers.
        template: the template to use.
        config: more of the user's settings.
        keys: what the user types.
        stdout: where the command writes.
    """
    output.mkdir(exist_ok=True)
    settings = output.with_name(output.name + ".config")
    replays = output.with_name(output.name + ".replay")
    settings.write_text(yaml.safe_dump({"replay_dir": str(replays), **(config or {})}), encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "cookiecutter", template, "-o", output, "--config-file", settings, *arguments],
        # not where we are: the template's modules, not those of a copy's original
        cwd=output,
        input=keys,
        stdout=stdout,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "PYTHONUTF8": "1"},
        check=False,
    )
