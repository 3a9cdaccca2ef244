"""Checks what was rendered, removes what does not suit, prints what to do next, and makes the first commit.

The check happens while Cookiecutter renders this file: a filter that raises an error stops the generation.
"""

import os
import sys

# Cookiecutter runs this in the folder for temporary files, where anybody may put a module.
sys.path.pop(0)

import contextlib
import shutil
import subprocess
from pathlib import Path

# {% set kept = cookiecutter | kept_files %}
# {% set record = cookiecutter | written %}
# {{ cookiecutter | check_files(kept) }}
# {% set removed = cookiecutter | remove_unsuited %}

#: The files that existed before and were not written.
KEPT = [
    # {% for name in kept +%}
    "{{ name | python }}",
    # {% endfor +%}
]
#: The files and folders that did not exist before.
WRITTEN = [
    # {% for name in record.missing if name not in removed +%}
    "{{ name | python }}",
    # {% endfor +%}
]
FOLDERS = [
    # {% for name in record.missing_folders | reverse +%}
    "{{ name | python }}",
    # {% endfor +%}
]
WAS_EMPTY = bool("{{ 'yes' if cookiecutter | was_empty }}")
IS_UPDATE = bool("{{ 'yes' if cookiecutter | is_update }}")
ANSWERS = {
    # {% for key, text in cookiecutter.items() if text is string +%}
    "{{ key | python }}": "{{ text | python }}",
    # {% endfor +%}
}
MODEL = "model_lib/model.py"
#: Without them the example does not work.
NEEDED = ("app.py", "entrypoint.sh", "gunicorn.conf.py", "model.yaml", "requirements.txt")

# {{ cookiecutter | forget_modules }}


def main() -> None:
    """Run the steps that follow the rendering; if one fails, leave nothing of it."""
    try:
        set_modes()
        remove_skipped_folders()
        if not IS_UPDATE:
            if hasattr(sys.stdout, "reconfigure"):
                # an answer may contain what this terminal cannot show
                sys.stdout.reconfigure(errors="replace")
            print(summary())
            if ANSWERS["git"] == "yes":
                print(start_history(), "\n")
        if KEPT:
            print(list_kept())
        sys.stdout.flush()
    except Exception as error:
        remove_written()
        # what is left in the buffer would fail again
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(f"error: the last step failed: {error}. Nothing was written.")


def set_modes() -> None:
    """Make the scripts executable: a zip file of the template has no modes."""
    for path in Path().glob("*.sh"):
        if path.name not in KEPT:
            mode = path.stat().st_mode
            path.chmod(mode | (mode & 0o444) >> 2)


def remove_skipped_folders() -> None:
    """Remove the folders that the answers skip, since Cookiecutter can skip files only.

    The runtime was rendered just now, since the first hook rejects an existing one. Of the other
    folders, only empty ones are removed.
    """
    if is_package():
        shutil.rmtree("flask_psc_model", ignore_errors=True)
    for name in (".github/workflows", ".github"):
        if os.path.isdir(name) and not os.listdir(name):
            os.rmdir(name)


def remove_written() -> None:
    """Remove the files and folders that did not exist before."""
    for name in WRITTEN:
        with contextlib.suppress(OSError):
            os.remove(name)
    for name in FOLDERS:
        with contextlib.suppress(OSError):
            os.rmdir(name)


def summary() -> str:
    """Return the answers, and the next commands for them."""
    slug, python = ANSWERS["model_slug"], ANSWERS["python_version"]
    gpus = " --gpus all" if ANSWERS["accelerator"] == "cuda" else ""
    # the pip that comes with Python 3.6 cannot install wheels of PyYAML 6
    pip = ' && pip install "pip==21.3.1"' if python == "3.6" else ""
    package = "\n     (The server is a package: README.md explains how pip finds it.)" if is_package() else ""
    answers = [f"  {key:15} {shorten(text)}" for key, text in ANSWERS.items() if key[0] != "_"]
    image = "" if "Dockerfile" in KEPT else f", based on {ANSWERS['base_image']},"
    install = f"python{python} -m venv .venv && . .venv/bin/activate{pip} && pip install -r requirements.txt"
    run = f"docker build -t {slug}:latest . && docker run{gpus} -p 8080:8080 {slug}:latest"
    steps = [
        f"Install the requirements with Python {python}:{package}\n       cd {slug} && {install}",
        *(["Run the tests:\n       python -m unittest"] if os.path.isdir("tests") else []),
        f"Build the image{image} and run it:\n       {run}",
    ]
    return f"""
The repository of your model is in {slug}/. {describe_content()}

{chr(10).join(answers)}

{chr(10).join(f"  {number}. {step}" for number, step in enumerate(steps, 1))}

{describe_model()}
README.md in {slug}/ explains every step.
{describe_data()}{describe_missing_tests()}"""


