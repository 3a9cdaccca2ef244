"""What the Dockerfile does at build time, and what the pipelines pass to it, without Docker."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from dockerfile import read_labels
from repository import QUESTIONS, Repository

from template_extensions.images import full_image_name, runtime_version

if TYPE_CHECKING:
    from conftest import Bake

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
OTHER = "3.8"
OWN_IMAGE = "registry.example.com/team/image:1"


def commands(repository: Repository) -> list[str]:
    """Return the commands of the RUN lines, as Docker gives them to the shell."""
    return re.findall(r"^RUN (.*)$", repository.read("Dockerfile").replace("\\\n", ""), re.MULTILINE)


def check_python(repository: Repository, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command that checks the Python of the image, where `python` is the one of this test."""
    (folder / "python").symlink_to(sys.executable)
    (command,) = (command for command in commands(repository) if command.startswith("python -c"))
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, check=False, env={**os.environ, "PATH": path}
    )


@pytest.mark.skipif(HERE not in QUESTIONS["python_version"], reason=f"Python {HERE} is none of the choices")
def test_an_image_with_the_python_asked_for_is_taken(bake: Bake, tmp_path: Path) -> None:
    result = check_python(bake(python_version=HERE, base_image=OWN_IMAGE), tmp_path)
    assert (result.returncode, result.stderr) == (0, "")


def test_an_image_with_another_python_stops_the_build(bake: Bake, tmp_path: Path) -> None:
    result = check_python(bake(python_version=OTHER, base_image=OWN_IMAGE), tmp_path)
    assert result.returncode == 1
    assert result.stderr == f"error: the base image has Python {HERE}, not {OTHER}\n"


def test_an_official_python_image_needs_no_check(defaults: Repository) -> None:
    assert commands(defaults)
    assert [command for command in commands(defaults) if "python -c" in command] == []


#: A fake apt-get, which records its arguments, a call a line.
APT_GET = """#!/bin/sh
echo "$DEBIAN_FRONTEND:$*" >> "$CALLS"
"""

#: Answers with a Debian, an Ubuntu and an old CUDA image.
IMAGES = {
    "slim": {},
    "ubuntu": {"accelerator": "cuda", "base_image": "nvidia/cuda:12.8.1-cudnn-runtime-ubuntu24.04"},
    "old cuda": {
        "framework": "pytorch",
        "python_version": "3.6",
        "accelerator": "cuda",
        "image_registry": "modzy",
    },
}


class AptImage:
    """A stand-in for an image with apt-get, in which the step of `system-packages.txt` runs."""

    def __init__(self, folder: Path, repository: Repository, packages: str) -> None:
        (self.step,) = (each for each in commands(repository) if "system-packages.txt" in each)
        self.folder = folder
        (folder / "lists").mkdir()
        for name in ("cuda.list", "nvidia-ml.list", "debian.sources"):
            (folder / "lists" / name).touch()
        (folder / "bin").mkdir()
        for name in ("sed", "grep", "xargs", "rm"):
            (folder / "bin" / name).symlink_to(shutil.which(name) or name)
        apt_get = folder / "bin" / "apt-get"
        apt_get.write_text(APT_GET, encoding="utf-8")
        apt_get.chmod(0o755)
        (folder / "system-packages.txt").write_bytes(packages.encode())

    def run(self) -> subprocess.CompletedProcess[str]:
        """Run the step, with the folders of this test instead of those of the system."""
        step = self.step.replace("/tmp/packages.txt", str(self.folder / "packages.txt"))
        step = step.replace("/etc/apt/sources.list.d", str(self.folder / "lists"))
        step = step.replace("/var/lib/apt/lists", str(self.folder / "cache"))
        variables = {"PATH": str(self.folder / "bin"), "CALLS": str(self.folder / "calls")}
        return subprocess.run(
            ["/bin/sh", "-c", step], cwd=self.folder, env=variables, capture_output=True, text=True, check=False
        )

    def calls(self) -> list[str]:
        """Return the arguments of each call of apt-get."""
        path = self.folder / "calls"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


@pytest.mark.parametrize("answers", IMAGES.values(), ids=IMAGES)
def test_the_packages_of_the_system_are_installed_before_those_of_pip(
    bake: Bake, tmp_path: Path, answers: dict[str, str]
) -> None:
    repository = bake(**answers)
    image = AptImage(tmp_path, repository, "# for OpenCV\r\nlibgl1\r\n\r\n  libsndfile1 sox # sound\n#ffmpeg")
    result = image.run()
    assert (result.returncode, result.stderr) == (0, "")
    assert image.calls() == [
        ":update",
        "noninteractive:install --yes --no-install-recommends -- libgl1 libsndfile1 sox",
    ]
    # the lists of old CUDA images would have ended the update
    assert os.listdir(tmp_path / "lists") == ["debian.sources"]
    assert not (tmp_path / "packages.txt").exists()
    steps = commands(repository)
    first = next(number for number, step in enumerate(steps) if "pip install" in step)
    assert steps.index(image.step) < first


