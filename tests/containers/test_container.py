"""The container of a generated repository: what is in its image, and where it runs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import make_bake
from engine import BASE_IMAGE, Server, ask, built, docker, find_problem, run_job, serving
from repository import Repository

from template_extensions.images import runtime_version

if TYPE_CHECKING:
    from conftest import Bake

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("engine"), pytest.mark.xdist_group("containers")]

#: What the platform may do to a container, as options of `docker run`.
HARDENED = {
    "a read-only root file system and a /tmp of its own": ["--read-only", "--tmpfs", "/tmp"],
    "a read-only root file system, where only /dev/shm can be written": ["--read-only"],
    "no shared memory": ["--ipc=none"],
    "no capabilities": ["--cap-drop=ALL", "--security-opt=no-new-privileges"],
    "a user without a name": ["--user=12345:23456"],
    "all of that": [
        "--read-only",
        "--tmpfs=/tmp",
        "--ipc=none",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        "--user=12345:23456",
    ],
}

#: What Kubernetes' manifests leave to root.
AS_ROOT = ["--cap-drop=ALL", "--cap-add=DAC_OVERRIDE", "--cap-add=FOWNER", "--read-only", "--tmpfs=/tmp"]

#: The build arguments that continuous integration passes, and the labels that they become.
ARGUMENTS = {
    "CREATED": ("created", "2026-03-01T12:00:00Z"),
    "REVISION": ("revision", "0123456789abcdef"),
    "SOURCE": ("source", "https://example.com/team/a $model"),
}

#: Answers with what means something in a Dockerfile.
ODD_TEXT = 'Says "no" to $HOME, ${PATH} and \\ # to the end'

#: Other Pythons, and the images that their repositories are built on.
OLD_PYTHONS = {"3.8": "python:3.8-slim-bookworm", "3.6": "python:3.6-slim-bullseye"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder that every user may write."""
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o777)
    return data


