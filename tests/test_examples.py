"""The models in `examples/`: the commands of their page, their tests, and their containers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import create_fast, install_fast
from engine import built, docker
from lock import EXAMPLES, EXAMPLES_PYTHON, list_pins
from repository import ROOT, Repository

if TYPE_CHECKING:
    from environment import Environment

#: The models by their folder.
MODELS = {"text-reader": "Text Reader", "language-finder": "Language Finder"}

#: What only the user can do.
OPEN = ["README.md and asset_bundle describe your model", "resources and timeout are measured"]

pytestmark = pytest.mark.command


@pytest.fixture(scope="module", params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in MODELS])
def example(request: pytest.FixtureRequest) -> Path:
    """Return the folder of each example, in turn."""
    return EXAMPLES / str(request.param)


def make(folder: Path, name: str) -> Repository:
    """Run the commands of the page in a folder, for a model; return its repository."""
    block = re.findall("```bash\n(.*?)```", (EXAMPLES / "README.md").read_text(encoding="utf-8"), re.DOTALL)[0]
    summary = Repository(EXAMPLES / name).metadata()["description"]["summary"]
    texts = {"text-reader": name, "Text Reader": MODELS[name], "Reads the text of a picture.": summary}
    for text, own in texts.items():
        assert text in block
        block = block.replace(text, own)
    (folder / "psc-model-template").symlink_to(ROOT)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    settings = folder / "settings"
    settings.write_text(f"replay_dir: {folder}/replay\n", encoding="utf-8")
    variables = {**os.environ, "PATH": path, "COOKIECUTTER_CONFIG": str(settings)}
    subprocess.run(["bash", "-e", "-c", block], cwd=folder, env=variables, check=True, capture_output=True)
    return Repository(folder / name)


@pytest.fixture(scope="module")
def repository(example: Path, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Return a repository with the example, as the commands of the page make it."""
    return make(tmp_path_factory.mktemp("example"), example.name)


@pytest.fixture(scope="module")
def environment(repository: Repository, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Return an environment with the pins of the example."""
    environment = create_fast(tmp_path_factory.mktemp("environment") / "example", EXAMPLES_PYTHON)
    for name in ("requirements.txt", "requirements-dev.txt"):
        install_fast(environment, EXAMPLES_PYTHON, "-r", repository.path / name)
    return environment


def test_every_example_is_tested() -> None:
    assert sorted(MODELS) == sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())


def test_only_files_that_differ_are_in_it(example: Path, defaults: Repository) -> None:
    names = [path.relative_to(example) for path in example.rglob("*") if path.is_file()]
    assert Path("model_lib/model.py") in names
    same = [name for name in names if (defaults.path / name).exists() and read(defaults, name) == read(example, name)]
    assert same == []
    if Path("tests/test_app.py") in names:
        own = read(example, "tests/test_app.py").replace("tolerance = 0.01\n", "tolerance = 0.001\n")
        assert own == read(defaults, "tests/test_app.py"), "copy the template's, and keep the tolerance"


def test_its_requirements_are_those_of_the_template_and_its_own(example: Path, defaults: Repository) -> None:
    assert read(example, "requirements.in").startswith(read(defaults, "requirements.in"))
    assert list_pins(read(defaults, "requirements.txt")) < list_pins(read(example, "requirements.txt")), "make lock"


def test_it_is_clean_and_typed(repository: Repository) -> None:
    repository.check_style()
    repository.run(sys.executable, "-m", "mypy", "--cache-dir", os.devnull, "model_lib", "tests")


@pytest.mark.slow
@pytest.mark.network
def test_it_passes_its_own_tests(repository: Repository, environment: Environment) -> None:
    assert "\nOK\n" in repository.run("python", "-m", "unittest", environment=environment)


@pytest.mark.slow
@pytest.mark.network
def test_the_checklist_leaves_open_what_is_the_users(repository: Repository, environment: Environment) -> None:
    command = [str(environment.python), "-m", "flask_psc_model.cli.checklist"]
    result = subprocess.run(
        command, cwd=repository.path, env=environment.variables(), capture_output=True, encoding="utf-8", check=False
    )
    assert re.findall(r"^\[ \] (.*)", result.stdout, re.MULTILINE) == OPEN, result


@pytest.mark.docker
@pytest.mark.usefixtures("engine")
def test_its_container_follows_the_specification_and_passes_its_tests_in_its_memory(repository: Repository) -> None:
    name = f"psc-test-{repository.path.name}"
    with built(repository, name) as image:
        check = [sys.executable, "-m", "flask_psc_model.cli.check_container", image, "--tolerance", "0.01"]
        output = repository.run(*check)
        assert " 0 failed" in output.splitlines()[-1]
        memory = repository.metadata()["resources"]["memory"]["size"]
        limits = ["--memory", memory, "--cpus", "1", "--ipc=none"]
        docker("run", "--rm", *limits, image, "python", "-m", "unittest")


def read(folder: Repository | Path, name: str | Path) -> str:
    """Return the text of a file of a repository or an example."""
    path = folder if isinstance(folder, Path) else folder.path
    return (path / name).read_text(encoding="utf-8", errors="replace")
