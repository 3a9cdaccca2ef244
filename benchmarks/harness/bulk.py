"""Bulk runs of a rendered repository, a plain loop over the same model, and `ray.data`."""

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .batches import BATCH_MODEL, MODEL_YAML
from .contender import SERVERS
from .environment import Environment
from .errors import BenchmarkFailed
from .jobs import COLORS, INPUT, OUTPUT
from .repository import Repository

#: What a person would write without the command: the model, once, on every folder, in batches if it takes any.
LOOP = """
import importlib
import os
import sys

import app

inputs, outputs, source, target = sys.argv[1:]
module, _, name = app.app.config["PSC_MODEL_FACTORY"].rpartition(".")
model = getattr(importlib.import_module(module), name)()
size = getattr(model, "max_batch_size", 1)
jobs = sorted(os.listdir(inputs))
for start in range(0, len(jobs), size):
    batch = jobs[start : start + size]
    for job in batch:
        os.makedirs(os.path.join(outputs, job))
    reads = [os.path.join(inputs, job, source) for job in batch]
    writes = [os.path.join(outputs, job, target) for job in batch]
    if hasattr(model, "preprocess"):
        results = model.predict([model.preprocess(path) for path in reads])
        for result, path in zip(results, writes):
            model.postprocess(result, path)
    else:
        model.run(reads[0], writes[0])
"""

#: The same with `ray.data`: an actor that holds the model gets the names of the jobs in batches.
RAY_DATA = """
import importlib
import os
import sys

import ray

import app

inputs, outputs, source, target = sys.argv[1:]
module, _, name = app.app.config["PSC_MODEL_FACTORY"].rpartition(".")
model_class = getattr(importlib.import_module(module), name)
size = getattr(model_class, "max_batch_size", 1)


class Predictor:
    def __init__(self):
        self.model = model_class()

    def __call__(self, batch):
        jobs = [str(job) for job in batch["item"]]
        for job in jobs:
            os.makedirs(os.path.join(outputs, job))
        reads = [os.path.join(inputs, job, source) for job in jobs]
        writes = [os.path.join(outputs, job, target) for job in jobs]
        if hasattr(self.model, "preprocess"):
            results = self.model.predict([self.model.preprocess(path) for path in reads])
            for result, path in zip(results, writes):
                self.model.postprocess(result, path)
        else:
            self.model.run(reads[0], writes[0])
        return batch


ray.init(include_dashboard=False, log_to_driver=False)
data = ray.data.from_items(sorted(os.listdir(inputs)))
data.map_batches(Predictor, batch_size=size, concurrency=1).materialize()
"""

#: A class that computes on one processor before it does what the model does.
COMPUTING = """

class _Computing({name}):
    def run(self, *paths: str) -> None:
        __import__("hashlib").pbkdf2_hmac("sha256", b"", b"", {iterations})
        super().run(*paths)


{name} = _Computing
"""


@dataclass(frozen=True)
class Inputs:
    """What the jobs of a bulk run are made of.

    Attributes:
        contents: of the input files; jobs take them in turn.
        source: name of the input file.
        target: name of the output file.
    """

    contents: Sequence[bytes] = COLORS
    source: str = INPUT
    target: str = OUTPUT


@dataclass(frozen=True)
class BulkRuns:
    """Runs the jobs of a folder in several ways, and takes the time.

    Attributes:
        repository: with the model.
        environment: where its packages are installed.
        folder: for the jobs; it need not exist.
        inputs: of the jobs.
        variables: of the environment, for the model.
    """

    repository: Repository
    environment: Environment
    folder: Path
    inputs: Inputs = Inputs()
    variables: dict[str, str] = field(default_factory=dict)

    def measure_loop(self, jobs: int) -> float:
        """Return the seconds that a plain loop takes.

        Args:
            jobs: how many there are.
        """
        return self._measure(jobs, ["-c", LOOP], [self.inputs.source, self.inputs.target])

    def measure_ray_data(self, jobs: int) -> float:
        """Return the seconds that `ray.data` takes, with one copy of the model.

        Args:
            jobs: how many there are.
        """
        return self._measure(jobs, ["-c", RAY_DATA], [self.inputs.source, self.inputs.target])

    def measure(self, jobs: int, processes: int = 1) -> float:
        """Return the seconds that a bulk run takes.

        Args:
            jobs: how many there are.
            processes: how many model processes.
        """
        return self._measure(jobs, ["-m", "flask_psc_model.cli.run_many"], [f"--processes={processes}"])

    def _measure(self, jobs: int, command: Sequence[str], options: Sequence[str]) -> float:
        inputs, outputs = self.folder / f"in-{jobs}", self.folder / "out"
        if not inputs.exists():
            for number in range(jobs):
                (inputs / f"{number:05}").mkdir(parents=True)
                content = self.inputs.contents[number % len(self.inputs.contents)]
                (inputs / f"{number:05}" / self.inputs.source).write_bytes(content)
        shutil.rmtree(outputs, ignore_errors=True)
        variables = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(SERVERS), **self.variables}
        started = time.perf_counter()
        result = subprocess.run(
            [self.environment.python, *command, inputs, outputs, *options],
            cwd=self.repository.folder,
            env=self.environment.variables(**variables),
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - started
        results = sum((outputs / name / self.inputs.target).exists() for name in os.listdir(inputs))
        if result.returncode or results != jobs:
            raise BenchmarkFailed(f"{results} of {jobs} jobs have a result:\n{result.stdout}{result.stderr}".strip())
        return seconds


def add_computing(repository: Repository, name: str, seconds: float) -> None:
    """Let a repository's model compute for a while in each run.

    Args:
        repository: is changed.
        name: of the model's class.
        seconds: how long, on one processor of this machine.
    """
    path = repository.folder / "model_lib" / "model.py"
    text = path.read_text(encoding="utf-8")
    path.write_text(text + COMPUTING.format(name=name, iterations=_calibrate(seconds)), encoding="utf-8")


def add_pictures(repository: Repository) -> None:
    """Replace a repository's model by the steps of a picture job, in batches.

    Args:
        repository: is changed.
    """
    folder = repository.folder
    (folder / "model_lib" / "__init__.py").write_text("", encoding="utf-8")
    (folder / "model_lib" / "model.py").write_text(BATCH_MODEL, encoding="utf-8")
    (folder / "model.yaml").write_text(MODEL_YAML.format(cpus=os.cpu_count()), encoding="utf-8")


def _calibrate(seconds: float) -> int:
    iterations = 20000
    times = []
    for _ in range(20):
        started = time.perf_counter()
        hashlib.pbkdf2_hmac("sha256", b"", b"", iterations)
        times.append(time.perf_counter() - started)
    return round(iterations * seconds / min(times))