@pytest.fixture(scope="module")
def odd_image(cookies_session: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the image of a repository that nobody but its owner may read, with odd texts."""
    bake = make_bake(cookies_session)
    repository = bake(model_name='The "odd" $model', description=ODD_TEXT, author="Ann \\ Ü #1")
    copy = tmp_path_factory.mktemp("odd") / "repository"
    shutil.copytree(repository.path, copy)
    for path in [copy, *copy.rglob("*")]:
        path.chmod(path.stat().st_mode & 0o700)
    options = [f"--build-arg={name}={value}" for name, (_, value) in ARGUMENTS.items()]
    with built(Repository(copy), "psc-test-odd", *options) as name:
        yield name


@pytest.fixture(scope="module")
def root_image(cookies_session: Any) -> Iterator[str]:
    """Return the image of a repository whose container is root."""
    with built(make_bake(cookies_session)(container_user="root"), "psc-test-root") as name:
        yield name


@pytest.fixture
def foreign_folder(folder: Path, root_image: str) -> Iterator[Path]:
    """Return a folder of another user, which nobody else may write, with the input and the results of a job."""

    def run_as_root(command: str) -> None:
        docker("run", "--rm", "--volume", f"{folder}:/data", root_image, "sh", "-c", command)

    for name in ("input.txt", "results.json"):
        (folder / name).write_text("ffaa00", encoding="utf-8")
    run_as_root("chown -R 12345:12345 /data && chmod 1755 /data")
    yield folder
    run_as_root(f"chown -R {os.getuid()}:{os.getgid()} /data && chmod 777 /data")


@pytest.mark.parametrize("options", HARDENED.values(), ids=HARDENED)
def test_a_job_runs_and_the_server_stops_with(image: str, folder: Path, options: list[str]) -> None:
    with serving(image, "--volume", f"{folder}:/data", *options) as server:
        assert run_job(server, folder)["statusCode"] == 200
        results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        assert results["predictions"][0]["name"] == "orange"
        assert ask(server, "/shutdown", post={})["statusCode"] == 202
        assert docker("wait", server.name) == "0"


@pytest.mark.parametrize("options", [["--read-only"], HARDENED["all of that"]], ids=["a read-only root", "all of that"])
def test_the_unit_tests_pass_in_a_container_with(image: str, options: list[str]) -> None:
    output = docker("run", "--rm", *options, image, "sh", "-c", "python -m unittest 2>&1")
    assert output.endswith("\nOK")


def test_a_folder_that_the_user_may_not_write_is_a_400_that_proposes_one_who_may(image: str, folder: Path) -> None:
    (folder / "input.txt").write_text("ffaa00", encoding="utf-8")
    folder.chmod(0o555)
    with serving(image, "--volume", f"{folder}:/data", "--cap-drop=ALL") as server:
        answer = ask(server, "/run", post={"type": "file", "input": "/data", "output": "/data"})
    folder.chmod(0o777)
    assert answer["statusCode"] == 400
    assert "/data" in str(answer["message"])
    assert "user 1000 and group 1000" in str(answer["message"])
    assert "--user" in str(answer["message"])


@pytest.mark.parametrize("options", [[], HARDENED["no capabilities"], AS_ROOT], ids=["all", "no", "two"])
def test_root_runs_jobs_and_the_unit_tests_with_all_capabilities_or_none(
    root_image: str, folder: Path, options: list[str]
) -> None:
    assert docker("run", "--rm", *options, root_image, "id", "-u") == "0"
    with serving(root_image, "--volume", f"{folder}:/data", *options) as server:
        assert run_job(server, folder)["statusCode"] == 200
        output = docker("exec", server.name, "sh", "-c", "python -m unittest 2>&1")
        assert output.endswith("\nOK")
        assert ask(server, "/shutdown", post={})["statusCode"] == 202
        assert docker("wait", server.name) == "0"


@pytest.mark.parametrize("options", [[], AS_ROOT], ids=["all capabilities", "those of Kubernetes' manifests"])
def test_root_replaces_a_result_in_a_folder_of_another_user(
    root_image: str, foreign_folder: Path, options: list[str]
) -> None:
    with serving(root_image, "--volume", f"{foreign_folder}:/data", *options) as server:
        answer = ask(server, "/run", post={"type": "file", "input": "/data", "output": "/data"})
        assert answer["statusCode"] == 200, answer
        assert "in place" not in read_log(server), "the folder's sticky bit was in the way"
    assert "orange" in (foreign_folder / "results.json").read_text(encoding="utf-8")
    assert sorted(path.name for path in foreign_folder.iterdir()) == ["input.txt", "results.json"]


def test_root_without_capabilities_gets_the_400_that_names_it_and_the_folder(
    root_image: str, foreign_folder: Path
) -> None:
    with serving(root_image, "--volume", f"{foreign_folder}:/data", "--cap-drop=ALL") as server:
        answer = ask(server, "/run", post={"type": "file", "input": "/data", "output": "/data"})
    assert answer["statusCode"] == 400
    assert "/data" in str(answer["message"])
    assert "user 0 and group 0" in str(answer["message"])


def test_the_settings_of_pip_are_used_in_the_build_and_stay_out_of_the_image(bake: Bake, tmp_path: Path) -> None:
    repository = bake()
    # a small set of packages, which no other build has cached: its layer depends on the text of the file
    (click,) = re.findall("^click==.*$", repository.read("requirements.txt"), re.MULTILINE)
    requirements = f"{click} # {tmp_path}\n"
    (repository.path / "requirements.txt").write_text(requirements, encoding="utf-8")
    secret = tmp_path / "pip.conf"
    # pip turns this option on by `no`
    secret.write_text("# hush-hush\n[install]\nno-compile = no\n", encoding="utf-8")
    with built(repository, "psc-test-secret", f"--secret=id=pip,src={secret}") as image:
        history = docker("history", "--no-trunc", image)
        config = docker("inspect", image)
        find = "import click, os; print(*os.listdir(os.path.dirname(click.__file__)))"
        files = docker("run", "--rm", image, "python", "-c", find).split()
        search = "grep -rls hush-hush /etc /opt /run /tmp /root; ls /etc/pip.conf /run/secrets 2>&1"
        left = docker("run", "--rm", "--user=0", image, "sh", "-c", f"({search}) || true")
    assert "pip install -r requirements.txt" in history
    assert "hush-hush" not in history + config
    assert "core.py" in files
    assert "__pycache__" not in files, "pip did not read its settings"
    assert left.count("No such file or directory") == len(left.splitlines()) == 2


#: A Debian repository of one package, in the place of those that a test may not reach.
PACKAGE = """\
FROM {image}
RUN mkdir -p /repository/psc/DEBIAN /repository/psc/usr/bin && cd /repository \
    && printf 'Package: psc-tool\\nVersion: 1\\nArchitecture: all\\nMaintainer: Ann\\nDescription: A tool\\n' \
        > psc/DEBIAN/control \
    && printf '#!/bin/sh\\necho a tool of the system\\n' > psc/usr/bin/psc-tool && chmod 755 psc/usr/bin/psc-tool \
    && dpkg-deb --build psc . && rm -r psc \
    && for each in *.deb; do dpkg-deb --field "$each"; echo "Filename: ./$each"; \
        echo "Size: $(stat -c %s "$each")"; echo "SHA256: $(sha256sum "$each" | cut -d ' ' -f 1)"; done > Packages \
    && rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* \
    && echo 'deb [trusted=yes] file:///repository ./' > /etc/apt/sources.list \
    && for list in cuda nvidia-ml; do \
        echo 'deb file:///no-such-repository ./' > /etc/apt/sources.list.d/$list.list; done
"""


def test_the_packages_of_the_system_are_in_the_image(bake: Bake) -> None:
    base = "psc-test-apt"
    docker("build", "--quiet", "--tag", base, "-", text=PACKAGE.format(image=BASE_IMAGE))
    try:
        repository = bake(base_image=base)
        (repository.path / "system-packages.txt").write_bytes(b"# a tool\r\npsc-tool  # of ours\r\n")
        with built(repository, "psc-test-system") as image:
            assert docker("run", "--rm", image, "psc-tool") == "a tool of the system"
            assert docker("run", "--rm", image, "ls", "/var/lib/apt/lists", "/tmp") == "/tmp:\n\n/var/lib/apt/lists:"
    finally:
        docker("image", "rm", "--force", base)


def read_log(server: Server) -> str:
    """Return what a server has written to both of its streams."""
    command = ["docker", "logs", server.name]
    return subprocess.run(
        command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
    ).stdout


def test_gunicorn_is_the_first_process(image: str) -> None:
    with serving(image) as server:
        command = docker("exec", server.name, "cat", "/proc/1/cmdline").split("\0")
    assert command[1:3] == ["-m", "gunicorn"]


def test_the_engine_finds_it_healthy_on_any_port(image: str) -> None:
    with serving(image, "--env=PSC_MODEL_PORT=9000", "--health-interval=1s", port=9000) as server:
        health = "starting"
        while health == "starting":
            time.sleep(0.2)
            health = docker("inspect", "--format", "{{.State.Health.Status}}", server.name)
        log = docker("inspect", "--format", "{{(index .State.Health.Log 0).Output}}", server.name)
    assert (health, log) == ("healthy", "200: the model is ready")


def test_it_holds_what_the_server_and_its_tests_need_and_no_more(image: str, defaults: Repository) -> None:
    copied = ["app.py", "entrypoint.sh", "gunicorn.conf.py", "model.yaml", "requirements.txt", "system-packages.txt"]
    folders = ["flask_psc_model", "model_lib", "tests"]
    expected = set(copied)
    for name in folders:
        files = [path for path in (defaults.path / name).rglob("*") if path.is_file()]
        expected |= {str(path.relative_to(defaults.path)) for path in files}
    # the commands of a developer's machine, and the settings of its linter
    unused = ("flask_psc_model/tools/", "flask_psc_model/ruff.toml")
    expected = {path for path in expected if not path.startswith(unused)}
    found = set(docker("run", "--rm", image, "find", ".", "-type", "f", "-printf", "%P\n").splitlines())
    compiled = {path for path in found if path.endswith(".pyc")}
    assert found - compiled == expected
    for name in ("flask_psc_model", "model_lib"):
        assert {path for path in compiled if path.startswith(name)}


def test_every_file_can_be_read_by_any_user_whatever_its_mode_was(odd_image: str, folder: Path) -> None:
    with serving(odd_image, "--user=12345", "--volume", f"{folder}:/data") as server:
        assert run_job(server, folder)["statusCode"] == 200


def test_the_labels_say_what_was_answered(odd_image: str) -> None:
    labels = json.loads(docker("inspect", "--format", "{{json .Config.Labels}}", odd_image))
    prefix = "org.opencontainers.image."
    assert labels[f"{prefix}title"] == 'The "odd" $model'
    assert labels[f"{prefix}description"] == ODD_TEXT
    assert labels[f"{prefix}authors"] == "Ann \\ Ü #1"
    assert labels[f"{prefix}base.name"] == f"docker.io/library/{BASE_IMAGE}"
    for key, value in ARGUMENTS.values():
        assert labels[prefix + key] == value
    assert labels["flask-psc-model.version"] == runtime_version()


@pytest.mark.parametrize("python", OLD_PYTHONS)
def test_an_old_python_runs_jobs_and_the_unit_tests(bake: Bake, folder: Path, python: str) -> None:
    if problem := find_problem(OLD_PYTHONS[python]):
        pytest.skip(problem)
    with built(bake(python_version=python), f"psc-test-{python}") as image:
        # the image that it is built on sets no locale
        assert docker("run", "--rm", image, "python", "-c", r"print('gr\xf6\xdfe')") == "größe"
        assert docker("run", "--rm", image, "python", "-m", "pip", "check") == "No broken requirements found."
        output = docker("run", "--rm", image, "sh", "-c", "python -m unittest 2>&1")
        assert output.endswith("\nOK")
        with serving(image, "--volume", f"{folder}:/data") as server:
            assert run_job(server, folder)["statusCode"] == 200
            check = docker("exec", server.name, "python", "-m", "flask_psc_model.cli.check_status")
            assert check == "200: the model is ready"
