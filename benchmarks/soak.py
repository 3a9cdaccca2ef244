"""Lets a server run jobs that misbehave for minutes, and checks every answer.

python benchmarks/soak.py [--crowd] [--minutes N] [--seed N] [--write]
"""

import argparse
import os
import platform
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from harness.contender import BENCHMARKS
from harness.errors import BenchmarkFailed
from harness.plot import draw
from harness.soak_crowd import RESETS_A_SECOND, SLOW_CLIENTS
from harness.soak_run import CLIENTS, PROCESSES, Findings, Soak

TEMPLATE = BENCHMARKS.parent

#: By how many MB the web process may grow in the second half.
MAX_GROWTH = 2.0

#: Wrong answers that are shown.
SHOWN = 20


def main() -> int:
    """Run the soak and return the exit status of the program."""
    parser = argparse.ArgumentParser(description="Run jobs that misbehave, and check every answer.")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (default: %(default)g)")
    parser.add_argument("--seed", type=int, default=1, help="chooses the jobs (default: %(default)s)")
    parser.add_argument(
        "--crowd",
        action="store_true",
        help=f"with {SLOW_CLIENTS} slow clients and {RESETS_A_SECOND} resets a second beside the jobs",
    )
    parser.add_argument("--write", action="store_true", help="write soak.md and soak.svg, or soak-crowd.…")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    try:
        findings = run(folder, options.minutes, options.seed, options.crowd)
    except BenchmarkFailed as error:
        print(f"error: {error}\nEverything is in {folder}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        shutil.rmtree(folder, ignore_errors=True)
        return 130
    goals = judge(findings)
    page = to_markdown(findings, goals, options.minutes, options.crowd)
    print(page)
    for line in findings.wrong[:SHOWN]:
        print(f"wrong: {line}", file=sys.stderr)
    if options.write:
        name = get_name(options.crowd)
        (BENCHMARKS / f"{name}.md").write_text(page, encoding="utf-8")
        (BENCHMARKS / f"{name}.svg").write_text(to_svg(findings), encoding="utf-8")
    if all(reached for _, _, reached in goals):
        shutil.rmtree(folder)
        return 0
    print(f"The log and all folders are in {folder}.", file=sys.stderr)
    return 1


def get_name(has_crowd: bool) -> str:
    """Return the name of the files that `--write` writes."""
    return "soak-crowd" if has_crowd else "soak"


def run(folder: Path, minutes: float, seed: int, has_crowd: bool) -> Findings:
    """Run the soak and return what it found.

    Args:
        folder: an empty folder.
        minutes: how long.
        seed: of the choice of jobs.
        has_crowd: whether there are slow clients and resets beside the jobs.

    Raises:
        BenchmarkFailed: the server does not start, or its web process has ended.
    """
    with Soak(TEMPLATE, folder, seed, has_crowd) as soak:
        last = -float("inf")
        shown = 0

        def progress(seconds: float) -> None:
            nonlocal last, shown
            is_terminal = sys.stderr.isatty()
            findings = soak.findings
            for problem in findings.wrong[shown:]:
                shown += 1
                print(f"\r{problem}\033[K" if is_terminal else problem, file=sys.stderr)
            if is_terminal or seconds - last >= 15:
                last = seconds
                line = (
                    f"{seconds:4.0f} of {minutes * 60:.0f} s  {sum(findings.answers.values())} answers,"
                    f" {len(findings.wrong)} wrong  {findings.samples[-1].memory:.1f} MB"
                )
                print(f"\r{line}\033[K" if is_terminal else line, end="" if is_terminal else "\n", file=sys.stderr)
                sys.stderr.flush()

        try:
            soak.run(minutes * 60, progress)
        finally:
            if sys.stderr.isatty():
                print(file=sys.stderr)
        return soak.findings


def judge(findings: Findings) -> list[tuple[str, str, bool]]:
    """Return each goal, what was found, and whether the goal is reached."""
    counts = findings.descriptors
    growth = findings.growth()
    return [
        ("wrong answers: none", str(len(findings.wrong)), not findings.wrong),
        (
            "descriptors of the web process: constant",
            f"{min(counts)} to {max(counts)}" if len(set(counts)) > 1 else str(counts[0]),
            len(set(counts)) == 1,
        ),
        (
            f"growth of the web process in the second half: less than {MAX_GROWTH:g} MB",
            f"{growth:+.2f} MB",
            growth < MAX_GROWTH,
        ),
    ]


def to_markdown(findings: Findings, goals: list[tuple[str, str, bool]], minutes: float, has_crowd: bool) -> str:
    """Return the verdict and the counts as a page."""
    rows = [f"| {goal} | {found} | {'reached' if reached else 'missed'} |" for goal, found, reached in goals]
    cases = [f"| {name} | {count} |" for name, count in sorted(findings.answers.items())]
    restarts = [
        f"| `{name.split(chr(34))[1]}` | {count:g} |"
        for name, count in findings.metrics.items()
        if name.startswith("psc_model_restarts_total")
    ]
    crowd = f" beside {SLOW_CLIENTS} slow clients and {RESETS_A_SECOND} resets a second" if has_crowd else ""
    return "\n".join(
        [
            "# Soak",
            "",
            f"`python benchmarks/soak.py{' --crowd' if has_crowd else ''}`, {minutes:g} minutes, {CLIENTS} clients"
            f"{crowd}, {PROCESSES} model processes, Python {platform.python_version()} on {os.cpu_count()} cores:"
            f" {sum(findings.answers.values())} answers; the slowest of `/status` took {findings.longest_status:.2f} s."
            " [README.md](README.md#the-soak) describes what is checked.",
            "",
            "| goal | found | |",
            "| --- | ---: | --- |",
            *rows,
            "",
            "![memory of the web process over time](" + get_name(has_crowd) + ".svg)",
            "",
            "| model processes replaced for | times |",
            "| --- | ---: |",
            *restarts,
            "",
            "| job | answers |",
            "| --- | ---: |",
            *cases,
            "",
        ]
    )


def to_svg(findings: Findings) -> str:
    """Return the memory of the web process over time as a picture."""
    points = [(sample.seconds / 60, sample.memory) for sample in findings.samples]
    return draw("Memory of the web process", "minutes", "MB resident", points)


if __name__ == "__main__":
    sys.exit(main())
