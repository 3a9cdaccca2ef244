"""The tests of the runtime pass on every Python that a generated repository may have.

The runtime's own tests, `tests/runtime`, are no part of the template's test run. They run
from here instead: for each Python in a fresh virtual environment, with the newest packages
that this Python can have. To run them by hand, on the Python at hand:

    pytest tests/runtime
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from commands import CommandFailed, run
from conftest import create_fast, install_fast
from environment import Environment
from interpreters import find_interpreter
from repository import ROOT

pytestmark = pytest.mark.network

VERSIONS = ["3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13"]

#: Where `make test` runs the tests that start servers; `make test-slow` runs them on the others.
SERVED = {"3.6", "3.8", "3.12", "3.13"}

#: Where the tests run that take long: what differs between two Pythons, the others show.
LONG = [VERSIONS[0], VERSIONS[-1]]

#: What the runtime needs, and what its tests need beside it; always the newest.
PACKAGES = [
    "click",
    'dataclasses; python_version < "3.7"',
    "flask",
    "gunicorn",
    "markdown-it-py",
    "prometheus-client",
    "python-dotenv",
    "pyyaml",
    "hypothesis",
    "jsonschema",
    "pytest",
]


def _on(version: str, *marks: pytest.MarkDecorator) -> Any:
    # one worker makes the environment of a version and runs all of its tests
    all_marks = [pytest.mark.xdist_group(f"runtime {version}"), *marks]
    if not find_interpreter(version):
        all_marks.append(pytest.mark.skip(reason=f"there is no Python {version} on this machine"))
    return pytest.param(version, marks=all_marks)


each_python = pytest.mark.parametrize("environment", [_on(version) for version in VERSIONS], indirect=True)


@pytest.fixture(scope="module")
def environment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Return a fresh environment of a Python, with what the runtime and its tests need."""
    environment = create_fast(tmp_path_factory.mktemp("environment") / request.param, request.param)
    install_fast(environment, request.param, *PACKAGES)
    return environment


@each_python
def test_the_runtime_works_without_a_server_on(
    environment: Environment, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run_tests(environment, tmp_path_factory, "not server and not slow")


@pytest.mark.server
@pytest.mark.parametrize(
    "environment",
    [_on(version, *([] if version in SERVED else [pytest.mark.slow])) for version in VERSIONS],
    indirect=True,
)
def test_the_servers_of_the_runtime_work_on(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> None:
    run_tests(environment, tmp_path_factory, "server and not slow")


@pytest.mark.server
@pytest.mark.slow
@pytest.mark.parametrize("environment", [_on(version) for version in LONG], indirect=True)
def test_the_runtime_works_for_long_on(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> None:
    run_tests(environment, tmp_path_factory, "slow or hypothesis", "--hypothesis-profile=thorough")


def run_tests(environment: Environment, tmp_path_factory: pytest.TempPathFactory, marks: str, *options: str) -> None:
    """Run the runtime's tests that have some marks, and show what they print."""
    folder = tmp_path_factory.mktemp("tests") / "tests"
    command: list[str | Path] = [environment.python, "-m", "pytest", "-m", marks, "-ra", "--tb=short"]
    try:
        output = run(
            [*command, *options, f"--basetemp={folder}", "tests/runtime"],
            ROOT,
            environment.variables(PYTEST_ADDOPTS=""),
        )
    except CommandFailed as error:
        pytest.fail(str(error), pytrace=False)
    print(output)
