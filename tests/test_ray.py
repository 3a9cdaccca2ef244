"""A bulk run on a Ray cluster of several nodes, of which one is lost on the way."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from conftest import create_fast, install_fast, make_bake
from environment import Environment
from interpreters import find_interpreter
from repository import QUESTIONS, ROOT, Repository

if TYPE_CHECKING:
    from conftest import Bake

PYTHON = QUESTIONS["python_version"][0]
NODES = 2

pytestmark = [
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.xdist_group("ray"),
    pytest.mark.skipif(not find_interpreter(PYTHON), reason=f"there is no Python {PYTHON} on this machine"),
]

#: Notes when it begins and ends a job. From job 0050 on it waits for the file `go`.
MODEL = '''"""A model that keeps a diary."""

import os
import time

from flask_psc_model import ModelBase

DIARY = {diary!r}


class ColorNamePredictorModel(ModelBase):
    """Copies its input."""

    input_filenames = "input.txt"
    output_filenames = "results.json"

    def run(self, input_path, output_path):
        with open(input_path) as file:
            text = file.read()
        self.note("began", text)
        if text.startswith("bad"):
            raise ValueError("no " + text)
        while text >= "0050" and not os.path.exists(os.path.join(DIARY, "go")):
            time.sleep(0.01)
        with open(output_path, "w") as file:
            file.write(text)
        self.note("ended", text)

    def note(self, event, text):
        with open(os.path.join(DIARY, event), "a") as file:
            file.write("{{}} {{}}\\n".format(text, os.getpid()))
'''


class Diary:
    """What the models have noted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def read(self, event: str) -> list[tuple[str, int]]:
        """Return the jobs that began or ended, with the ids of the model processes."""
        path = self.folder / event
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [(line.split()[0], int(line.split()[1])) for line in lines]

    def waiting(self) -> dict[str, int]:
        """Return the processes of the jobs that wait, by the names of the jobs."""
        return {job: process for job, process in self.read("began") if "0050" <= job < "bad"}

    def let_go(self) -> None:
        """Let the jobs that wait go on."""
        (self.folder / "go").touch()


@pytest.fixture
def diary(tmp_path: Path) -> Diary:
    """Return an empty diary."""
    return Diary(tmp_path / "diary")


@pytest.fixture
def repository(bake: Bake, diary: Diary) -> Repository:
    """Return a repository with a model that keeps a diary."""
    repository = bake(python_version=PYTHON)
    model = repository.path / "model_lib" / "model.py"
    model.write_text(MODEL.format(diary=str(diary.folder)), encoding="utf-8")
    return repository


@pytest.fixture(scope="module")
def environment(cookies_session: Any, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Return an environment with Ray, made as the README says."""
    repository = make_bake(cookies_session)(python_version=PYTHON)
    environment = create_fast(tmp_path_factory.mktemp("environment") / "ray", PYTHON)
    names = ("requirements.txt", "requirements-ray.txt")
    install_fast(environment, PYTHON, *(part for name in names for part in ("-r", repository.path / name)))
    return environment


@pytest.fixture
def variables(environment: Environment) -> Iterator[dict[str, str]]:
    """Return the variables of processes that use Ray, whose files are gone at the end."""
    # the paths of its sockets have to be short
    with TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        yield environment.variables(RAY_USAGE_STATS_ENABLED="0", RAY_TMPDIR=folder)


class RayNodes:
    """A cluster on this machine."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.address = self._read("address")

    def kill_one(self) -> None:
        """Let a node be lost."""
        assert self._process.stdin
        self._process.stdin.write("kill\n")
        self._process.stdin.flush()
        self._read("killed")

    def _read(self, word: str) -> str:
        assert self._process.stdout
        for line in self._process.stdout:
            if line.startswith(word):
                return line[len(word) :].strip()
        raise AssertionError(f"the cluster ended before it said {word!r}")


@contextmanager
def start_nodes(environment: dict[str, str], python: Path) -> Iterator[RayNodes]:
    """Run a cluster."""
    with subprocess.Popen(
        [python, ROOT / "tests" / "ray_nodes.py"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield RayNodes(process)
            process.communicate(timeout=60)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def give_jobs(folder: Path, names: list[str]) -> None:
    """Write a folder for each job, with its name as the input."""
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "input.txt").write_text(name, encoding="utf-8")


def wait_until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds, and fail when it never does."""
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)


def is_alive(process: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_the_jobs_of_a_lost_node_run_again_elsewhere(
    repository: Repository, environment: Environment, variables: dict[str, str], diary: Diary, tmp_path: Path
) -> None:
    inputs, outputs = tmp_path / "in", tmp_path / "out"
    good = [f"{number:04}" for number in range(300)]
    give_jobs(inputs, [*good, "bad-one", "bad-two"])
    command: list[str | Path] = [environment.python, "-m", "flask_psc_model.cli.run_many", inputs, outputs]
    with (
        start_nodes(variables, environment.python) as nodes,
        subprocess.Popen(
            [*command, "--ray", nodes.address],
            cwd=repository.path,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        try:
            # a job waits on each node
            wait_until(lambda: len(diary.waiting()) == NODES)
            nodes.kill_one()
            wait_until(lambda: sum(map(is_alive, diary.waiting().values())) == NODES - 1)
            ended_before = diary.read("ended")
            diary.let_go()
            output, errors = process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode == 1, errors
    # nothing of Ray, which prints that a node is lost
    assert re.fullmatch(r"302 of 302 jobs in .*: 300 done, 2 failed; see .*errors\.jsonl\n", output)
    assert "replacing a lost worker" in errors
    # none is lost, none has ended twice, and every result is right
    assert all(job < "0050" for job, _ in ended_before)
    assert sorted(job for job, _ in diary.read("ended")) == good
    # the staging folder of an actor that has just been killed may stay for a minute
    written = [path for path in outputs.glob("*/*") if not path.name.startswith(".psc-")]
    assert {path.parent.name: path.read_text() for path in written} == {name: name for name in good}
    lines = (outputs / "errors.jsonl").read_text(encoding="utf-8").splitlines()
    failures = {entry["job"]: entry["message"] for entry in map(json.loads, lines)}
    assert failures == {"bad-one": "no bad-one", "bad-two": "no bad-two"}
    # one job began twice: the one of the lost node
    assert len(diary.read("began")) == 303
