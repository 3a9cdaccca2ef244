"""`check_container` with click and PyYAML alone, as generated continuous integration installs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import create_fast, install_fast
from interpreters import find_interpreter
from repository import ROOT, Repository
from server import Server

TINY = ROOT / "tests" / "runtime" / "tiny"

#: The Python of the workflow that is generated.
VERSION = "3.12"


pytestmark = [pytest.mark.network, pytest.mark.server]


@pytest.mark.skipif(not find_interpreter(VERSION), reason=f"there is no Python {VERSION} on this machine")
def test_check_container_needs_two_packages(defaults: Repository, tmp_path: Path) -> None:
    workflow = (ROOT / "{{cookiecutter.model_slug}}" / ".github" / "workflows").glob("*ci.yml*")
    assert "pip install click pyyaml\n" in next(workflow).read_text(encoding="utf-8")
    environment = create_fast(tmp_path / "environment", VERSION)
    install_fast(environment, VERSION, "click", "pyyaml")
    with Server(TINY, environment.variables(), sys.executable, "server.py") as server:
        server.wait_until_ready()
        options = ["--url", server.url, "--metadata", str(TINY)]
        result = subprocess.run(
            [environment.python, "-m", "flask_psc_model.cli.check_container", *options],
            cwd=defaults.path,
            env=environment.variables(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"{server.url}: " in result.stdout
    assert " passed, 0 failed" in result.stdout
