"""Checks the repository that was rendered, says what to do next, and makes the first commit."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterable
from pathlib import Path

import yaml

#: Files that were there before, which are none of the template's business.
KEPT: list[str] = json.loads(r"""{{ cookiecutter | kept_files | tojson }}""")
IS_NEW: bool = json.loads("""{{ cookiecutter | was_empty | tojson }}""")
FILES: list[str] = json.loads(r"""{{ cookiecutter | file_names | tojson }}""")
ANSWERS: dict[str, str] = json.loads(r"""{{ cookiecutter | tojson }}""")
KEYS: list[str] = json.loads(r"""{{ cookiecutter.keys() | list | tojson }}""")

#: A Jinja mark; two braces and a dot are Go's, which `docker inspect` takes, and with a dollar they are GitHub's.
JINJA_MARK = re.compile(r"(?<![$])[{][{](?!\.)|[{][%#]")

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


def leave_out_folders() -> None:
    """Remove the folders that the answers leave out, which Cookiecutter cannot do by itself.

    They were made just now: the first hook has seen to it that there was no runtime
    before, and of the others only empty ones are removed.
    """
    if is_package():
        shutil.rmtree("flask_psc_model", ignore_errors=True)
    for name in (".github/workflows", ".github"):
        with contextlib.suppress(OSError):
            os.rmdir(name)


def is_update() -> bool:
    """Tell whether cruft renders two versions, in temporary folders, only to compare them."""
    return "_commit" in ANSWERS and Path(tempfile.gettempdir()).resolve() in Path.cwd().parents


def summary() -> str:
    """Show the answers, and the next three commands for them."""
    slug, python = ANSWERS["model_slug"], ANSWERS["python_version"]
    gpus = " --gpus all" if ANSWERS["accelerator"] == "cuda" else ""
    # the pip that comes with it takes no wheels of PyYAML 6
    pip = ' && pip install "pip==21.3.1"' if python == "3.6" else ""
    package = "\n     (Its server is a package: README.md says where pip finds it.)" if is_package() else ""
    answers = [f"  {key:15} {textwrap.shorten(ANSWERS[key], 90)}" for key in KEYS if key[0] != "_"]
    return f"""
Your model's repository is in {slug}/, with an example that works.

{chr(10).join(answers)}

  1. Install what it needs, with Python {python}:{package}
       cd {slug} && python{python} -m venv .venv && . .venv/bin/activate{pip} && pip install -r requirements.txt
  2. Run its tests:
       python -m unittest
  3. Build its image, on {ANSWERS["base_image"]}, and run that:
       docker build -t {slug}:latest . && docker run{gpus} -p 8080:8080 {slug}:latest

Then put your model in model_lib/model.py, and describe it in model.yaml.
README.md in {slug}/ has the rest.
"""


def is_package() -> bool:
    """Tell whether the server is a package instead of a folder."""
    return ANSWERS["runtime"] == "package"


def start_history() -> str:
    """Put the folder under Git with a first commit; return what came of it."""
    if not IS_NEW:
        return "Git: nothing was done, since the folder is not new, or cruft has still to add its own file."
    if not shutil.which("git"):
        return "Git: nothing was done, since git is not installed. Later: git init && git add --all && git commit"
    if git("rev-parse", "--is-inside-work-tree").returncode == 0:
        return "Git: nothing was done, since the folder is in a repository already: commit it there."
    if any(
        git("-c", "user.useConfigOnly=true", "var", f"GIT_{who}_IDENT").returncode for who in ("AUTHOR", "COMMITTER")
    ):
        return (
            "Git: nothing was done, since git does not know who you are. Tell it with"
            " git config --global user.name and user.email, then: git init && git add --all && git commit"
        )
    for command in (
        ["init", "--quiet"],
        ["add", "--all"],
        ["commit", "--quiet", "--message", "Generate the repository"],
    ):
        result = git(*command)
        if result.returncode:
            return f"Git: git {command[0]} failed, and the first commit is left to you:\n{result.stderr.strip()}"
    return f"Git: the first commit is {git('rev-parse', '--short', 'HEAD').stdout.strip()}."


def git(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Git in the folder."""
    return subprocess.run(["git", *arguments], capture_output=True, encoding="utf-8", errors="replace", check=False)


def list_kept() -> str:
    """Say which files are not the template's, and how to see what it would have written."""
    files = "\n  ".join(KEPT)
    return f"""These files were there already, and were kept as they are:

  {files}

To compare them with the template's, generate it once more with --output-dir and
an empty folder. README.md of the template says which need something added.
"""


leave_out_folders()
problems = list(find_problems(name for name in FILES if name not in KEPT))
if problems:
    print("The template rendered a broken repository; please report it:", *problems, sep="\n  ", file=sys.stderr)
    sys.exit(1)
if not is_update():
    if isinstance(sys.stdout, io.TextIOWrapper):
        # an answer may hold what this terminal cannot show
        sys.stdout.reconfigure(errors="replace")
    print(summary())
    if ANSWERS["git"] == "yes":
        print(start_history(), "\n")
if KEPT:
    print(list_kept())
