"""What the Dockerfile does at build time, without Docker: its commands, run in a shell."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from repository import QUESTIONS, Repository

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
