"""Answers of which no repository can be made, given to the real command."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from repository import ENTER, QUESTIONS, cookiecutter

pytestmark = pytest.mark.command


def assert_refused(result: subprocess.CompletedProcess[str], output: Path, *messages: str) -> None:
    """Check that the command ended with its message alone, and left nothing."""
    text = result.stdout + result.stderr
    assert result.returncode == 1, text
    assert "Traceback" not in text
    assert text.count("These answers cannot be used:") == 1
    assert text.count("  * ") == len(messages)
    for message in messages:
        assert message in text
    assert list(output.iterdir()) == []


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (["model_slug=My Model"], 'model_slug "My Model" cannot name a folder'),
        (["model_slug=-x"], 'model_slug "-x" cannot name a folder'),
        (["model_slug=" + "x" * 64], "at most 63"),
        (["model_slug=../up"], "cannot name a folder"),
        (["model_name="], "model_name is blank: type a name"),
        (["model_name=one\ntwo"], "model_name has several lines"),
        (["base_image=not an image"], 'base_image "not an image" is not the name of an image'),
        (["description=bell \a"], "description contains a control character"),
        (["description={{ '{{' }}"], "description contains {{"),
        (["author={{ '{%' }}"], "author contains {{"),
        (
            ["base_image=python:3.11-slim-bookworm"],
            "base_image python:3.11-slim-bookworm has Python 3.11, and python_version is 3.12",
        ),
        (
            ["framework=tensorflow", "python_version=3.6", "image_registry=public", "accelerator=cuda"],
            "use one of these:",
        ),
        (["image_registry=modzy"], "there is no modzy base image"),
        (["container_user=1000:"], 'container_user "1000:" is neither root nor an id: type root, a user id such as'),
    ],
)
def test_an_answer_is_refused_with_what_to_type_instead(answers: list[str], message: str, tmp_path: Path) -> None:
    output = tmp_path / "output"
    assert_refused(cookiecutter(output, "--no-input", *answers), output, message)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    output = tmp_path / "output"
    result = cookiecutter(output, "--no-input", "model_name= ", "model_slug=My Model", "base_image=not an image")
    assert_refused(result, output, "model_name is blank", 'model_slug "My Model"', 'base_image "not an image"')


def test_a_problem_in_the_users_settings_is_found_too(tmp_path: Path) -> None:
    output = tmp_path / "output"
    settings = {"default_context": {"model_slug": "My Model"}}
    assert_refused(cookiecutter(output, "--no-input", config=settings), output, 'model_slug "My Model"')


def test_a_problem_in_what_is_typed_is_found_too(tmp_path: Path) -> None:
    output = tmp_path / "output"
    result = cookiecutter(output, keys="My Model\nMy Model\n" + ENTER)
    assert_refused(result, output, 'model_slug "My Model"')


def test_the_second_net_refuses_an_edited_replay(tmp_path: Path) -> None:
    first = tmp_path / "first"
    assert cookiecutter(first, "--no-input").returncode == 0
    (saved,) = (tmp_path / "first.replay").iterdir()
    edited = json.loads(saved.read_text(encoding="utf-8"))
    edited["cookiecutter"]["model_slug"] = "My Model"
    replay = tmp_path / "edited.json"
    replay.write_text(json.dumps(edited), encoding="utf-8")
    second = tmp_path / "second"
    result = cookiecutter(second, "--replay-file", replay)
    assert result.returncode == 1
    # Cookiecutter shows where a hook failed before it shows the message
    assert result.stdout.splitlines()[-2:][0] == "These answers cannot be used:", result.stdout
    assert list(second.iterdir()) == []


def test_a_refusal_leaves_an_existing_folder_as_it_was(tmp_path: Path) -> None:
    existing = tmp_path / "output" / "color-name-predictor"
    existing.mkdir(parents=True)
    (existing / "app.py").write_text("mine", encoding="utf-8")
    result = cookiecutter(tmp_path / "output", "--no-input", "--overwrite-if-exists", "base_image=not an image")
    assert result.returncode == 1
    assert [path.name for path in existing.iterdir()] == ["app.py"]
    assert (existing / "app.py").read_text(encoding="utf-8") == "mine"


def test_cookiecutter_itself_refuses_a_choice_that_is_none(tmp_path: Path) -> None:
    output = tmp_path / "output"
    result = cookiecutter(output, "--no-input", "framework=caffe")
    assert result.returncode == 1
    assert "caffe provided for choice variable framework, but the choices are" in result.stderr
    assert list(output.iterdir()) == []


def test_an_image_of_ones_own_is_taken_as_it_is(tmp_path: Path) -> None:
    output = tmp_path / "output"
    image = "registry.example.com:5000/team/python-3.12:v1.2@sha256:" + "0123456789abcdef" * 4
    result = cookiecutter(output, "--no-input", f"base_image={image}")
    assert result.returncode == 0, result.stderr
    assert (output / "color-name-predictor" / "Dockerfile").read_text(encoding="utf-8").startswith(f"FROM {image}\n")


def test_enter_takes_every_default(tmp_path: Path) -> None:
    output = tmp_path / "output"
    result = cookiecutter(output, keys=ENTER)
    assert result.returncode == 0, result.stderr
    assert [path.name for path in output.iterdir()] == ["color-name-predictor"]
    for label in labels():
        assert label in result.stdout
    assert "(python:3.12-slim-bookworm)" in result.stdout


def test_the_recommended_image_follows_the_answers_typed_before(tmp_path: Path) -> None:
    output = tmp_path / "output"
    python = QUESTIONS["python_version"].index("3.8") + 1
    registry = QUESTIONS["image_registry"].index("modzy") + 1
    result = cookiecutter(output, keys=f"My Model\n\n\n\n1\n{python}\n1\n{registry}\n" + ENTER)
    assert result.returncode == 0, result.stderr
    dockerfile = (output / "my-model" / "Dockerfile").read_text(encoding="utf-8")
    assert dockerfile.splitlines()[0].endswith("/custom-images/modzy-py3.8:latest")


@pytest.mark.parametrize(("registry", "user"), [("public", "1000:1000"), ("modzy", "root")])
def test_the_user_of_the_container_follows_the_registry(tmp_path: Path, registry: str, user: str) -> None:
    output = tmp_path / "output"
    typed = ["My Model", "", "", "", "1", "5", "1", str(QUESTIONS["image_registry"].index(registry) + 1)]
    assert QUESTIONS["python_version"][4] == "3.8"
    result = cookiecutter(output, keys="\n".join(typed) + "\n" + ENTER)
    assert result.returncode == 0, result.stderr
    assert f"({user})" in result.stdout
    dockerfile = (output / "my-model" / "Dockerfile").read_text(encoding="utf-8")
    assert re.findall("^USER (.*)$", dockerfile, re.MULTILINE) == [user]


def labels() -> list[str]:
    """Return every label that a user is shown."""
    prompts: list[Any] = list(QUESTIONS["__prompts__"].values())
    return [label for prompt in prompts for label in (prompt.values() if isinstance(prompt, dict) else [prompt])]
