"""The container engine of this machine, for the tests that need one."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from repository import QUESTIONS, Repository

from template_extensions.images import base_images

#: Of the default answers.
BASE_IMAGE = next(row["image"] for row in base_images() if row["python"] == QUESTIONS["python_version"][0])


class Server(NamedTuple):
    """A container that runs a model's server, by its name and by its address on this machine."""

    name: str
    url: str


def docker(*arguments: str | Path, text: str | None = None) -> str:
    """Run a command of the engine, given its standard input, and return what it writes."""
    return subprocess.run(
        ["docker", *arguments],
        input=text,
        env={**os.environ, "DOCKER_BUILDKIT": "1"},
        check=True,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ).stdout.strip()


@functools.cache
def find_problem(image: str) -> str:
    """Return why nothing can be built on an image here, or nothing if it can."""
    try:
        if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
            return "no Docker engine answers on this machine"
    except OSError:
        return "there is no Docker on this machine"
    for command in (["image", "inspect"], ["pull"]):
        if subprocess.run(["docker", *command, image], capture_output=True, check=False).returncode == 0:
            return ""
    return f"there is no image {image} on this machine, and it cannot be pulled"


def remove_containers(*options: str) -> None:
    """Remove the containers that `docker ps --all` lists with some options."""
    for container in docker("ps", "--all", "--quiet", *options).split():
        docker("rm", "--force", container)


@contextmanager
def built(repository: Repository, name: str, *options: str) -> Iterator[str]:
    """Build the image of a repository under a name, with options of `docker build`, and remove it in the end."""
    # a run of the tests that was killed may have left some
    remove_containers("--filter", f"ancestor={name}")
    # pip in a build reaches the package index as this machine does
    docker("build", "--quiet", "--network", "host", "--tag", name, *options, repository.path)
    try:
        yield name
    finally:
        docker("image", "rm", "--force", name)


@contextmanager
def serving(image: str, *options: str | Path, port: int = 8080) -> Iterator[Server]:
    """Run an image's server, wait until it is ready, and remove it in the end.

    Args:
        image: its name.
        options: of `docker run`.
        port: on which it listens in the container.
    """
    name = f"psc-test-{uuid.uuid4().hex[:12]}"
    docker("run", "--detach", "--name", name, "--publish", f"127.0.0.1::{port}", *options, image)
    try:
        server = Server(name, f"http://{docker('port', name, str(port)).splitlines()[0]}")
        wait_until_ready(server)
        yield server
    finally:
        docker("rm", "--force", name)


def wait_until_ready(server: Server) -> None:
    """Wait until the server of a container answers that its model is loaded.

    Raises:
        AssertionError: it has exited, or does not answer.
    """
    deadline = time.monotonic() + 60
    while ask(server, "/status").get("statusCode") != 200:
        state = docker("inspect", "--format", "{{.State.Status}}", server.name)
        assert state == "running", docker("logs", server.name)
        assert time.monotonic() < deadline
        time.sleep(0.1)


def ask(server: Server, route: str, *, post: object = None) -> dict[str, object]:
    """Send a request, a POST if it has a body, and return the response object, empty where none comes."""
    body = None if post is None else json.dumps(post).encode()
    try:
        with urlopen(Request(server.url + route, body), timeout=60) as response:
            answer = response.read()
    except HTTPError as error:
        with error:
            answer = error.read()
    except OSError:
        return {}
    content: dict[str, object] = json.loads(answer)
    return content


def run_job(server: Server, folder: Path, text: str = "ffaa00") -> dict[str, object]:
    """Run a job in a folder of this machine, which the container has under /data."""
    (folder / "input.txt").write_text(text, encoding="utf-8")
    return ask(server, "/run", post={"type": "file", "input": "/data", "output": "/data"})
