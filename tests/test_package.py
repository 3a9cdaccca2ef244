"""The runtime as a wheel, and a repository that installs it instead of carrying it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import make_bake, make_environment
from dockerfile import parse
from environment import Environment
from interpreters import find_interpreter
from repository import RUNTIME_SUFFIXES, TEMPLATE, Repository, cookiecutter
from server import Server

from template_extensions.images import runtime_version

if TYPE_CHECKING:
    from conftest import Bake

RUNTIME = "flask_psc_model"
PIN = f"flask-psc-model=={runtime_version()}\n"

#: Answers with a base image that holds the framework.
MODZY = {"framework": "pytorch", "python_version": "3.8", "accelerator": "cuda", "image_registry": "modzy"}

#: The oldest Python, and the one that is the default.
VERSIONS = ["3.6", "3.12"]


def _for_version(version: str) -> Any:
    marks = [pytest.mark.xdist_group(f"package {version}")]
    if not find_interpreter(version):
        marks.append(pytest.mark.skip(reason=f"there is no Python {version} on this machine"))
    return pytest.param(version, marks=marks)


@pytest.fixture(scope="module", params=map(_for_version, VERSIONS))
def version(request: pytest.FixtureRequest) -> str:
    """Return each Python version that is tried, in turn."""
    return str(request.param)


@pytest.fixture(scope="module")
def environment(
    version: str, wheel: Path, cookies_session: Any, tmp_path_factory: pytest.TempPathFactory
) -> Environment:
    """Return an environment with what the repository requires, where the wheel is in its folder `wheels`."""
    repository = make_bake(cookies_session)(python_version=version, runtime="package")
    install_wheel = add_wheel(repository, wheel)
    environment = make_environment(tmp_path_factory.mktemp("environment") / version, repository, version)
    repository.run("sh", "-c", install_wheel, environment=environment)
    return environment


def add_wheel(repository: Repository, wheel: Path) -> str:
    """Keep the wheel in a repository as its page says; return the command that installs it in an environment."""
    section = repository.read("docs/server/README.md").split("\n## Where the server comes from\n")[1].split("\n## ")[0]
    add, install = re.findall(r"^```bash\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    repository.run("sh", "-e", "-c", add.replace("PATH_TO_THE_TEMPLATE/dist", str(wheel.parent)))
    return str(install)


@pytest.mark.command
def test_the_wheel_holds_the_runtime_as_it_stands(wheel: Path) -> None:
    assert wheel.name == f"flask_psc_model-{runtime_version()}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        packed = {name: archive.read(name) for name in archive.namelist() if name.startswith(RUNTIME + "/")}
        licences = [name for name in archive.namelist() if name.endswith(".dist-info/licenses/LICENSE")]
        metadata = archive.read(f"flask_psc_model-{runtime_version()}.dist-info/METADATA").decode("utf-8")
    source = Repository(TEMPLATE / RUNTIME)
    names = [name for name in source.files() if name.endswith(RUNTIME_SUFFIXES) and name != "ruff.toml"]
    assert packed == {f"{RUNTIME}/{name}": (source.path / name).read_bytes() for name in names}
    assert "Requires-Python: >=3.6\n" in metadata
    assert len(licences) == 1


@pytest.mark.network
@pytest.mark.server
def test_it_passes_its_own_tests(bake: Bake, version: str, environment: Environment) -> None:
    repository = bake(python_version=version, runtime="package")
    output = repository.run("python", "-m", "unittest", environment=environment)
    assert "\nOK\n" in output
    repository.run("python", "-m", "pip", "check", environment=environment)


@pytest.mark.network
@pytest.mark.server
def test_its_server_does_a_job_and_shuts_down(
    bake: Bake, version: str, environment: Environment, tmp_path: Path
) -> None:
    repository = bake(python_version=version, runtime="package")
    (tmp_path / "input.txt").write_text("ffaa00\n", encoding="utf-8")
    with Server(repository.path, environment.variables()) as server:
        server.wait_until_ready()
        job = ["--url", server.url, "--input", str(tmp_path), "--output", str(tmp_path)]
        repository.run("python", "-m", "flask_psc_model.cli.run_job", *job, environment=environment)
        assert json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["predictions"][0]["name"] == "orange"
        assert server.post("/shutdown")[0] == 202
        assert server.wait() == 0
        assert f"flask_psc_model {runtime_version()}: the model is ready" in server.read_log()


@pytest.mark.network
def test_it_has_the_manifests(bake: Bake, version: str, environment: Environment) -> None:
    repository = bake(python_version=version, runtime="package")
    command = ("python", "-m", "flask_psc_model", "kubernetes", "--image", "model:1", "--claim", "jobs")
    for options, count in ((), 4), (("--job",), 1):
        assert repository.run(*command, *options, environment=environment).count("\nkind: ") == count


def test_only_the_folder_of_the_runtime_is_left_out(bake: Bake, defaults: Repository) -> None:
    expected = [name for name in defaults.files() if not name.startswith(RUNTIME)]
    assert list(bake(runtime="package").files()) == expected
    assert not (bake(runtime="package").path / RUNTIME).exists()


@pytest.mark.parametrize("answers", [{}, MODZY])
def test_the_requirements_name_the_package_and_the_image_gets_no_folder(bake: Bake, answers: dict[str, str]) -> None:
    for runtime in ("vendored", "package"):
        repository = bake(runtime=runtime, **answers)
        is_package = runtime == "package"
        for name in ("requirements.in", "requirements.txt", *(["requirements-image.txt"] if answers else [])):
            assert (PIN in repository.read(name)) == is_package
        for name in ("Dockerfile", ".dockerignore"):
            assert (RUNTIME + "/" in repository.read(name)) != is_package


@pytest.mark.command
@pytest.mark.parametrize("answers", [{}, MODZY])
def test_no_index_is_asked_for_a_wheel_in_the_repository(
    bake: Bake, wheel: Path, answers: dict[str, str], tmp_path: Path
) -> None:
    repository = bake(runtime="package", **answers)
    install_wheel = add_wheel(repository, wheel)
    files = {path.name: path.read_text(encoding="utf-8") for path in repository.path.glob("requirements*")}
    others = {path.name: path.read_text(encoding="utf-8") for path in bake(**answers).path.glob("requirements*")}
    # an index may have the same version with a build tag, which pip prefers to the file of --find-links
    assert files == others

    keywords = [(instruction.keyword, instruction.rest) for instruction in parse(repository.read("Dockerfile"))]
    copied = keywords.index(("COPY", "--chmod=755 wheels/ wheels/"))
    assert keywords[copied + 1] == ("RUN", f"python -m {install_wheel.strip()}")
    assert keywords[copied + 2][1].startswith("--chmod=755 requirements")
    assert "!wheels/" in repository.read(".dockerignore").splitlines()

    environment = Environment(tmp_path / "environment")
    environment.create()
    repository.run("sh", "-c", keywords[copied + 1][1], environment=environment, PIP_NO_INDEX="1")
    assert PIN in repository.run("python", "-m", "pip", "list", "--format=freeze", environment=environment)


def test_the_code_is_clean(bake: Bake, tmp_path: Path) -> None:
    repository = bake(runtime="package")
    repository.check_style()
    repository.run(sys.executable, "-m", "mypy", ".", MYPY_CACHE_DIR=str(tmp_path / "mypy"))


@pytest.mark.command
def test_a_folder_that_would_hide_the_package_is_never_removed(tmp_path: Path) -> None:
    result, existing = generate_into(tmp_path, f"{RUNTIME}/mine.py")
    assert result.returncode == 1
    assert "would hide the package of that name: move it away, or use runtime=vendored" in result.stderr
    assert list(existing.files()) == [f"{RUNTIME}/mine.py"]


@pytest.mark.command
def test_a_repository_without_the_folder_gets_the_package(tmp_path: Path) -> None:
    result, existing = generate_into(tmp_path, "model_lib/model.py")
    assert result.returncode == 0, result.stderr
    assert existing.read("model_lib/model.py") == "mine"
    assert PIN in existing.read("requirements.txt")
    assert not (existing.path / RUNTIME).exists()


def generate_into(folder: Path, name: str) -> tuple[subprocess.CompletedProcess[str], Repository]:
    """Generate into a repository that has one file."""
    existing = Repository(folder / "output" / "color-name-predictor")
    (existing.path / name).parent.mkdir(parents=True)
    (existing.path / name).write_text("mine", encoding="utf-8")
    options = ["--no-input", "--overwrite-if-exists", "--skip-if-file-exists", "runtime=package"]
    return cookiecutter(folder / "output", *options), existing