@pytest.mark.parametrize("packages", [None, "", "\r\n \t\n", "# libgl1\r\n#\n"])
def test_a_file_without_packages_updates_nothing(defaults: Repository, tmp_path: Path, packages: str | None) -> None:
    image = AptImage(tmp_path, defaults, defaults.read("system-packages.txt") if packages is None else packages)
    assert image.run().returncode == 0
    assert image.calls() == []
    assert "cuda.list" in os.listdir(tmp_path / "lists")


def test_packages_without_apt_get_are_an_error_that_says_what_to_do(defaults: Repository, tmp_path: Path) -> None:
    image = AptImage(tmp_path, defaults, "libgl1\n")
    (tmp_path / "bin" / "apt-get").unlink()
    result = image.run()
    assert result.returncode == 1
    assert result.stderr == (
        "error: system-packages.txt lists packages, and the base image has no apt-get: build on an image of Debian or"
        " Ubuntu, or empty the file\n"
    )


@pytest.mark.parametrize("failing", ["update", "install"])
def test_packages_that_cannot_be_installed_stop_the_build(defaults: Repository, tmp_path: Path, failing: str) -> None:
    image = AptImage(tmp_path, defaults, "libgl1\n")
    (tmp_path / "bin" / "apt-get").write_text(f"{APT_GET}[ $1 != {failing} ]\n", encoding="utf-8")
    assert image.run().returncode != 0


@pytest.mark.parametrize(
    "answers",
    [
        {},
        {"python_version": "3.6"},
        {"framework": "pytorch", "python_version": "3.8", "accelerator": "cuda", "image_registry": "modzy"},
    ],
    ids=["defaults", "3.6", "framework"],
)
def test_every_pip_that_downloads_reads_the_build_secret(bake: Bake, answers: dict[str, str]) -> None:
    installing = [command for command in commands(bake(**answers)) if "pip install" in command]
    assert len(installing) == 1 + (answers.get("python_version") == "3.6")
    for command in installing:
        assert "--mount=type=secret,id=pip,target=/etc/pip.conf" in command.split()


def test_the_labels_of_a_build_without_arguments_are_what_the_template_knows(bake: Bake) -> None:
    labels = read_labels(bake(base_image="pytorch/pytorch:1").read("Dockerfile"))
    prefix = "org.opencontainers.image."
    assert labels[f"{prefix}base.name"] == "docker.io/pytorch/pytorch:1"
    assert labels["flask-psc-model.version"] == runtime_version()
    assert {labels[prefix + key] for key in ("created", "revision", "source")} == {""}


@pytest.mark.parametrize(
    ("image", "full"),
    [
        ("python:3.12", "docker.io/library/python:3.12"),
        ("pytorch/pytorch:1", "docker.io/pytorch/pytorch:1"),
        ("localhost/image", "localhost/image"),
        ("localhost:5000/image", "localhost:5000/image"),
        (OWN_IMAGE, OWN_IMAGE),
    ],
)
def test_the_name_of_an_image_gets_the_registry_that_docker_adds(image: str, full: str) -> None:
    assert full_image_name(image) == full


@pytest.mark.parametrize(("user", "is_root"), [("root", True), ("0", True), ("0:5", True), ("1000", False)])
def test_the_image_has_the_user_that_was_answered(bake: Bake, user: str, is_root: bool) -> None:
    repository = bake(container_user=user)
    assert re.findall("^USER (.*)$", repository.read("Dockerfile"), re.MULTILINE) == [user]
    assert ("image runs as root" in repository.read("README.md")) == is_root
    assert ("image runs as root" in repository.read("docs/server/operations.md")) == is_root
    assert ("--user" in repository.read("README.md").split("docker run")[1].split("\n\n")[0]) != is_root


#: A fake engine, which records the arguments of each build, one a line, and the build arguments. It reads a password as
#: the real one does: otherwise the script fails now and then, since the pipe breaks.
DOCKER = """#!/bin/sh
if [ "$1" = login ]; then
    cat > /dev/null
fi
if [ "$1 $2" = "buildx build" ]; then
    printf '%s\\n' "$@" "CREATED=$CREATED" "REVISION=$REVISION" "SOURCE=$SOURCE" --- >> "$BUILDS"
fi
"""

