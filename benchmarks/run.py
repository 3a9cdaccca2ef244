"""Measures the server of a rendered repository side by side with others that run the same model.

python benchmarks/run.py [--quick] [--only NAME ...] [--rounds N] [--jobs DIR] [--write]
"""

import argparse
import json
import os
import platform
import re
import shlex
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from harness.contender import BENCHMARKS, CONTENDERS, Contender
from harness.errors import BenchmarkFailed
from harness.jobs import Jobs
from harness.measurement import measure_load, measure_memory, measure_start, measure_status
from harness.results import Results
from harness.terminal import GREEN, RED, paint, progress
from harness.workshop import Workshop

TEMPLATE = BENCHMARKS.parent
COLORS = {"reached": GREEN, "missed": RED}


@dataclass(frozen=True)
class Plan:
    """How thoroughly to measure.

    Attributes:
        rounds: how often every server is started and measured.
        load_seconds: how long each load of a round lasts.
        run_seconds: how long the long run sleeps.
    """

    rounds: int
    load_seconds: float
    run_seconds: float


FULL = Plan(rounds=9, load_seconds=1.0, run_seconds=10.0)
QUICK = Plan(rounds=2, load_seconds=0.4, run_seconds=3.0)


def main() -> int:
    """Run the benchmark and return the exit status of the program."""
    options = parse_options()
    plan = QUICK if options.quick else FULL
    plan = Plan(options.rounds or plan.rounds, plan.load_seconds, plan.run_seconds)
    contenders = [contender for contender in CONTENDERS if not options.only or contender.name in options.only]
    signal.signal(signal.SIGTERM, stop)
    started = time.monotonic()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="bench-") as folder,
            tempfile.TemporaryDirectory(prefix="bench-jobs-", dir=options.jobs) as jobs_folder,
        ):
            workshop = prepare(contenders, plan, options.template.resolve(), Path(folder))
            results = measure(workshop, contenders, plan, Jobs(Path(jobs_folder)))
    except BenchmarkFailed as error:
        print(paint(f"error: {error}", RED, sys.stderr), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; every server is stopped", file=sys.stderr)
        return 130
    progress(f"done in {time.monotonic() - started:.0f} s")
    markdown = results.to_markdown()
    print(re.sub(r"\b(reached|missed)\b", lambda match: paint(match[0], COLORS[match[0]], sys.stdout), markdown))
    if options.write:
        write(results, plan, markdown)
    return 0


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    names = [contender.name for contender in CONTENDERS]
    parser = argparse.ArgumentParser(description="Measure the rendered repository's server beside others.")
    parser.add_argument("--quick", action="store_true", help="a rough run of about two minutes")
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=f"some servers: {', '.join(names)}")
    parser.add_argument("--rounds", type=positive, help=f"rounds (default: {FULL.rounds}, quick: {QUICK.rounds})")
    parser.add_argument("--write", action="store_true", help="write results.md and results.json")
    parser.add_argument(
        "--jobs", type=existing_folder, metavar="DIR", help="where the jobs' files are (default: the temporary folder)"
    )
    parser.add_argument("--template", type=Path, default=TEMPLATE, help="another template to measure")
    return parser.parse_args()


def positive(text: str) -> int:
    """Read a whole number above zero.

    Args:
        text: what stands on the command line.
    """
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above zero")
    return int(text)


def existing_folder(text: str) -> str:
    """Read the path of a folder.

    Args:
        text: what stands on the command line.
    """
    if not os.path.isdir(text):
        raise argparse.ArgumentTypeError(f"there is no folder {text!r}")
    return os.path.abspath(text)


def prepare(contenders: list[Contender], plan: Plan, template: Path, folder: Path) -> Workshop:
    """Render the template and install what the servers need.

    Args:
        contenders: the servers.
        plan: how thoroughly they will be measured.
        template: the template's folder.
        folder: an empty folder.

    Raises:
        BenchmarkFailed: the template does not render, or a package cannot be installed.
    """
    progress("rendering the template, preparing the environments")
    workshop = Workshop(template, TEMPLATE / ".bench", folder, plan.run_seconds)
    workshop.prepare(contenders, progress)
    return workshop


def measure(workshop: Workshop, contenders: list[Contender], plan: Plan, jobs: Jobs) -> Results:
    """Measure all servers.

    Args:
        workshop: where they are started.
        contenders: the servers.
        plan: how thoroughly.
        jobs: what they run.

    Raises:
        BenchmarkFailed: a server could not be measured.
    """
    results = Results(contenders, plan.run_seconds)
    for contender in contenders:
        results.rounds[contender.name] = []
        results.versions[contender.name] = workshop.read_versions(contender)
        # The first start compiles Python files, which an image has behind it; so it is not counted.
        with workshop.start(contender) as server:
            measure_start(server, contender, jobs)
    for number in range(plan.rounds):
        # Every server is measured in every round, each time in another order, so that noise hits all alike.
        shift = number % len(contenders)
        for contender in contenders[shift:] + contenders[:shift]:
            with workshop.start(contender) as server:
                figures = measure_start(server, contender, jobs)
                figures |= measure_load(server, jobs, plan.load_seconds)
                figures |= measure_memory(server)
            jobs.take_results()
            results.rounds[contender.name].append(figures)
            progress(
                f"round {number + 1}/{plan.rounds}  {contender.name:8}  ready {figures['ready_s']:5.2f} s  "
                f"1 client {figures['run_p50_1_ms']:5.2f} ms  8 clients {figures['run_p50_8_ms']:6.2f} ms  "
                f"{figures['jobs_per_second_8']:5.0f} jobs/s  {figures['memory_mb']:4.0f} MB"
            )
    for contender in contenders:
        with workshop.start(contender, is_slow=True) as server:
            status = measure_status(server, contender, jobs, plan.run_seconds)
        results.status[contender.name] = status
        median = f"{status['status_p50_ms']:.2f} ms" if status else "no answer"
        progress(f"/status during a run of {plan.run_seconds:g} s  {contender.name:8}  {median}")
    return results


def write(results: Results, plan: Plan, markdown: str) -> None:
    """Write `results.md` and `results.json` beside this file.

    Args:
        results: what was measured.
        plan: how thoroughly.
        markdown: the tables.
    """
    command = shlex.join(["python", "benchmarks/run.py", *(word for word in sys.argv[1:] if word != "--write")])
    conditions = (
        f"`{command}`, medians of the rounds ({plan.rounds}), Python {platform.python_version()} on"
        f" {os.cpu_count()} cores; {results.versions_to_markdown()}."
    )
    text = f"# Results\n\n{conditions} [README.md](README.md) explains each figure.\n\n{markdown}\n"
    (BENCHMARKS / "results.md").write_text(text, encoding="utf-8")
    (BENCHMARKS / "results.json").write_text(json.dumps(results.to_json(), indent=1) + "\n", encoding="utf-8")
    progress("wrote benchmarks/results.md and benchmarks/results.json")


def stop(number: int, frame: FrameType | None) -> None:
    """Leave through the `with` statements, which stop the servers.

    Args:
        number: the signal.
        frame: unused.
    """
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
