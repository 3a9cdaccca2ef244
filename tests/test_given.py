"""Answers that a file or the command line gives: none is dropped in silence, and each is a text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from repository import AUTHOR, QUESTIONS, ROOT, Repository, cookiecutter
from test_refusals import assert_refused

pytestmark = pytest.mark.command

NAME = "color-name-predictor"

#: What a file may contain that is no text, and what the message says of it.
NO_TEXTS = {
    "author: null": 'author: is empty, not text: write author: "Your Name"',
    "model_name:": 'model_name: is empty, not text: write model_name: "Color Name Predictor"',
    "description: [a, b]": "description: is a list, not text: write description:",
    "model_slug: {a: b}": "model_slug: is a mapping, not text: write model_slug:",
    "base_image: [x]": 'base_image: is a list, not text: write base_image: "python:3.12-slim-bookworm',
    "python_version: '3.8'\n  base_image: [x]": 'base_image: is a list, not text: write base_image: "python:3.8-slim',
    "model_name: Leaf Finder\n  model_slug: [x]": 'model_slug: is a list, not text: write model_slug: "leaf-finder"',
    "container_user: [x]": 'container_user: is a list, not text: write container_user: "1000:1000"',
    "description: 2024-01-01": 'description: 2024-01-01 is a date, not text: write description: "2024-01-01"',
    "author: 007": 'author: 007 is a number, not text: write author: "007"',
    "python_version: 3.11": 'python_version: 3.11 is a number, not text: write python_version: "3.11"',
    "python_version: 3.10": 'python_version: 3.10 is a number, not text: write python_version: "3.10"',
    "git: yes": 'git: yes is true or false, not text: write git: "yes"',
    "git: off": 'git: off is true or false, not text: write git: "no"',
    "framework: caffe": 'framework: caffe is no choice: write framework: "none" or "pytorch" or',
    "framework: PyTorch": 'framework: PyTorch is no choice: write framework: "pytorch"',
    "framework: [pytorch]": 'framework: is a list, not text: write framework: "none"',
    "accelerator:": 'accelerator: is empty, not text: write accelerator: "cpu"',
    "modle_name: x": "modle_name is no question: did you mean model_name?",
    "zzz: x": "zzz is no question: the questions are model_name, model_slug,",
}


def write(path: Path, *lines: str) -> Path:
    """Write answers into a file of settings, as a person does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["default_context:", *(f"  {line}" for line in lines), ""]), encoding="utf-8")
    return path


