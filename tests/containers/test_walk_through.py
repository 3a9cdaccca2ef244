"""The commands of the documents, unchanged, on a real engine."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest
from engine import built, docker

if TYPE_CHECKING:
    from conftest import Bake
    from repository import Repository

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("engine"), pytest.mark.xdist_group("containers")]

SLUG = "psc-walk-through"

#: The commands of the guide's sections "Building and running the demo container" and "Running the unit tests".
GUIDE = r"""
# build the app server image
docker build -t model-template:latest .

# run the app server container on port 8080
docker run --name model-template -e PSC_MODEL_PORT=8080 -p 8080:8080 -v /data:/data -d model-template:latest

# check the container status
curl -s "http://localhost:8080/status"

# run some inference jobs using curl
echo ffaa00 > /data/input.txt
curl -s -X POST -H "Content-Type: application/json" \
    --data "{\"type\":\"file\",\"input\":\"/data\",\"output\":\"/data\"}" \
    "http://localhost:8080/run"
cat /data/results.json

# or run some inference jobs using the utility cli
echo ffaa00 > /data/input.txt
python -m flask_psc_model.cli.run_job --url "http://localhost:8080/run" --input /data --output /data
cat /data/results.json

# stop the app server
curl -s -X POST "http://localhost:8080/shutdown"
# check that we exited with exit code 0
docker inspect model-template --format="{{.State.Status}} {{.State.ExitCode}}"
# cleanup the exited docker container
docker rm model-template

# save the container to a tar archive
docker save -o model-template-latest.tar model-template:latest

# in docker
docker run --rm --memory 512m --cpus 1 --shm-size 0m model-template:latest python -m unittest

# in docker with test files mounted as a volume
docker run --rm --memory 512m --cpus 1 --shm-size 0m -v $(pwd)/test:/opt/app/test model-template:latest python -m unittest
"""  # noqa: E501


@pytest.fixture
def remove() -> Iterator[list[str]]:
    """Return a list of names; in the end the containers and the images of these names are removed."""
    names: list[str] = []
    yield names
    for name in names:
        docker("rm", "--force", name)
        docker("image", "rm", "--force", f"{name}:latest")


@pytest.fixture
def port() -> int:
    """Return a port that is free on this machine."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def run_line(line: str, repository: Repository, tools: Path | None = None) -> str:
    """Run a line, or several, in a shell in a repository, and return what is written.

    Args:
        line: to run.
        repository: the working directory.
        tools: a folder of programs that come before all others.
    """
    path = os.pathsep.join([*([str(tools)] if tools else []), str(Path(sys.executable).parent), os.environ["PATH"]])
    command = ["bash", "-e", "-o", "pipefail", "-c", line]
    variables = {**os.environ, "PATH": path, "DOCKER_BUILDKIT": "1"}
    result = subprocess.run(
        command,
        cwd=repository.path,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    assert result.returncode == 0, (line, result.stdout)
    return result.stdout


def first_block(markdown: str, title: str) -> str:
    """Return the first commands of a section."""
    section = markdown.split(f"\n## {title}\n")[1].split("\n## ")[0]
    return section.split("```bash\n")[1].split("```")[0]


def become_ordinary(repository: Repository, tools: Path) -> Path:
    """Let root's shell be that of an ordinary user to the commands: by their ids, and as the owner of `data`."""
    (repository.path / "data").mkdir(mode=0o755)
    os.chown(repository.path / "data", 12345, 23456)
    tools.mkdir()
    (tools / "id").write_text('#!/bin/sh\n[ "$1" = -u ] && echo 12345 || echo 23456\n', encoding="utf-8")
    (tools / "id").chmod(0o755)
    return tools


def wait_for_server(port: int) -> None:
    """Wait as long as a person needs for the next line."""
    for _ in range(100):
        try:
            urlopen(f"http://127.0.0.1:{port}/status", timeout=60).close()
            return
        except OSError:
            time.sleep(0.1)


def test_the_commands_of_the_guide_work_as_root(bake: Bake, tmp_path: Path, port: int, remove: list[str]) -> None:
    repository = bake(container_user="root")
    data = tmp_path / "data"
    # as fresh as the one that the engine makes: only its owner may write
    data.mkdir(mode=0o755)
    remove.append("model-template")
    written = {}
    for command in re.findall(r"^(?!#)(?:.*\\\n)*.+$", GUIDE, re.MULTILINE):
        # the port and the folder are this test's own; a build reaches the package index as this machine does
        own = command.replace("8080:8080", f"{port}:8080").replace("localhost:8080", f"localhost:{port}")
        own = re.sub(r"(-v |> |cat )/data", rf"\1{data}", own).replace("docker build", "docker build --network host")
        if command.startswith("docker inspect"):
            # as long as a person needs for the next line
            docker("wait", "model-template")
        written[command] = run_line(own, repository)
        if command.startswith("docker run --name"):
            wait_for_server(port)

    def find(text: str) -> str:
        return next(output for command, output in written.items() if text in command)

    assert '"statusCode":200' in find("/status").replace(" ", "")
    assert '"statusCode":200' in find("--data").replace(" ", "")
    assert "200: the outputs are in /data" in find("run_job")
    assert '"name": "orange"' in find("cat /data").split("}")[0]
    assert '"statusCode":202' in find("/shutdown").replace(" ", "")
    assert find("docker inspect") == "exited 0\n"
    assert (repository.path / "model-template-latest.tar").stat().st_size > 0
    assert find("python -m unittest").endswith("\nOK\n")
    assert find("/opt/app/test").endswith("\nOK\n")


@pytest.mark.parametrize("user", ["1000:1000", "root"])
def test_the_commands_of_the_readme_work(bake: Bake, tmp_path: Path, port: int, remove: list[str], user: str) -> None:
    remove.append(SLUG)
    repository = bake(model_slug=SLUG, container_user=user)
    tools = become_ordinary(repository, tmp_path / "tools") if os.geteuid() == 0 else None
    block = first_block(repository.read("README.md"), "Build and run the container")
    assert block.count("docker save") == 1
    assert block.count("--user") == (user != "root")
    own = block.replace("8080:8080", f"{port}:8080").replace("localhost:8080", f"localhost:{port}")
    output = run_line(own.replace("docker build", "docker build --network host"), repository, tools)
    assert output.replace(" ", "").count('"statusCode":200') == 2
    assert output.count('"name": "orange"') == 2
    assert "\nexited 0\n" in output
    assert (repository.path / f"{SLUG}-latest.tar").stat().st_size > 0


def test_the_wheel_that_the_docs_keep_in_the_repository_reaches_the_image(bake: Bake, wheel: Path) -> None:
    repository = bake(runtime="package")
    block = first_block(repository.read("docs/server/README.md"), "Where the server comes from")
    run_line(block.replace("PATH_TO_THE_TEMPLATE/dist", str(wheel.parent)), repository)
    with built(repository, "psc-test-wheel") as image:
        assert "\nOK\n" in run_line(f"docker run --rm --ipc=none {image} python -m unittest 2>&1", repository)
