"""Each framework for real: a generated repository with it passes its own tests, in a fresh environment."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from commands import CommandFailed, run
from conftest import install_fast, make_bake
from environment import Environment
from interpreters import find_interpreter
from repository import Repository

if TYPE_CHECKING:
    from conftest import Bake

pytestmark = [pytest.mark.network, pytest.mark.slow]

#: The Pythons on which each framework is tried: all kinds of versions, each Python once.
PYTHONS = [
    ("pytorch", "3.11"),
    ("tensorflow", "3.12"),
    ("keras", "3.13"),
    ("tensorflow", "3.8"),
    ("keras", "3.6"),
]

#: Weights in which every name has the colour of the name before it.
SAVE_WEIGHTS = {
    "pytorch": """
import torch
from model_lib.model import WEIGHTS, ColorScorer
weights = ColorScorer().state_dict()
torch.save({"table": weights["table"].roll(1, 0)}, WEIGHTS)
""",
    "tensorflow": """
import tensorflow as tf
from model_lib.model import WEIGHTS, ColorScorer
network = ColorScorer()
network.table.assign(tf.roll(network.table, 1, 0))
tf.saved_model.save(network, str(WEIGHTS))
""",
    "keras": """
import numpy as np
from model_lib.model import WEIGHTS, build_network
network = build_network()
network.set_weights([np.roll(network.get_weights()[0], 1, 0)])
network.save(str(WEIGHTS))
""",
}


def _mark(framework: str, python: str) -> Any:
    marks = [pytest.mark.xdist_group(f"{framework}-{python}")]
    if not find_interpreter(python):
        marks.append(pytest.mark.skip(reason=f"there is no Python {python} on this machine"))
    return pytest.param((framework, python), marks=marks, id=f"{framework}-{python}")


@pytest.fixture(scope="module", params=[_mark(*each) for each in PYTHONS])
def tried(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Return each framework with its Python, in turn."""
    framework, python = request.param
    return framework, python


@pytest.fixture
def repository(bake: Bake, tried: tuple[str, str]) -> Repository:
    """Return a repository with the framework, on the CPU."""
    framework, python = tried
    return bake(framework=framework, python_version=python)


@pytest.fixture(scope="module")
def environment(tried: tuple[str, str], cookies_session: Any, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Return a fresh environment with what that repository requires, and no more."""
    framework, python = tried
    repository = make_bake(cookies_session)(framework=framework, python_version=python)
    interpreter = find_interpreter(python)
    assert interpreter
    folder = tmp_path_factory.mktemp("environment")
    environment = Environment(folder / python)
    environment.create(interpreter)
    requirements = repository.path / "requirements.txt"
    if framework == "pytorch":
        install_torch(environment, requirements)
    else:
        install_fast(environment, python, "-r", requirements)
    return environment


def test_it_passes_its_own_tests(repository: Repository, environment: Environment) -> None:
    output = repository.run("python", "-m", "unittest", environment=environment)
    assert "\nOK\n" in output


def test_every_package_that_is_installed_is_pinned(repository: Repository, environment: Environment) -> None:
    output = repository.run("python", "-m", "pip", "freeze", environment=environment)
    installed = {line.replace("_", "-").lower() for line in output.splitlines() if "==" in line}
    assert "flask" in {pin.split("==")[0] for pin in installed}
    pinned = pins(repository)
    if torch := {pin for pin in installed if pin.startswith("torch==")}:
        # another build where PyTorch's index is out of reach
        pinned = {pin for pin in pinned if not pin.startswith("torch==")} | torch
        assert all(pin.endswith("+cpu") for pin in torch)
    assert installed <= pinned
    repository.run("python", "-m", "pip", "check", environment=environment)


def test_nothing_for_cuda_is_installed(repository: Repository, environment: Environment) -> None:
    output = repository.run("python", "-m", "pip", "list", environment=environment)
    assert not re.search("^(nvidia|cuda|triton)", output, re.MULTILINE)


def test_it_starts_without_chatter(repository: Repository, environment: Environment, tmp_path: Path) -> None:
    assert run_model(repository, environment, tmp_path) == "tomato"


def test_weights_of_ones_own_are_used(
    repository: Repository, environment: Environment, tried: tuple[str, str], tmp_path: Path
) -> None:
    repository.run("python", "-c", SAVE_WEIGHTS[tried[0]], environment=environment)
    assert run_model(repository, environment, tmp_path) == "turquoise"


def run_model(repository: Repository, environment: Environment, folder: Path) -> str:
    """Run the model on a colour, check that it writes nothing but the results, and return the first name."""
    input_path, output_path = folder / "input.txt", folder / "results.json"
    input_path.write_text("ff6347", encoding="utf-8")
    output = repository.run("python", "-m", "model_lib.model", input_path, output_path, environment=environment)
    assert output == ""
    return str(json.loads(output_path.read_text(encoding="utf-8"))["predictions"][0]["name"])


def install_torch(environment: Environment, requirements: Path) -> None:
    """Install all; where PyTorch's index is out of reach, pin another build for the CPU that can be had."""
    install = ("--retries", "0", "-r", requirements)
    try:
        environment.install(*install)
    except CommandFailed:
        builds = re.findall(r"[\d.]+\+cpu", run([environment.python, "-m", "pip", "index", "versions", "torch"]))
        if not builds:
            raise
        text = re.sub(r"(?m)^torch==.*", f"torch=={builds[0]}", requirements.read_text(encoding="utf-8"))
        requirements.write_text(text, encoding="utf-8")
        environment.install(*install)


def pins(repository: Repository) -> set[str]:
    """Return the lines of `requirements.txt` that pin a package."""
    return set(re.findall(r"^[\w.-]+==\S+", repository.read("requirements.txt"), re.MULTILINE))