#: By the choice: the file, what the runner sets for a tag, and the name of the pushed image.
PIPELINES = {
    "github": (
        ".github/workflows/ci.yml",
        {"GITHUB_REPOSITORY": "Team/Leaves", "GITHUB_REF_NAME": "v1.2.3", "GITHUB_ACTOR": "ann", "TOKEN": "t"},
        "ghcr.io/team/leaves:1.2.3",
    ),
    "gitlab": (
        ".gitlab-ci.yml",
        {"CI_COMMIT_TAG": "v1.2.3", "CI_REGISTRY_IMAGE": "registry.example.com/team/leaves", "CI_REGISTRY": "r"},
        "registry.example.com/team/leaves:1.2.3",
    ),
}


@pytest.mark.parametrize("ci", PIPELINES)
def test_a_pipeline_fills_the_labels_and_pushes_what_it_tested_with_attestations(
    bake: Bake, tmp_path: Path, ci: str
) -> None:
    name, variables, image = PIPELINES[ci]
    pipeline = yaml.safe_load(bake(ci=ci).read(name))
    (tmp_path / "docker").write_text(DOCKER, encoding="utf-8")
    (tmp_path / "docker").chmod(0o755)
    environment = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "BUILDS": str(tmp_path / "builds")}
    environment |= {**variables, "REVISION": "0123abcd", "SOURCE": "https://example.com/team/leaves"}
    environment |= {"GITHUB_ENV": str(tmp_path / "variables"), "CI_REGISTRY_USER": "ann", "CI_REGISTRY_PASSWORD": "t"}
    if ci == "github":
        job = pipeline["jobs"]["release"]
        assert job["env"] == {
            "REVISION": "${{ github.sha }}",
            "SOURCE": "${{ github.server_url }}/${{ github.repository }}",
        }
        scripts = [step["run"] for step in job["steps"] if "buildx" in step.get("run", "")]
    else:
        job = pipeline["build"]
        assert {key: job["variables"][key] for key in ("REVISION", "SOURCE")} == {
            "REVISION": "$CI_COMMIT_SHA",
            "SOURCE": "$CI_PROJECT_URL",
        }
        scripts = ["\n".join(line for line in job["script"] if "buildx" in line or "CREATED" in line)]
    for script in scripts:
        subprocess.run(["bash", "-e", "-o", "pipefail", "-c", script], env=environment, check=True)
        # GitHub hands what is in this file to the next step
        if (tmp_path / "variables").exists():
            environment |= dict([(tmp_path / "variables").read_text(encoding="utf-8").strip().split("=", 1)])
    tested, pushed = (text.split("\n") for text in (tmp_path / "builds").read_text("utf-8").split("\n---\n")[:2])
    assert {"--load", "--tag", "color-name-predictor:latest"} <= set(tested)
    assert {"--sbom=true", "--provenance=true", "--push", "--tag", image} <= set(pushed)
    for build in (tested, pushed):
        given = [build[number + 1] for number, word in enumerate(build) if word == "--build-arg"]
        assert given == ["CREATED", "REVISION", "SOURCE"]
        assert {"REVISION=0123abcd", "SOURCE=https://example.com/team/leaves"} <= set(build)
    (created,) = {line for line in tested + pushed if line.startswith("CREATED=")}
    assert re.fullmatch(r"CREATED=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", created)


@pytest.mark.parametrize("python_version", [QUESTIONS["python_version"][0], "3.6"])
def test_text_is_utf_8_on_every_python(bake: Bake, python_version: str) -> None:
    dockerfile = bake(python_version=python_version).read("Dockerfile").replace("\\\n", "")
    (variables,) = re.findall(r"^ENV (PYTHON.*)$", dockerfile, re.MULTILINE)
    assert "LANG=C.UTF-8" in variables.split()


@pytest.mark.parametrize(
    ("accelerator", "base_image"), [("cpu", ""), ("cuda", ""), ("cuda", "nvidia/cuda:12.8.1-cudnn-runtime-ubuntu24.04")]
)
def test_gpus_are_asked_for_with_cuda_only(bake: Bake, accelerator: str, base_image: str) -> None:
    answers = {"base_image": base_image} if base_image else {}
    repository = bake(framework="pytorch", accelerator=accelerator, **answers)
    cuda = accelerator == "cuda"
    assert ("NVIDIA_VISIBLE_DEVICES=all" in repository.read("Dockerfile")) == cuda
    assert repository.metadata()["resources"]["gpu"]["count"] == cuda
    assert ("docker run --rm --gpus all " in repository.read("README.md")) == cuda
    assert ("https://download.pytorch.org/whl/cpu" in repository.read("requirements.txt")) != cuda
