"""Checks the repository that was rendered, and prints the next steps."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import yaml

#: Files that were there before, which are none of the template's business.
KEPT: list[str] = json.loads(r"""{{ cookiecutter | kept_files | tojson }}""")
FILES: list[str] = json.loads(r"""{{ cookiecutter | file_names | tojson }}""")
ANSWERS: dict[str, str] = json.loads(r"""{{ cookiecutter | tojson }}""")

#: A Jinja mark; two braces and a dot are Go's, which `docker inspect` takes.
JINJA_MARK = re.compile(r"[{][{](?!\.)|[{][%#]")

SUFFIXES = {".cfg", ".in", ".json", ".md", ".py", ".sh", ".toml", ".txt", ".yaml", ".yml", ""}
#: The runtime is rendered as it is, and test data may hold anything.
UNCHECKED = ("flask_psc_model/", "tests/data/")


def find_problems(names: Iterable[str]) -> Iterable[str]:
    """List what is wrong with files of the repository."""
    for name in names:
        path = Path(name)
        if path.suffix in SUFFIXES and not name.startswith(UNCHECKED):
            try:
                text = path.read_text(encoding="utf-8")
                if JINJA_MARK.search(text):
                    yield f"{name}: holds Jinja that was not rendered"
                parse(path.suffix, text)
            except (OSError, ValueError, SyntaxError, yaml.YAMLError) as error:
                yield f"{name}: {error}"
        if path.suffix == ".sh" and not os.access(path, os.X_OK):
            yield f"{name}: is not executable"


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


def remove_runtime() -> None:
    """Remove the runtime that was rendered just now; the first hook has seen to it that there was none before.

    Cookiecutter cannot leave out a folder by itself.
    """
    shutil.rmtree("flask_psc_model", ignore_errors=True)


def is_update() -> bool:
    """Tell whether cruft renders two versions, in temporary folders, only to compare them."""
    return "_commit" in ANSWERS and Path(tempfile.gettempdir()).resolve() in Path.cwd().parents


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


def list_kept() -> str:
    """Say which files are not the template's, and how to see what it would have written."""
    files = "\n  ".join(KEPT)
    return f"""These files were there already, and were kept as they are:

  {files}

To compare them with the template's, generate it once more with --output-dir and
an empty folder. README.md of the template says which need something added.
"""


if ANSWERS["runtime"] == "package":
    remove_runtime()
problems = list(find_problems(name for name in FILES if name not in KEPT))
if problems:
    print("The template rendered a broken repository; please report it:", *problems, sep="\n  ", file=sys.stderr)
    sys.exit(1)
if not is_update():
    print(next_steps())
if KEPT:
    print(list_kept())
