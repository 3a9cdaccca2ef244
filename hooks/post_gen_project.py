"""Checks the repository that was rendered, and prints the next steps."""

from __future__ import annotations

import ast
import json
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import yaml

ANSWERS = json.loads(r"""{{ cookiecutter | tojson }}""")

#: A Jinja mark; two braces and a dot are Go's, which `docker inspect` takes.
JINJA_MARK = re.compile(r"[{][{](?!\.)|[{][%#]")

SUFFIXES = {".cfg", ".in", ".json", ".md", ".py", ".sh", ".toml", ".txt", ".yaml", ".yml", ""}


def find_problems(folder: Path) -> Iterable[str]:
    """List what is wrong with the files below a folder; test data may hold anything."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if not path.is_file() or path.suffix not in SUFFIXES or name.parts[:2] == ("tests", "data"):
            continue
        try:
            text = path.read_text(encoding="utf-8")
            if JINJA_MARK.search(text):
                yield f"{name}: holds Jinja that was not rendered"
            parse(path.suffix, text)
        except (ValueError, SyntaxError, yaml.YAMLError) as error:
            yield f"{name}: {error}"
    if not os.access(folder / "entrypoint.sh", os.X_OK):
        yield "entrypoint.sh: is not executable"


def parse(suffix: str, text: str) -> None:
    """Parse a file's text according to its suffix.

    Raises:
        ValueError, SyntaxError, yaml.YAMLError: it does not parse.
    """
    if suffix == ".py":
        ast.parse(text)
    elif suffix == ".json":
        json.loads(text)
    elif suffix in (".yaml", ".yml"):
        yaml.safe_load(text)
    elif suffix == ".toml" and sys.version_info >= (3, 11):
        import tomllib

        tomllib.loads(text)


def next_steps() -> str:
    """Say what to do next, in commands."""
    slug, python = ANSWERS["model_slug"], ANSWERS["python_version"]
    gpus = " --gpus all" if ANSWERS["accelerator"] == "cuda" else ""
    return f"""
Your model's repository is in {slug}/, with an example that works.

  1. Run its tests, with Python {python}:
       cd {slug}
       python{python} -m venv .venv && . .venv/bin/activate
       pip install -r requirements.txt
       python -m unittest
  2. Put your model in model_lib/model.py, and describe it in model.yaml.
  3. Build and run its container, on {ANSWERS["base_image"]}:
       docker build -t {slug}:latest .
       docker run{gpus} -p 8080:8080 {slug}:latest

README.md in {slug}/ has the rest.
"""


problems = list(find_problems(Path.cwd()))
if problems:
    print("The template rendered a broken repository; please report it:", *problems, sep="\n  ", file=sys.stderr)
    sys.exit(1)
print(next_steps())
