"""What users do with a generated repository, on every Python that the template offers.

Real environments, real servers, real requests.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import make_environment
from environment import Environment
from interpreters import find_interpreter
from lock import list_pins
from server import Server

if TYPE_CHECKING:
    from conftest import Bake

pytestmark = pytest.mark.network

OTHER_ANSWERS = {
    "model_name": 'Größe & "Maß" 2',
    "model_slug": "my.own_model-2",
    "description": 'Says "what" it\'s: C:\\new # 100 %\n$(id) `id` 🎨',
    "author": 'Ann "Q"',
    "accelerator": "cuda",
}

each_answers = pytest.mark.parametrize(
    "answers", [pytest.param({}, id="defaults"), pytest.param(OTHER_ANSWERS, id="other answers")]
)


@pytest.mark.server
@each_answers
def test_it_passes_its_own_tests(bake: Bake, version: str, environment: Environment, answers: dict[str, str]) -> None:
    repository = bake(python_version=version, **answers)
    output = repository.run("python", "-m", "unittest", environment=environment)
    assert "\nOK\n" in output


@pytest.mark.server
@pytest.mark.parametrize("command", ["python app.py", "flask run", "./entrypoint.sh"])
def test_its_servers_do_a_job_and_shut_down(
    bake: Bake, version: str, environment: Environment, command: str, tmp_path: Path
) -> None:
    repository = bake(python_version=version)
    (tmp_path / "input.txt").write_text("ffaa00\n", encoding="utf-8")
    with Server(repository.path, environment.variables(), *command.split()) as server:
        try:
            server.wait_until_ready()
            status, answer = server.post("/run", {"type": "file", "input": str(tmp_path), "output": str(tmp_path)})
            assert status == 200, answer
            assert first_name(tmp_path / "results.json") == "orange"
            status, answer = server.post("/shutdown")
            assert status == 202, answer
            assert server.wait() == 0
        except BaseException:
            print(server.read_log())
            raise


def test_its_model_runs_without_a_server(bake: Bake, version: str, environment: Environment, tmp_path: Path) -> None:
    repository = bake(python_version=version)
    input_path, output_path = tmp_path / "input.txt", tmp_path / "results.json"
    input_path.write_text("#FA0", encoding="utf-8")
    repository.run("python", "-m", "model_lib.model", input_path, output_path, environment=environment)
    assert first_name(output_path) == "orange"


@pytest.mark.server
@each_answers
def test_it_passes_its_own_tests_under_pytest(
    bake: Bake, version: str, environment_with_pytest: Environment, answers: dict[str, str]
) -> None:
    repository = bake(python_version=version, **answers)
    output = repository.run("python", "-m", "pytest", environment=environment_with_pytest)
    assert " passed" in output
    assert " skipped" not in output


def test_its_tools_leave_its_pins_as_they_are(bake: Bake, version: str, environment_with_pytest: Environment) -> None:
    repository = bake(python_version=version)
    environment_with_pytest.install("-r", repository.path / "requirements-dev.txt")
    run = partial(repository.run, "python", environment=environment_with_pytest)
    installed = set(run("-m", "pip", "freeze").lower().replace("_", "-").split())
    assert list_pins(repository.read("requirements.txt")) <= installed
    problems = "from flask_psc_model.tools.checklist import metadata; print(list(metadata.find_schema_problems('.')))"
    assert run("-c", problems).splitlines()[-1] == "[]"


OLDEST = "3.6"


@pytest.mark.skipif(not find_interpreter(OLDEST), reason=f"there is no Python {OLDEST} on this machine")
def test_the_types_of_its_runtime_are_right_for_the_oldest_python(bake: Bake, tmp_path: Path) -> None:
    repository = bake(python_version=OLDEST)
    environment = make_environment(tmp_path / "environment", repository, OLDEST)
    # the last mypy that knows the language and the standard library of that Python
    environment.install("mypy==0.971", "types-PyYAML", "types-dataclasses")
    repository.run("python", "-m", "mypy", "-p", "flask_psc_model", environment=environment)


def first_name(results: Path) -> str:
    """Return the first name in a file of results."""
    return str(json.loads(results.read_text(encoding="utf-8"))["predictions"][0]["name"])