def describe_content() -> str:
    """Return what the repository contains, as a sentence."""
    if MODEL in KEPT:
        return "It has your model, and no example."
    kept = [name for name in NEEDED if name in KEPT]
    if kept:
        return f"It contains an example, which works with the template's {', '.join(kept)} only."
    return "It contains a working example."


def describe_model() -> str:
    """Return what is to do for the user's model, as a sentence."""
    if MODEL not in KEPT:
        return f"Then put your model in {MODEL}, and describe it in model.yaml."
    if "app.py" in KEPT:
        return "Describe your model in model.yaml."
    return f"Name its class in app.py, in the place of {ANSWERS['__model_class']}, and describe it in model.yaml."


def describe_data() -> str:
    """Return what to change where the new `.gitignore` ignores files of the user's; nothing if it does not."""
    if ".gitignore" not in WRITTEN or not os.path.isdir("data"):
        return ""
    return "\nThe new .gitignore ignores data/: remove that line from it if your data/ belongs in Git.\n"


def describe_missing_tests() -> str:
    """Return what to change where the user's repository has no `tests/`; nothing if it has."""
    uses = (
        ("Dockerfile", "COPY --chmod=755 tests/ tests/"),
        (".dockerignore", "!tests/"),
        (".github/workflows/ci.yml", "the command that runs python -m unittest"),
        (".gitlab-ci.yml", "the command that runs python -m unittest"),
    )
    lines = [f"  {name}: {use}\n" for name, use in uses if name in WRITTEN]
    if os.path.isdir("tests") or not lines:
        return ""
    return f"""
There is no tests/, which these files need. Add tests there, or remove what uses them:
{"".join(lines)}"""


def shorten(text: str) -> str:
    """Return a text on one line."""
    line = " ".join(text.split())
    return line if len(line) <= 90 else f"{line[:84]} [...]"


def is_package() -> bool:
    """Return whether the server is a package instead of a folder."""
    return ANSWERS["runtime"] == "package"


def start_history() -> str:
    """Put the folder under Git with a first commit; return what happened, as a sentence."""
    if not WAS_EMPTY:
        return "Git: no commit was made, since the folder is not new, or cruft adds a file later: commit it yourself."
    if not shutil.which("git"):
        return "Git: no commit was made, since git is not installed. Later: git init && git add --all && git commit"
    if git("rev-parse", "--is-inside-work-tree").returncode == 0:
        return "Git: no commit was made, since the folder is in a repository already: commit it there."
    if any(
        git("-c", "user.useConfigOnly=true", "var", f"GIT_{who}_IDENT").returncode for who in ("AUTHOR", "COMMITTER")
    ):
        return (
            "Git: no commit was made, since git does not know your name and email. Set them with git config --global"
            " user.name and user.email, then run: git init && git add --all && git commit"
        )
    for command in (
        ["init", "--quiet"],
        # the option --initial-branch is newer than some Gits
        ["symbolic-ref", "HEAD", "refs/heads/main"],
        ["add", "--all"],
        ["commit", "--quiet", "--message", "Generate the repository"],
    ):
        result = git(*command)
        if result.returncode:
            return f"Git: git {command[0]} failed; make the first commit yourself:\n{result.stderr.strip()}"
    return f"Git: the first commit is {git('rev-parse', '--short', 'HEAD').stdout.strip()}."


def git(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run Git in the folder."""
    return subprocess.run(["git", *arguments], capture_output=True, encoding="utf-8", errors="replace", check=False)


def list_kept() -> str:
    """Return the list of the kept files, and how to compare them with the template's."""
    files = "\n  ".join(KEPT)
    return f"""These files existed already and were not changed:

  {files}

To compare them with the template's, generate the repository again into an empty folder
(--output-dir). The template's docs/existing-repositories.md lists what your files need.
"""


main()
