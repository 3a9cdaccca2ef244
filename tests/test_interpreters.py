"""The tests of the runtime pass on every Python that a generated repository may have.

The runtime's own tests, `tests/runtime`, are left out of the template's test run and run
from here instead: once for each Python, each time in a fresh virtual environment with the
newest packages that this Python can have. To run them by hand, on the Python at hand:

    pytest tests/runtime
"""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import CommandFailed, run
from conftest import create_fast, install_fast
from interpreters import find_interpreter
from repository import ROOT

VERSIONS = ["3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13"]

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


@pytest.mark.parametrize("version", VERSIONS)
def test_the_runtime_works_on_python(version: str, tmp_path: Path) -> None:
    """Its tests pass in a fresh environment of that Python."""
    if not find_interpreter(version):
        pytest.skip(f"left out: there is no Python {version} on this machine")
    try:
        environment = create_fast(tmp_path / "environment", version)
        install_fast(environment, version, *PACKAGES)
        output = run(
            [
                environment.python,
                "-m",
                "pytest",
                "-ra",
                "--tb=short",
                f"--basetemp={tmp_path / 'tests'}",
                "tests/runtime",
            ],
            folder=ROOT,
            environment=environment.variables(PYTEST_ADDOPTS=""),
        )
    except CommandFailed as error:
        pytest.fail(str(error), pytrace=False)
    print(output)
