"""The command `python -m flask_psc_model.cli.check_container`, on a real container engine.

`runtime/tiny` holds a server that is not ours, and keeps the specification; an image for each of its faults
breaks it in one place.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from engine import built, docker
from repository import ROOT, TEMPLATE, Repository

if TYPE_CHECKING:
    from conftest import Bake

TINY = ROOT / "tests" / "runtime" / "tiny"

#: The checks that run in a container of their own.
ALONE = ["status-during-run", "sigterm", "read-only", "no-shared-memory"]
TOGETHER = [
    "command",
    "port",
    "status",
    "exec-form",
    "non-root",
    "examples",
    "validation-errors",
    "malformed-jobs",
    "media-type",
    "missing-input",
    "response-object",
    "fresh-output",
    "same-job-twice",
    "parallel-jobs",
    "shutdown",
]

#: By the check that catches it: what makes an image of the small server a broken one.
FAILURES = {
    "command": "ENV FAULT=command",
    "port": "ENV FAULT=port",
    "status": "ENV FAULT=status",
    "status/silent": "ENV FAULT=status/silent",
    "examples": "ENV FAULT=examples",
    "validation-errors": "ENV FAULT=validation-errors",
    "malformed-jobs": "ENV FAULT=malformed-jobs",
    "media-type": "ENV FAULT=media-type",
    "missing-input": "ENV FAULT=missing-input",
    "response-object": "ENV FAULT=response-object",
    "fresh-output": "ENV FAULT=fresh-output",
    "same-job-twice": "ENV FAULT=same-job-twice",
    "shutdown": "ENV FAULT=shutdown",
    "shutdown/code": "ENV FAULT=shutdown/code",
}

#: How long `/status` is waited for where it never comes; a silent server has to listen by then.
IMPATIENCE = {"port": "1s", "status/silent": "5s"}

RECOMMENDATIONS = {
    "exec-form": "CMD python3 /srv/server.py",
    "non-root": "USER root",
    "shutdown/silent": "ENV FAULT=shutdown/silent",
    "parallel-jobs": "ENV FAULT=parallel-jobs",
    "status-during-run": "ENV FAULT=status-during-run",
    "sigterm": "ENV FAULT=sigterm",
    "read-only": "ENV FAULT=read-only",
    "no-shared-memory": "ENV FAULT=no-shared-memory",
}

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("engine"), pytest.mark.xdist_group("containers")]

Build = Callable[[str], str]


@pytest.fixture(scope="module")
def build(engine: None) -> Iterator[Build]:
    """Return a function that builds an image of the small server with one more line in its Dockerfile."""
    built: list[str] = []

    def build_image(line: str) -> str:
        built.append(f"psc-check-tiny-{len(built)}")
        docker("build", "--quiet", "--network", "none", "--tag", built[-1], "-", text=f"FROM psc-check-tiny\n{line}\n")
        return built[-1]

    docker("build", "--quiet", "--tag", "psc-check-tiny", str(TINY))
    yield build_image
    docker("image", "rm", "--force", "psc-check-tiny", *built)


def make_impatient(folder: Path, fault: str) -> Path:
    """Copy the files of the small server's model, with less time for a start that never succeeds."""
    model = shutil.copytree(TINY, folder)
    text = (model / "model.yaml").read_text(encoding="utf-8")
    (model / "model.yaml").write_text(text.replace("status: 30s", f"status: {IMPATIENCE[fault]}"), encoding="utf-8")
    return model


def check_container(image: str, *arguments: str | Path, model: Path = TINY) -> tuple[int, list[Any]]:
    """Check an image, and return the exit status and the results."""
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "flask_psc_model.cli.check_container",
        image,
        "--metadata",
        model,
        "--json",
    ]
    process = subprocess.run(
        [*command, *arguments],
        cwd=TEMPLATE,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=False,
    )
    assert not docker("ps", "--all", "--quiet", "--filter", f"ancestor={image}")
    return process.returncode, json.loads(process.stdout)["results"]


def checks_of(results: list[Any], *verdicts: str) -> set[str]:
    """Return the names of the checks with a verdict."""
    return {result["check"] for result in results if result["verdict"] in verdicts}


def test_a_server_that_is_not_ours_and_keeps_the_specification_passes(build: Build) -> None:
    code, results = check_container(build("ENV FAULT="))
    assert code == 0
    assert checks_of(results, "passed") == {*TOGETHER, *ALONE}
    assert checks_of(results, "failed", "recommendation", "skipped") == set()


@pytest.mark.parametrize("fault", FAILURES)
def test_a_broken_image_is_caught_by_the_check_that_names_the_fault(build: Build, tmp_path: Path, fault: str) -> None:
    model = make_impatient(tmp_path / "tiny", fault) if fault in IMPATIENCE else TINY
    code, results = check_container(build(FAILURES[fault]), "--only", ",".join(TOGETHER), model=model)
    assert code == 1
    assert checks_of(results, "failed") == {fault.split("/")[0]}
    assert checks_of(results, "recommendation") <= checks_of(results, "failed")


@pytest.mark.parametrize("fault", RECOMMENDATIONS)
def test_an_image_against_best_practice_gets_a_recommendation_from_the_check_that_names_the_fault(
    build: Build, fault: str
) -> None:
    check = fault.split("/")[0]
    # the other checks do not give this one the company that it waits for
    others = [] if fault == "parallel-jobs" else TOGETHER
    code, results = check_container(build(RECOMMENDATIONS[fault]), "--only", ",".join([*others, check]))
    assert code == 0
    assert checks_of(results, "recommendation") == {check}
    assert checks_of(results, "failed", "skipped") == set()


def test_a_generated_repository_passes_without_a_recommendation(image: str, defaults: Repository) -> None:
    code, results = check_container(image, model=defaults.path)
    assert code == 0
    assert checks_of(results, "passed") == {*TOGETHER, *ALONE}
    assert checks_of(results, "failed", "recommendation", "skipped") == set()


def test_root_that_was_answered_passes_without_a_recommendation(bake: Bake) -> None:
    repository = bake(container_user="root")
    with built(repository, "psc-test-root") as image:
        code, results = check_container(image, model=repository.path)
    assert code == 0
    assert checks_of(results, "passed") == {*TOGETHER, *ALONE}
    assert checks_of(results, "failed", "recommendation", "skipped") == set()


def test_an_interrupt_removes_the_container(build: Build, tmp_path: Path) -> None:
    image = build("ENV FAULT=status/silent")
    process = subprocess.Popen(
        [sys.executable, "-m", "flask_psc_model.cli.check_container", image, "--metadata", TINY],
        cwd=TEMPLATE,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(tmp_path)},
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )
    while not docker("ps", "--quiet", "--filter", f"ancestor={image}"):
        assert process.poll() is None
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    assert "interrupted" in process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert not docker("ps", "--all", "--quiet", "--filter", f"ancestor={image}")
    assert list(tmp_path.iterdir()) == []


def test_files_of_another_user_are_removed_in_a_container(build: Build, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "nested").mkdir(parents=True)
    (folder / "nested" / "results.json").write_text("{}")
    script = (
        "import sys; from flask_psc_model.tools.containers.engine import Engine; Engine().remove_folder(*sys.argv[1:])"
    )
    image = build("ENV FAULT=")
    subprocess.run([sys.executable, "-B", "-c", script, str(folder), image], cwd=TEMPLATE, check=True)
    assert list(tmp_path.iterdir()) == []
