"""Measures how long rendering takes, beside a template of one empty file with the same Cookiecutter.

python benchmarks/render.py [--rounds N] [--write]
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parent
ROOT = BENCHMARKS.parent
RESULTS = BENCHMARKS / "render.md"

#: The most seconds that this template may take.
LIMIT = 1.0


def main() -> int:
    """Measure, and return the exit status of the program."""
    parser = argparse.ArgumentParser(description="Measure how long rendering takes.")
    parser.add_argument("--rounds", type=int, default=25, help="how often each template is rendered (default: 25)")
    parser.add_argument("--write", action="store_true", help="write render.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-rendering-") as folder:
        # Cookiecutter leaves its hooks where temporary files are
        os.environ["TMPDIR"] = folder
        seconds = measure(Path(folder), options.rounds)
    table = to_markdown(seconds)
    print(table)
    if options.write:
        RESULTS.write_text(f"# Rendering\n\n{describe(options.rounds)}\n\n{table}\n", encoding="utf-8")
    return 0


def measure(folder: Path, rounds: int) -> dict[str, list[float]]:
    """Render each template in turn, so that all of them share whatever else the machine does.

    Args:
        folder: an empty folder.
        rounds: how often; a first round, which reads the files from the disk, is not counted.

    Returns:
        The seconds of each rendering, by what was rendered.
    """
    empty = make_empty_template(folder / "empty")
    commands: dict[str, list[Path | str]] = {
        "one empty file": [empty],
        "this template, without hooks": [ROOT, "--accept-hooks", "no"],
        "this template": [ROOT],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(-1, rounds):
        for name, arguments in commands.items():
            output = folder / f"output {number} {name}"
            started = time.perf_counter()
            render(output, *arguments)
            if number >= 0:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def make_empty_template(folder: Path) -> Path:
    """Write a template of one empty file, and return its folder."""
    repository = folder / "{{cookiecutter.name}}"
    repository.mkdir(parents=True)
    (repository / "empty").touch()
    (folder / "cookiecutter.json").write_text(json.dumps({"name": "empty"}), encoding="utf-8")
    return folder


def render(output: Path, *arguments: Path | str) -> None:
    """Render a template with its defaults, as a command of its own."""
    command = (sys.executable, "-m", "cookiecutter", "--no-input", "--default-config", "--output-dir", output)
    # most people let Python keep bytecode
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([*command, *arguments], check=True, stdout=subprocess.DEVNULL, env=variables)


def to_markdown(seconds: dict[str, list[float]]) -> str:
    """Return the medians, and their ratios to the first, as a table."""
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    first = next(iter(medians.values()))
    rows = [f"| {name} | {median:.3f} s | {median / first:.2f} |" for name, median in medians.items()]
    verdict = "reached" if medians["this template"] < LIMIT else "missed"
    goal = f"The goal, less than {LIMIT:g} s, is {verdict}."
    return "\n".join(["| rendering | median | ratio |", "| --- | ---: | ---: |", *rows, "", goal])


def describe(rounds: int) -> str:
    """Describe what was measured, and on what."""
    versions = f"Cookiecutter {version('cookiecutter')}, Python {platform.python_version()}"
    return (
        f"`python benchmarks/render.py`, medians of {rounds} rounds, each a command of its own; {versions}."
        " [README.md](README.md) has the details."
    )


if __name__ == "__main__":
    sys.exit(main())
