"""The command `python -m flask_psc_model.cli.measure`, on a real container engine."""

from __future__ import annotations

import base64
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from engine import docker
from repository import Repository

pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("containers")]


@pytest.fixture
def repository(defaults: Repository, tmp_path: Path) -> Repository:
    """Return a repository of the default answers, to change."""
    shutil.copytree(defaults.path, tmp_path / "repository")
    return Repository(tmp_path / "repository")


@contextmanager
def changed(image: str, *lines: str) -> Iterator[str]:
    """Build an image with more lines of a Dockerfile, and remove it in the end."""
    name = image + "-changed"
    docker("build", "--quiet", "--tag", name, "-", text="\n".join([f"FROM {image}", *lines]))
    try:
        yield name
    finally:
        docker("image", "rm", "--force", name)


def start(repository: Repository, command: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a command of a repository."""
    return subprocess.Popen(
        [sys.executable, "-m", "flask_psc_model", command, *arguments],
        cwd=repository.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def run(repository: Repository, command: str, *arguments: str) -> tuple[int, str, str]:
    """Run a command of a repository; return its exit status and what it wrote."""
    with start(repository, command, *arguments) as process:
        output, errors = process.communicate(timeout=300)
    return process.returncode, output, errors


def list_containers(image: str) -> list[str]:
    """Return the containers of an image, whatever their state."""
    return docker("ps", "--all", "--quiet", "--filter", f"ancestor={image}").split()


def test_an_image_is_measured_and_keeps_to_the_values_that_are_written(image: str, repository: Repository) -> None:
    before = repository.read("model.yaml")
    status, output, errors = run(repository, "measure", image, "--write", "--starts", "2", "--runs", "2")
    assert status == 0, errors
    assert "start 2 of 2: running 6 cases" in errors
    after = repository.read("model.yaml")
    kept = re.compile("(size|status|run): [0-9]+[MGs]")
    assert after != before
    assert kept.sub("", after) == kept.sub("", before)
    record = json.loads(repository.read("measurement.json"))
    assert record["subject"] == image
    assert 10 * 1024**2 < record["peakMemory"] < 512 * 1024**2
    assert re.search("^peak memory .*sampled from its cgroup", output, re.MULTILINE)
    assert list_containers(image) == []
    assert output.endswith("\nThe image has another model.yaml than this folder: build the image again.\n")
    # in a container with the memory that was written
    status, output, errors = run(repository, "check_container", image, "--only", "examples")
    assert status == 0, output + errors


#: Weights of 200 MB in small pieces, which an allocator keeps if it can.
HEAVY = """

class ColorNamePredictorModel(ColorNamePredictorModel):
    def __init__(self):
        super().__init__()
        self.weights = [str(number) * 600 for number in range(60000)]
"""


@pytest.mark.parametrize("addition", ["", HEAVY], ids=["the example", "a heavy model"])
def test_the_unit_tests_pass_with_the_memory_that_is_written(image: str, repository: Repository, addition: str) -> None:
    source = base64.b64encode(addition.encode()).decode()
    with changed(image, "USER 0", f"RUN echo {source} | base64 -d >> model_lib/model.py", "USER 1000") as model:
        status, _, errors = run(repository, "measure", model, "--write", "--starts", "1", "--runs", "2")
        assert status == 0, errors
        memory = repository.metadata()["resources"]["memory"]["size"]
        options = ["--memory", memory, "--memory-swap", memory, "--cpus", "1", "--ipc=none"]
        output = docker("run", "--rm", *options, model, "sh", "-c", "python -m unittest 2>&1")
    assert output.endswith("\nOK"), (memory, output)


COPYING = """
import shutil

from flask_psc_model import ModelBase


class ColorNamePredictorModel(ModelBase):
    input_filenames = "input.txt"
    output_filenames = "results.json"

    def run(self, source, target):
        shutil.copyfile(source, target)
"""


def test_files_that_a_model_copies_are_no_memory_however_many_runs_there_are(
    image: str, repository: Repository
) -> None:
    examples = repository.path / "tests" / "data" / "examples"
    shutil.rmtree(examples)
    (examples / "large").mkdir(parents=True)
    (examples / "large" / "input.txt").write_bytes(b"0123456789abcdef" * (100 * 1024**2 // 16))
    source = base64.b64encode(COPYING.encode()).decode()
    peaks = []
    lines = [
        "USER 0",
        f"RUN echo {source} | base64 -d > model_lib/model.py && sed -i 's/maxSize: .*/maxSize: 1G/' model.yaml",
        "USER 1000",
    ]
    with changed(image, *lines) as copying:
        for runs in "1", "4":
            status, _, errors = run(repository, "measure", copying, "--write", "--starts", "1", "--runs", runs)
            assert status == 0, errors
            peaks.append(json.loads(repository.read("measurement.json"))["peakMemory"] / 1024**2)
    print(peaks)
    assert 10 < min(peaks) <= max(peaks) < 100
    assert max(peaks) - min(peaks) < 20


def test_an_image_without_cat_is_measured_from_this_machine(image: str, repository: Repository) -> None:
    with changed(image, "USER 0", "RUN rm /bin/cat", "USER 1000") as without:
        status, output, errors = run(repository, "measure", without, "--starts", "1", "--runs", "1")
        assert status == 0, errors
        peak = re.search(r"^peak memory +([0-9.]+)M", output, re.MULTILINE)
        assert peak, output
        assert float(peak[1]) > 10
        assert list_containers(without) == []


def test_a_container_that_exits_is_one_line_with_the_end_of_its_log(image: str, repository: Repository) -> None:
    before = repository.read("model.yaml")
    with changed(image, 'CMD ["sh", "-c", "echo no weights >&2; exit 3"]') as broken:
        status, _, errors = run(repository, "measure", broken, "--write")
        assert status == 1
        assert errors.splitlines()[-1].startswith("error: the container exited with code 3")
        assert errors.endswith("no weights\n")
        assert "Traceback" not in errors
        assert list_containers(broken) == []
    assert repository.read("model.yaml") == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_measurement_that_is_stopped_leaves_no_container(
    image: str, repository: Repository, number: signal.Signals
) -> None:
    with start(repository, "measure", image, "--starts", "1", "--runs", "100000") as process:
        try:
            deadline = time.monotonic() + 60
            while not (running := list_containers(image)) and time.monotonic() < deadline:
                time.sleep(0.05)
            assert running
            process.send_signal(number)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode != 0
    assert "Traceback" not in errors
    assert list_containers(image) == []
