"""What is shown at the end: the answers, and commands that work unchanged."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from commands import run
from environment import Environment
from interpreters import find_interpreter
from repository import QUESTIONS, cookiecutter

pytestmark = pytest.mark.command

#: A fake engine, since this test needs none: it prints its arguments and its folder.
DOCKER = """#!/bin/sh
test -f Dockerfile
echo "docker $*"
"""

OLD = {
    "model_slug": "my-model",
    "python_version": "3.6",
    "accelerator": "cuda",
    "runtime": "package",
    "ci": "gitlab",
    "git": "yes",
}


def _for_answers(**answers: str) -> Any:
    version = answers.get("python_version", QUESTIONS["python_version"][0])
    marks = [pytest.mark.xdist_group(f"package {version}")]
    if not find_interpreter(version):
        marks.append(pytest.mark.skip(reason=f"there is no Python {version} on this machine"))
    return pytest.param(answers, version, marks=marks, id=version)


@pytest.mark.network
@pytest.mark.parametrize(("answers", "version"), [_for_answers(), _for_answers(**OLD)])
def test_the_three_commands_work_one_after_another(
    answers: dict[str, str], version: str, wheel: Path, tmp_path: Path
) -> None:
    text = generate(tmp_path / "output", answers)
    commands = list_commands(text)
    assert len(commands) == 3
    tools = tmp_path / "tools"
    tools.mkdir()
    interpreter = find_interpreter(version)
    assert interpreter
    # a venv looks for the rest of Python beside the interpreter, not beside a link to it
    write_tool(tools / f"python{version}", f'#!/bin/sh\nexec "{interpreter}" "$@"\n')
    write_tool(tools / "docker", DOCKER)
    variables = Environment(tools).variables(PIP_FIND_LINKS=str(wheel.parent), PIP_DISABLE_PIP_VERSION_CHECK="1")
    variables["PATH"] = f"{tools}:{variables['PATH']}"
    script = "\n".join(["set -eu", *commands])
    output = run(["bash", "-c", script], folder=tmp_path / "output", environment=variables)
    assert "\nOK\n" in output
    slug, gpus = answers.get("model_slug", "color-name-predictor"), " --gpus all" if answers else ""
    assert output.splitlines()[-2:] == [
        f"docker build -t {slug}:latest .",
        f"docker run{gpus} -p 8080:8080 {slug}:latest",
    ]


def test_every_answer_is_shown(tmp_path: Path) -> None:
    answers = {"description": 'Says\n"what"  it is: ' + "much " * 50, "author": "Größe 🎨", "image_registry": "modzy"}
    text = generate(tmp_path / "output", {**answers, "python_version": "3.8"})
    (saved,) = (tmp_path / "output.replay").iterdir()
    context = json.loads(saved.read_text(encoding="utf-8"))["cookiecutter"]
    shown = dict(re.findall(r"^  (\w+) +(\S.*)$", text, re.MULTILINE))
    assert list(shown) == [key for key in QUESTIONS if not key.startswith("_")]
    assert shown.pop("description").startswith('Says "what" it is: much much')
    assert shown == {key: context[key] for key in shown}
    assert f"on {context['base_image']}, and run" in text


def test_no_gpu_is_asked_for_without_cuda(tmp_path: Path) -> None:
    assert "--gpus" not in generate(tmp_path / "output", {})


def test_an_answer_that_the_terminal_cannot_show_is_no_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    text = generate(tmp_path / "output", {"author": "Größe"})
    assert re.search(r"author +Gr\S+e$", text, re.MULTILINE)


def generate(output: Path, answers: dict[str, str]) -> str:
    """Run the real command; return what it prints at the end."""
    result = cookiecutter(output, "--no-input", *(f"{key}={value}" for key, value in answers.items()))
    assert result.returncode == 0, result.stderr
    return result.stdout


def list_commands(text: str) -> list[str]:
    """Return the commands of the numbered steps."""
    return re.findall(r"^ {7}(\S.*)$", text, re.MULTILINE)


def write_tool(path: Path, text: str) -> None:
    """Write a program."""
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
