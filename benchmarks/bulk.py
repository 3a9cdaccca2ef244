"""Measures bulk runs of a rendered repository beside a plain loop over the same model, and beside `ray.data`.

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

from harness.batches import READ_MS
from harness.bulk import BulkRuns, Inputs, add_computing, add_pictures
from harness.contender import BENCHMARKS, REQUIREMENTS
from harness.environment import Environment
from harness.errors import BenchmarkFailed
from harness.pictures import make_pictures
from harness.repository import Repository
from harness.results import Goal, make_table, show_goals
from harness.terminal import RED, paint, progress

TEMPLATE = BENCHMARKS.parent
MODEL = "ColorNamePredictorModel"

#: What the model of the second row computes, in each job.
COMPUTING_SECONDS = 0.02

#: What the accelerator of the third row takes, in milliseconds: for a call, and for each picture.
CALL_MS, PICTURE_MS = "20", "0.5"

PICTURES = 64

ROWS = {
    "example": "the example",
    "computing": f"computes {COMPUTING_SECONDS * 1000:.0f} ms beside it",
    "pictures": f"pictures in batches, {CALL_MS} ms a call and {PICTURE_MS} ms a picture",
}


def main() -> int:
    """Run the benchmark and return the exit status of the program."""
    parser = argparse.ArgumentParser(description="Measure bulk runs of a rendered repository.")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=400, help="jobs of a run (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="write bulk.md and bulk.json")
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="bench-bulk-") as folder:
            figures = measure(make_ways(Path(folder)), options.rounds, options.jobs)
    except BenchmarkFailed as error:
        print(paint(f"error: {error}", RED, sys.stderr), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    text = to_markdown(figures, options.rounds, options.jobs)
    print(text)
    if options.write:
        (BENCHMARKS / "bulk.md").write_text(text, encoding="utf-8")
        (BENCHMARKS / "bulk.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


def make_ways(folder: Path) -> dict[str, Callable[[int], float]]:
    """Return, by name, what takes the seconds of a number of jobs.

    Args:
        folder: an empty folder.

    Raises:
        BenchmarkFailed: it does not render, or a package cannot be installed.
    """
    small, computing, pictures = (Repository.render(TEMPLATE, folder / name) for name in ROWS)
    add_computing(computing, MODEL, COMPUTING_SECONDS)
    add_pictures(pictures)
    requirements = folder / "bulk.txt"
    paths = [small.requirements, REQUIREMENTS / "pictures.txt", REQUIREMENTS / "ray.txt"]
    requirements.write_text("\n".join(path.read_text("utf-8") for path in paths), encoding="utf-8")
    environment = Environment(TEMPLATE / ".bench", requirements)
    if environment.install():
        progress("installed what the models and Ray need")
    contents, _ = make_pictures(environment.python, folder / "made", PICTURES, READ_MS)
    variables = {"BENCH_STEPS": "picture_steps", "BENCH_CALL_MS": CALL_MS, "BENCH_PICTURE_MS": PICTURE_MS}
    runs = {
        "example": BulkRuns(small, environment, folder / "example-jobs"),
        "computing": BulkRuns(computing, environment, folder / "computing-jobs"),
        "pictures": BulkRuns(
            pictures, environment, folder / "pictures-jobs", Inputs(contents, "picture.jpg", "result.json"), variables
        ),
    }
    ways: dict[str, Callable[[int], float]] = {}
    for name, each in runs.items():
        ways |= {f"{name}_loop": each.measure_loop, f"{name}_one": each.measure}
        if name == "computing":
            ways[f"{name}_two"] = lambda jobs: runs["computing"].measure(jobs, 2)
        else:
            ways[f"{name}_ray"] = each.measure_ray_data
    return ways


def measure(ways: dict[str, Callable[[int], float]], rounds: int, jobs: int) -> dict[str, list[float]]:
    """Return the figures of each round, in milliseconds a job.

    Every time is that of a run with all jobs less that of a run with one, so that starting and
    loading have no part in it.

    Args:
        ways: of running jobs.
        rounds: how often everything is measured.
        jobs: of each run.

    Raises:
        BenchmarkFailed: a run fails.
    """
    figures: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, measure_way in ways.items():
            measure_way(1)
            seconds = measure_way(jobs + 1) - measure_way(1)
            figures[name].append(seconds / jobs * 1000)
            progress(f"round {number + 1}/{rounds}  {name:15} {figures[name][-1]:6.2f} ms a job")
    return figures


def to_markdown(figures: dict[str, list[float]], rounds: int, jobs: int) -> str:
    """Return the medians as a page.

    Args:
        figures: of each round.
        rounds: how many there were.
        jobs: of each run.
    """
    middle = {name: statistics.median(values) for name, values in figures.items()}
    head = ("model", "plain loop", "`run_many`, 1 process", "2 processes", "`ray.data`, 1 copy")
    rows = [
        [label, *(_show(middle.get(f"{name}_{way}")) for way in ("loop", "one", "two", "ray"))]
        for name, label in ROWS.items()
    ]
    goals = [
        Goal("the example, ms above the plain loop", middle["example_one"] - middle["example_loop"], 1.0),
        Goal("pictures in batches, ratio to the plain loop", middle["pictures_one"] / middle["pictures_loop"], 1.3),
    ]
    return f"""# Bulk runs

`python benchmarks/bulk.py`, medians of {rounds} rounds of {jobs} jobs, Python {platform.python_version()} on \
{os.cpu_count()} cores; milliseconds a job.

{make_table(head, rows)}

{show_goals(goals)}
"""


def _show(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


if __name__ == "__main__":
    sys.exit(main())
