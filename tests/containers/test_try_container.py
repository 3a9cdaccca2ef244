"""The command `python -m flask_psc_model.cli.try_container`, on a real container engine."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from engine import docker
from repository import Repository

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("image"), pytest.mark.xdist_group("containers")]

TAG = "psc-test-try"

#: The example's own file, and what it holds.
FILE = "tests/data/examples/black/input.txt"


@pytest.fixture
def repository(defaults: Repository, tmp_path: Path) -> Iterator[Repository]:
    """Return a repository of the default answers, to change; its image is removed in the end."""
    shutil.copytree(defaults.path, tmp_path / "repository")
    yield Repository(tmp_path / "repository")
    docker("image", "rm", "--force", TAG)


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """Return the folder for the command's temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


def start(repository: Repository, temporary: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start the command, whose build reaches the package index as this machine does."""
    own = ("--tag", TAG, "--build-option=--network=host")
    return subprocess.Popen(
        [sys.executable, "-m", "flask_psc_model.cli.try_container", *own, *arguments],
        cwd=repository.path,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )


def try_container(repository: Repository, temporary: Path, *arguments: str) -> tuple[int, str, str]:
    """Run the command; return its exit status and what it wrote."""
    with start(repository, temporary, *arguments) as process:
        output, errors = process.communicate(timeout=300)
    return process.returncode, output, errors


def list_containers() -> list[str]:
    """Return the containers of the image, whatever their state."""
    return docker("ps", "--all", "--quiet", "--filter", f"ancestor={TAG}").split()


def wait_until(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_an_edit_runs_in_a_container_that_goes_or_stays(repository: Repository, temporary: Path) -> None:
    status, output, errors = try_container(repository, temporary, FILE)
    assert status == 0, errors
    assert re.search(r"^The job took \d+\.\d\d s: 200$", output, re.MULTILINE)
    assert '"name": "black"' in output
    assert not list_containers()
    assert not list(temporary.iterdir())

    model = repository.path / "model_lib" / "colors.py"
    model.write_text(model.read_text(encoding="utf-8").replace('"black"', '"coal"'), encoding="utf-8")
    status, output, errors = try_container(repository, temporary, FILE, "--keep", "--output", "out")
    assert status == 0, errors
    assert '"name": "coal"' in (repository.path / "out" / "results.json").read_text(encoding="utf-8")
    assert len(list_containers()) == 1
    lines = output.splitlines()
    again, remove = lines[-3].strip(), lines[-1].strip()
    repository.run(sys.executable, *again.split()[1:])
    repository.run("sh", "-c", remove)
    assert not list_containers()
    assert not list(temporary.iterdir())


def test_a_refused_input_shows_the_message(repository: Repository, temporary: Path) -> None:
    (repository.path / "orange.txt").write_text("orange", encoding="utf-8")
    status, output, errors = try_container(repository, temporary, "orange.txt")
    assert status == 1, errors
    assert re.search("^The job took .* s: 422: .*ffaa00", output, re.MULTILINE)
    assert list_containers() == []


def test_ctrl_c_ends_a_build_and_what_it_runs(repository: Repository, temporary: Path) -> None:
    dockerfile = repository.path / "Dockerfile"
    with dockerfile.open("a", encoding="utf-8") as file:
        file.write("RUN exec sleep 31415\n")

    def is_building() -> bool:
        return any(b"sleep\x0031415\0" in command for command in map(read_command, Path("/proc").glob("[0-9]*")))

    with start(repository, temporary, FILE) as process:
        wait_until(is_building)
        os.killpg(process.pid, signal.SIGINT)
        errors = process.communicate(timeout=60)[1]
    assert process.returncode == 128 + signal.SIGINT, errors
    assert errors.endswith("interrupted: left no container\n")
    assert "Traceback" not in errors
    wait_until(lambda: not is_building())
    assert list(temporary.iterdir()) == []


def read_command(process: Path) -> bytes:
    """Return the command line of a process, nothing if it has ended."""
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""
