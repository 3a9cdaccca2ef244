"""Bulk runs of a rendered repository, and a plain loop over the same model."""

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from .environment import Environment
from .errors import BenchmarkFailed
from .repository import Repository

#: What a person would write without the command: the model, once, on every folder.
LOOP = """
import importlib
import os
import sys

import app

inputs, outputs = sys.argv[1:]
module, _, name = app.app.config["PSC_MODEL_FACTORY"].rpartition(".")
model = getattr(importlib.import_module(module), name)()
for job in sorted(os.listdir(inputs)):
    os.makedirs(os.path.join(outputs, job))
    model.run(os.path.join(inputs, job, "input.txt"), os.path.join(outputs, job, "results.json"))
"""

#: A class that computes on one processor before it does what the model does.
COMPUTING = """

class _Computing({name}):
    def run(self, *paths: str) -> None:
        __import__("hashlib").pbkdf2_hmac("sha256", b"", b"", {iterations})
        super().run(*paths)


{name} = _Computing
"""


class BulkRuns:
    """Runs the jobs of a folder in several ways, and takes the time."""

    def __init__(self, repository: Repository, environment: Environment, folder: Path) -> None:
        """Choose the repository.

        Args:
            repository: with the model.
            environment: where its packages are installed.
            folder: for the jobs; it need not exist.
        """
        self._repository = repository
        self._environment = environment
        self._folder = folder

    def measure_loop(self, jobs: int) -> float:
        """Return the seconds that a plain loop takes.

        Args:
            jobs: how many there are.
        """
        return self._measure(jobs, ["-c", LOOP])

    def measure(self, jobs: int, processes: int) -> float:
        """Return the seconds that a bulk run takes.

        Args:
            jobs: how many there are.
            processes: how many model processes.
        """
        return self._measure(jobs, ["-m", "flask_psc_model.cli.run_many"], [f"--processes={processes}"])

    def _measure(self, jobs: int, command: Sequence[str], options: Sequence[str] = ()) -> float:
        inputs, outputs = self._folder / f"in-{jobs}", self._folder / "out"
        if not inputs.exists():
            for number in range(jobs):
                (inputs / f"{number:05}").mkdir(parents=True)
                (inputs / f"{number:05}" / "input.txt").write_text(f"{number:06x}")
        shutil.rmtree(outputs, ignore_errors=True)
        started = time.perf_counter()
        result = subprocess.run(
            [self._environment.python, *command, inputs, outputs, *options],
            cwd=self._repository.folder,
            env=self._environment.variables(OMP_NUM_THREADS="1"),
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - started
        results = sum((outputs / name / "results.json").exists() for name in os.listdir(inputs))
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


def _calibrate(seconds: float) -> int:
    iterations = 20000
    times = []
    for _ in range(20):
        started = time.perf_counter()
        hashlib.pbkdf2_hmac("sha256", b"", b"", iterations)
        times.append(time.perf_counter() - started)
    return round(iterations * seconds / min(times))
