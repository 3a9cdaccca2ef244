"""The repository that the default answers give."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest
from commands import CommandFailed
from repository import AUTHOR, QUESTIONS, ROOT, RUNTIME_SUFFIXES, TEMPLATE, Repository
from tidiness import find_faults

if TYPE_CHECKING:
    from conftest import Bake

#: A path in a document: of a folder, or of a file in one; `text/plain` is none.
PATH = re.compile(r"`((?:[\w.-]+/)+(?:\*|[\w.-]+\.(?:in|json|md|py|sh|txt|toml|ya?ml))?)`")

#: Longer than what `class_name` keeps, so that the generated lines are as long as they get.
LONG_NAME = "A " + "Very " * 12 + "Long Name"

#: Syntax, by the Python that has it first.
SYNTAX = {
    (3, 8): 'if count := len("leaf"):\n    print(count)\n',
    (3, 10): 'match len("leaf"):\n    case 4:\n        print(4)\n',
    (3, 12): "type Leaf = str\n",
}

every_repository = pytest.mark.parametrize(
    "answers",
    [
        pytest.param({}, id="defaults"),
        pytest.param({"python_version": "3.6", "image_registry": "modzy", "accelerator": "cuda"}, id="modzy"),
        pytest.param({"model_name": LONG_NAME}, id="long name"),
        pytest.param({"model_name": "X", "description": 'C:\\new is "it"', "author": "'"}, id="quotes"),
    ],
)


def test_every_path_in_the_readme_is_there(defaults: Repository) -> None:
    paths = {path.rstrip("/*") for path in PATH.findall(defaults.read("README.md"))}
    assert {"model_lib/model.py", "tests/data/examples"} <= paths
    assert [path for path in sorted(paths) if not (defaults.path / path).exists()] == []


@pytest.mark.parametrize("folder", ["examples", "validation-error"])
def test_there_are_at_least_five_cases_of_a_kind(defaults: Repository, folder: str) -> None:
    assert len(list((defaults.path / "tests" / "data" / folder).iterdir())) >= 5


@every_repository
def test_every_text_is_tidy(bake: Bake, answers: dict[str, str]) -> None:
    assert {name: faults for name, content in bake(**answers).texts() if (faults := find_faults(content))} == {}


def test_the_runtime_is_rendered_byte_for_byte(defaults: Repository) -> None:
    rendered = Repository(defaults.path / "flask_psc_model")
    source = Repository(TEMPLATE / "flask_psc_model")
    names = [name for name in source.files() if name.endswith(RUNTIME_SUFFIXES)]
    assert "__init__.py" in names
    assert list(rendered.files()) == names
    for name in names:
        content = (source.path / name).read_bytes()
        assert (rendered.path / name).read_bytes() == content
        assert not re.search(rb"\{[{%#]", content), name


def test_the_runtime_carries_its_licence_into_the_repository_and_the_image(defaults: Repository) -> None:
    name = "flask_psc_model/LICENSE"
    assert defaults.read(name) == (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "COPY --chmod=755 flask_psc_model/ flask_psc_model/" in defaults.read("Dockerfile")
    ignored = defaults.read(".dockerignore").splitlines()
    assert "!flask_psc_model/" in ignored
    assert [line for line in ignored if line.endswith("LICENSE")] == []


def test_the_entry_point_is_executable(defaults: Repository) -> None:
    assert os.access(defaults.path / "entrypoint.sh", os.X_OK)


@every_repository
def test_the_code_is_clean(bake: Bake, answers: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> None:
    repository = bake(**answers)
    repository.check_style()
    repository.run(sys.executable, "-m", "mypy", ".", MYPY_CACHE_DIR=str(tmp_path_factory.getbasetemp() / "mypy"))


@pytest.mark.parametrize(
    ("python", "runtime"), [*((python, "vendored") for python in QUESTIONS["python_version"]), ("3.12", "package")]
)
def test_ruff_checks_the_users_code_for_the_python_of_the_answers(bake: Bake, python: str, runtime: str) -> None:
    repository = bake(python_version=python, runtime=runtime)
    repository.check_style()
    version = tuple(map(int, python.split(".")))
    for since, code in SYNTAX.items():
        (repository.path / "model_lib" / "modern.py").write_text(code, encoding="utf-8")
        if version >= since:
            repository.check_style()
        else:
            with pytest.raises(CommandFailed, match="invalid-syntax"):
                repository.check_style()


def test_the_users_settings_of_ruff_do_not_concern_the_server(bake: Bake) -> None:
    repository = bake()
    settings = 'target-version = "py313"\nline-length = 60\n[lint]\nselect = ["E501", "UP"]\n'
    # ruff prefers this file to pyproject.toml
    (repository.path / "ruff.toml").write_text(settings, encoding="utf-8")
    with pytest.raises(CommandFailed, match="E501"):
        repository.check_style()
    repository.check_style("flask_psc_model")


def test_the_metadata_has_every_key_of_the_specification(defaults: Repository) -> None:
    assert set(defaults.metadata()) == {
        "author",
        "description",
        "filters",
        "inputs",
        "internal",
        "metrics",
        "name",
        "outputs",
        "releaseNotes",
        "resources",
        "source",
        "specification",
        "tags",
        "timeout",
        "type",
        "version",
    }


def test_the_answers_reach_the_files_that_show_them(defaults: Repository) -> None:
    metadata = defaults.metadata()
    assert metadata["name"] == QUESTIONS["model_name"]
    assert metadata["author"] == AUTHOR
    assert metadata["description"]["summary"] == QUESTIONS["description"]
    assert defaults.path.name == "color-name-predictor"
    assert defaults.model_class().name == "ColorNamePredictorModel"
    assert "model_lib.model.ColorNamePredictorModel" in defaults.read("app.py")
    assert defaults.read("README.md").startswith("# " + QUESTIONS["model_name"])


@pytest.mark.parametrize(("accelerator", "gpus"), [("cpu", 0), ("cuda", 1)])
def test_a_gpu_is_asked_for_where_cuda_is(bake: Bake, accelerator: str, gpus: int) -> None:
    assert bake(accelerator=accelerator).metadata()["resources"]["gpu"]["count"] == gpus


@pytest.mark.parametrize("question", [name for name in QUESTIONS if not name.startswith("_")])
def test_every_question_and_choice_has_a_label(question: str) -> None:
    prompt: Any = QUESTIONS["__prompts__"][question]
    choices = QUESTIONS[question]
    if isinstance(choices, list):
        assert set(prompt) == {"__prompt__", *choices}
        assert all(label.strip() for label in prompt.values())
    else:
        assert prompt.strip()


def test_there_are_no_labels_without_a_question() -> None:
    assert set(QUESTIONS["__prompts__"]) <= set(QUESTIONS)
