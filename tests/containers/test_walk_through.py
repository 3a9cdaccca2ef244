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

#: The guide's section "Building and running the demo container", and its unit tests in Docker, without the comments.
#: Two things differ: `--user`, since the server is not root, and `docker wait` before its state is inspected.
GUIDE = r"""
docker build -t model-template:latest .
docker run --name model-template -e PSC_MODEL_PORT=8080 -p 8080:8080 -v /data:/data --user "$(id -u):$(id -g)" -d model-template:latest
curl -s "http://localhost:8080/status"
echo ffaa00 > /data/input.txt
curl -s -X POST -H "Content-Type: application/json" --data "{\"type\":\"file\",\"input\":\"/data\",\"output\":\"/data\"}" "http://localhost:8080/run"
cat /data/results.json
echo ffaa00 > /data/input.txt
python -m flask_psc_model.cli.run_job --url "http://localhost:8080/run" --input /data --output /data
cat /data/results.json
curl -s -X POST "http://localhost:8080/shutdown"
docker wait model-template
docker inspect model-template --format="{{.State.Status}} {{.State.ExitCode}}"
docker rm model-template
docker save -o model-template-latest.tar model-template:latest
docker run --rm --memory 512m --cpus 1 --ipc=none model-template:latest python -m unittest 2>&1
"""  # noqa: E501


@pytest.fixture
def repository(bake: Bake) -> Iterator[Repository]:
    """Return a repository; what is made of it in the engine is removed in the end."""
    docker("rm", "--force", SLUG)
    yield bake(model_slug=SLUG)
    docker("rm", "--force", SLUG)
    docker("image", "rm", "--force", f"{SLUG}:latest")


@pytest.fixture
def port() -> int:
    """Return a port that is free on this machine."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def run_line(line: str, repository: Repository) -> str:
    """Run a line, or several, in a shell in a repository, and return what is written."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = ["bash", "-e", "-o", "pipefail", "-c", line]
    variables = {**os.environ, "PATH": path, "DOCKER_BUILDKIT": "1"}
    result = subprocess.run(
        command, cwd=repository.path, env=variables, stdout=subprocess.PIPE, encoding="utf-8", check=False
    )
    assert result.returncode == 0, (line, result.stdout)
    return result.stdout


def first_block(markdown: str, title: str) -> str:
    """Return the first commands of a section."""
    section = markdown.split(f"\n## {title}\n")[1].split("\n## ")[0]
    return section.split("```bash\n")[1].split("```")[0]


def wait_for_server(port: int) -> None:
    """Wait as long as a person needs for the next line."""
    for _ in range(100):
        try:
            urlopen(f"http://127.0.0.1:{port}/status", timeout=60).close()
            return
        except OSError:
            time.sleep(0.1)


def test_the_commands_of_the_guide_work(repository: Repository, tmp_path: Path, port: int) -> None:
    data = tmp_path / "data"
    data.mkdir()
    written = {}
    for line in GUIDE.strip().splitlines():
        # the names, the port and the folder are this test's own; a build reaches the package index as this machine does
        own = line.replace("model-template", SLUG).replace("8080:8080", f"{port}:8080")
        own = own.replace("localhost:8080", f"localhost:{port}").replace("docker build", "docker build --network host")
        own = re.sub(r"(-v |> |cat )/data", rf"\1{data}", own)
        written[line] = run_line(own, repository)
        if line.startswith("docker run --name"):
            wait_for_server(port)

    def find(text: str) -> str:
        return next(output for line, output in written.items() if text in line)

    assert '"statusCode":200' in find("/status").replace(" ", "")
    assert '"statusCode":200' in find("--data").replace(" ", "")
    assert "200: the outputs are in /data" in find("run_job")
    assert '"name": "orange"' in find("cat /data").split("}")[0]
    assert '"statusCode":202' in find("/shutdown").replace(" ", "")
    assert find("docker inspect") == "exited 0\n"
    assert (repository.path / f"{SLUG}-latest.tar").stat().st_size > 0
    assert find("unittest").endswith("\nOK\n")


def test_the_commands_of_the_readme_work(repository: Repository, port: int) -> None:
    block = first_block(repository.read("README.md"), "Build and run the container")
    assert block.count("docker save") == 1
    own = block.replace("8080:8080", f"{port}:8080").replace("localhost:8080", f"localhost:{port}")
    output = run_line(own.replace("docker build", "docker build --network host"), repository)
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