def render(folder: Path, *arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the real command without the settings of the tests, in a home of its own."""
    output = folder / "output"
    output.mkdir()
    result = subprocess.run(
        [sys.executable, "-m", "cookiecutter", ROOT, "--no-input", "-o", output, *arguments],
        cwd=output,
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "HOME": str(folder), "COLUMNS": "200", "PYTHONUTF8": "1", **variables},
        check=False,
    )
    return result


@pytest.mark.parametrize(("line", "message"), NO_TEXTS.items(), ids=list(NO_TEXTS))
def test_a_value_of_the_file_that_cannot_be_used_is_refused_with_the_line_to_write(
    line: str, message: str, tmp_path: Path
) -> None:
    answers = write(tmp_path / "answers.yaml", line)
    result = render(tmp_path, "--config-file", answers)
    assert_refused(result, tmp_path / "output", message)


def test_everything_is_refused_at_once(tmp_path: Path) -> None:
    answers = write(tmp_path / "answers.yaml", "git: yes", "model_slug: My Model", "authr: Ann", "python_version: 3.8")
    result = render(tmp_path, "--config-file", answers, "modle_name=x", "description=bell \a")
    assert_refused(
        result,
        tmp_path / "output",
        "authr is no question: did you mean author?",
        "modle_name is no question: did you mean model_name?",
        'write git: "yes"',
        'write python_version: "3.8"',
        'model_slug "My Model" cannot name',
        "description contains a control character",
    )


def test_the_lines_that_the_messages_say_to_write_are_accepted(tmp_path: Path) -> None:
    lines = [message.partition(": write ")[2] for message in NO_TEXTS.values() if message.endswith('"')]
    by_key = {line.partition(":")[0]: line for line in lines}
    assert len(by_key) > 5
    result = render(tmp_path, "--config-file", write(tmp_path / "answers.yaml", *by_key.values()))
    assert result.returncode == 0, result.stdout
    assert "python_version  3.10\n" in result.stdout


def test_the_file_may_be_named_by_a_relative_path(tmp_path: Path) -> None:
    write(tmp_path / "output.yaml", "author: Ann")
    result = render(tmp_path, "--config-file", "../output.yaml")
    assert result.returncode == 0, result.stderr
    assert Repository(tmp_path / "output" / NAME).metadata()["author"] == "Ann"


def test_so_may_settings_of_the_users_own(tmp_path: Path) -> None:
    write(tmp_path / "output.yaml", "description: {a: b}")
    result = render(tmp_path, COOKIECUTTER_CONFIG="../output.yaml")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "description: is a mapping" in result.stderr


def test_an_unknown_key_on_the_command_line_is_refused(tmp_path: Path) -> None:
    result = render(tmp_path, "modle_name=Leaf Finder", "__answers=x")
    assert_refused(
        result,
        tmp_path / "output",
        "modle_name is no question: did you mean model_name?",
        "__answers is no question",
    )


@pytest.mark.parametrize("variable", ["HOME", "COOKIECUTTER_CONFIG"])
def test_settings_of_the_users_own_are_named_and_let_be(variable: str, tmp_path: Path) -> None:
    lines = ["full_name: Ann", "author: null", "description: {a: b}", "python_version: 3.8", "ci: github"]
    path = write(tmp_path / (".cookiecutterrc" if variable == "HOME" else "settings.yaml"), *lines)
    result = render(tmp_path, **({} if variable == "HOME" else {variable: str(path)}))
    assert result.returncode == 0, result.stdout
    assert (
        f"Not used from {path}:\n"
        '  * author: is empty, not text: write author: "Your Name"\n'
        "  * description: is a mapping, not text: write description: "
    ) in result.stderr
    assert 'python_version: 3.8 is a number, not text: write python_version: "3.8"' in result.stderr
    assert "  * ci: Cookiecutter drops what stands behind python_version\n" in result.stderr
    assert "full_name" not in result.stderr
    metadata = Repository(tmp_path / "output" / NAME).metadata()
    assert metadata["author"] == AUTHOR
    assert metadata["description"]["summary"] == QUESTIONS["description"]


def test_settings_that_can_be_used_are_used_in_silence(tmp_path: Path) -> None:
    write(tmp_path / ".cookiecutterrc", "full_name: Ann", "author: Ann", 'python_version: "3.8"')
    result = render(tmp_path)
    assert result.returncode == 0, result.stdout
    assert result.stderr == ""
    assert Repository(tmp_path / "output" / NAME).metadata()["author"] == "Ann"


@pytest.mark.parametrize("value", [None, ["a"], {"a": "b"}, 3])
@pytest.mark.parametrize("key", ["model_name", "author", "base_image"])
def test_a_replay_of_what_is_no_text_is_refused(key: str, value: Any, tmp_path: Path) -> None:
    questions = {name: value for name, value in QUESTIONS.items() if not name.startswith("_")}
    answers: dict[str, Any] = {name: value[0] if isinstance(value, list) else "x" for name, value in questions.items()}
    answers |= {"model_slug": "leaf", "_extensions": QUESTIONS["_extensions"], key: value}
    saved = tmp_path / "replay.json"
    saved.write_text(json.dumps({"cookiecutter": answers}), encoding="utf-8")
    result = cookiecutter(tmp_path / "output", "--replay-file", saved)
    assert result.returncode == 1
    assert f"  * {key} is " in result.stdout
    assert list((tmp_path / "output").iterdir()) == []


def test_the_author_is_gits_where_it_can_be_used(tmp_path: Path) -> None:
    settings = tmp_path / "gitconfig"
    for number, (name, author) in enumerate({"Zoë O'Hara": "Zoë O'Hara", "": AUTHOR, "{{ x }}": AUTHOR}.items()):
        settings.write_text(f'[user]\n\tname = "{name}"\n', encoding="utf-8")
        folder = tmp_path / str(number)
        folder.mkdir()
        result = render(folder, GIT_CONFIG_GLOBAL=str(settings))
        assert result.returncode == 0, result.stdout
        assert Repository(folder / "output" / NAME).metadata()["author"] == author


def test_without_git_the_author_is_a_placeholder(tmp_path: Path) -> None:
    assert render(tmp_path, PATH="").returncode == 0
    assert Repository(tmp_path / "output" / NAME).metadata()["author"] == AUTHOR


@pytest.mark.parametrize(("answer", "needs"), [("runtime=package", True), ("git=yes", True), ("ci=github", False)])
def test_without_hooks_what_needs_them_is_refused(answer: str, needs: bool, tmp_path: Path) -> None:
    result = render(tmp_path, "--accept-hooks", "no", answer)
    if needs:
        message = f"{answer} needs the template's hooks: omit --accept-hooks no"
        assert_refused(result, tmp_path / "output", message)
    else:
        assert result.returncode == 0, result.stdout
        assert "flask_psc_model" in os.listdir(tmp_path / "output" / NAME)
