"""Measures bulk runs of a rendered repository: what a job costs, and what a second process gains.

python benchmarks/bulk.py [--rounds N] [--jobs N] [--write]
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from harness.bulk import BulkRuns, add_computing
from harness.contender import BENCHMARKS
from harness.environment import Environment
from harness.errors import BenchmarkFailed
from harness.repository import Repository

TEMPLATE = BENCHMARKS.parent
MODEL = "ColorNamePredictorModel"

#: What the model of the second figure computes, in each job.
COMPUTING_SECONDS = 0.02


def main() -> int:
    """Run the benchmark and return the exit status of the program."""
    parser = argparse.ArgumentParser(description="Measure bulk runs of a rendered repository.")
    parser.add_argument("--rounds", type=int, default=7, help="rounds (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=400, help="jobs of a run (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="write bulk.md and bulk.json")
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="bench-bulk-") as folder:
            figures = measure(Path(folder), options.rounds, options.jobs)
    except BenchmarkFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    text = to_markdown(figures, options.rounds, options.jobs)
    print(text)
    if options.write:
        (BENCHMARKS / "bulk.md").write_text(text, encoding="utf-8")
        (BENCHMARKS / "bulk.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


def measure(folder: Path, rounds: int, jobs: int) -> dict[str, list[float]]:
    """Return the figures of each round, in milliseconds a job; the gain is a ratio.

    Every time is that of a run with all jobs less that of a run with one, so that starting and
    loading have no part in it.

    Args:
        folder: an empty folder.
        rounds: how often everything is measured.
        jobs: of each run.

    Raises:
        BenchmarkFailed: it does not render, or a run fails.
    """
    small = Repository.render(TEMPLATE, folder / "small")
    computing = Repository.render(TEMPLATE, folder / "computing")
    add_computing(computing, MODEL, COMPUTING_SECONDS)
    environment = Environment(TEMPLATE / ".bench", small.requirements)
    environment.install()
    few = BulkRuns(small, environment, folder / "small-jobs")
    long = BulkRuns(computing, environment, folder / "computing-jobs")
    ways: dict[str, Callable[[int], float]] = {
        "loop": few.measure_loop,
        "one": lambda count: few.measure(count, 1),
        "computing_loop": long.measure_loop,
        "computing_one": lambda count: long.measure(count, 1),
        "computing_two": lambda count: long.measure(count, 2),
    }
    figures: dict[str, list[float]] = {name: [] for name in [*ways, "gain"]}
    for number in range(rounds):
        for name, measure_way in ways.items():
            measure_way(1)
            seconds = measure_way(jobs + 1) - measure_way(1)
            figures[name].append(seconds / jobs * 1000)
        figures["gain"].append(figures["computing_one"][-1] / figures["computing_two"][-1])
        shown = "  ".join(f"{name} {values[-1]:.2f}" for name, values in figures.items())
        print(f"round {number + 1}/{rounds}  {shown}", file=sys.stderr, flush=True)
    return figures


def to_markdown(figures: dict[str, list[float]], rounds: int, jobs: int) -> str:
    """Return the medians as a page.

    Args:
        figures: of each round.
        rounds: how many there were.
        jobs: of each run.
    """
    middle = {name: statistics.median(values) for name, values in figures.items()}
    return f"""# Bulk runs

`python benchmarks/bulk.py`, medians of {rounds} rounds of {jobs} jobs, Python {platform.python_version()} on \
{os.cpu_count()} cores; milliseconds a job.

| model                   | plain loop | `run_many`, 1 process | 2 processes | gain of the second |
| ----------------------- | ---------: | --------------------: | ----------: | -----------------: |
| the example             | {middle["loop"]:10.2f} | {middle["one"]:21.2f} |             |                    |
| computes {COMPUTING_SECONDS * 1000:.0f} ms beside it | {middle["computing_loop"]:10.2f} \
| {middle["computing_one"]:21.2f} | {middle["computing_two"]:11.2f} | {middle["gain"]:18.2f} |
"""


if __name__ == "__main__":
    sys.exit(main())
