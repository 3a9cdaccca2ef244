"""Fixtures: baked repositories, and an environment for each Python."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from commands import NO_GIT_CONFIGURATION, run
from engine import BASE_IMAGE, built, find_problem
from environment import Environment
from hypothesis import settings
from interpreters import PIP, VERSIONS, find_interpreter
from repository import AUTHOR, ROOT, TEMPLATE, Repository

UV = (sys.executable, "-m", "uv")

# a shell ignores SIGINT in what it starts in the background, and nohup SIGHUP; the commands under test inherit that
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# the same examples in every run, however slow the machine; `--hypothesis-profile=thorough` makes more of them
SAME: dict[str, Any] = {"derandomize": True, "deadline": None, "database": None}
settings.register_profile("quick", max_examples=50, **SAME)
settings.register_profile("thorough", max_examples=400, **SAME)
settings.load_profile("quick")


def pytest_xdist_auto_num_workers() -> int:
    """Return more than twice as many workers as CPUs, since half of the tests' time is waiting."""
    return 2 * (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that take longest, so that no worker is alone with one at the end."""
    items.sort(key=lambda item: item.path.name != "test_interpreters.py")


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of the test's own, which goes with the others after the last test.

    For some minutes ext4 makes files more slowly where many have just been removed.
    """
    return tmp_path_factory.mktemp(re.sub(r"\W", "_", request.node.name)[:30])


@pytest.fixture(scope="session", autouse=True)
def temporary_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep temporary files apart and remove them in the end: Cookiecutter leaves each hook that it ran."""
    tmp_path_factory.getbasetemp()
    # a short name, since those of sockets in it are limited
    with tempfile.TemporaryDirectory(prefix="psc-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", folder)
        yield


@pytest.fixture(scope="session", autouse=True)
def git_configuration() -> Iterator[None]:
    """Let Git know nobody's name: the template offers the name as the author."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in NO_GIT_CONFIGURATION.items():
            patch.setenv(name, value)
        yield


class Bake(Protocol):
    """Renders the template in this process."""

    def __call__(self, **answers: str) -> Repository:
        """Return the repository that the answers give; what is not answered is the default."""


def make_bake(cookies: Any) -> Bake:
    """Wrap a fixture of pytest-cookies."""

    def bake(**answers: str) -> Repository:
        # a clone may have a name in its settings, too
        result = cookies.bake(extra_context={"author": AUTHOR, **answers}, template=str(ROOT))
        if result.exception:
            raise result.exception
        return Repository(result.project_path)

    return bake


@pytest.fixture
def bake(cookies: Any) -> Bake:
    """Return the function that renders a repository of this test's own."""
    return make_bake(cookies)


@pytest.fixture(scope="session")
def defaults(cookies_session: Any) -> Repository:
    """Return the repository of the default answers, to look at and to leave as it is."""
    return make_bake(cookies_session)()


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """Return a copy of the template, to break."""
    copy = tmp_path / "template"
    copy.mkdir()
    for name in (".gitattributes", "cookiecutter.json", "requirements-dev.txt"):
        shutil.copy(ROOT / name, copy)
    for name in ("hooks", "template_extensions", "templates", TEMPLATE.name):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture(scope="session")
def engine() -> None:
    """Skip the test where no image can be built."""
    if problem := find_problem(BASE_IMAGE):
        pytest.skip(problem)


@pytest.fixture(scope="session")
def image(engine: None, defaults: Repository) -> Iterator[str]:
    """Return the image of the repository of the default answers; the group `containers` shares it."""
    with built(defaults, "psc-test-defaults") as name:
        yield name


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel that `make wheel` makes; what that needs is installed, since it runs this."""
    folder = tmp_path_factory.mktemp("wheels")
    tools = [f"VENV={sys.prefix}", "-o", f"{sys.prefix}/.installed-dev"]
    run(["make", "wheel", f"WHEELS={folder}", *tools], folder=ROOT)
    (wheel,) = folder.iterdir()
    return wheel


def make_environment(folder: Path, repository: Repository, version: str, *options: str | Path) -> Environment:
    """Install what a repository requires in a new environment of a Python version, as its README says.

    The options are more of pip's.
    """
    interpreter = find_interpreter(version)
    assert interpreter
    environment = Environment(folder)
    environment.create(interpreter)
    if version in PIP:
        environment.install(PIP[version])
    environment.install("-r", repository.path / "requirements.txt", *options)
    return environment


def create_fast(folder: Path, version: str) -> Environment:
    """Make an environment of a Python version, in which only `install_fast` can install."""
    interpreter = find_interpreter(version)
    assert interpreter
    environment = Environment(folder)
    if version in PIP:
        environment.create(interpreter)
    else:
        run([*UV, "venv", "--quiet", "--python", interpreter, folder])
    return environment


def install_fast(environment: Environment, version: str, *arguments: str | Path) -> None:
    """Install packages in an environment of a Python version, given arguments that pip and uv share."""
    if version in PIP:
        # uv compiles nothing for it
        environment.install(PIP[version])
        environment.install(*arguments)
    else:
        run([*UV, "pip", "install", "--quiet", "--python", environment.python, *arguments])


def _for_version(version: str) -> Any:
    # one worker makes the environment of a version and runs all of its tests
    marks = [pytest.mark.xdist_group(version)]
    if not find_interpreter(version):
        marks.append(pytest.mark.skip(reason=f"there is no Python {version} on this machine"))
    return pytest.param(version, marks=marks)


@pytest.fixture(scope="session", params=map(_for_version, VERSIONS))
def version(request: pytest.FixtureRequest) -> str:
    """Return each Python version that the template offers, in turn."""
    return str(request.param)


@pytest.fixture(scope="session")
def environment(version: str, cookies_session: Any, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Return a fresh environment with what a generated repository requires, and no more."""
    repository = make_bake(cookies_session)(python_version=version)
    return make_environment(tmp_path_factory.mktemp("environment") / version, repository, version)


@pytest.fixture(scope="session")
def environment_with_pytest(environment: Environment) -> Environment:
    """Return the same environment once pytest is there, too; tests without it come first."""
    environment.install("pytest", "hypothesis")
    return environment
