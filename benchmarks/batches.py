"""Measures picture jobs on the server of a rendered repository, with and without batches, and on others.

python benchmarks/batches.py [--quick] [--only NAME ...] [--rounds N] [--write]
"""

import argparse
import os
import platform
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.batches import FULL, QUICK, PictureBench, list_goals, list_servers, measure, to_markdown, write_json
from harness.contender import BENCHMARKS, REQUIREMENTS
from harness.errors import BenchmarkFailed
from harness.terminal import RED, paint, progress

TEMPLATE = BENCHMARKS.parent

#: Milliseconds that the accelerator takes: for a call, and for each picture.
ACCELERATORS = [(20.0, 0.5), (5.0, 0.2)]


def main() -> int:
    """Run the benchmark and return the exit status of the program."""
    servers = list_servers(os.cpu_count() or 1)
    names = [server.name for server in servers]
    parser = argparse.ArgumentParser(description="Measure batches of picture jobs.")
    parser.add_argument("--quick", action="store_true", help="a rough run of about three minutes")
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=f"some servers: {', '.join(names)}")
    parser.add_argument("--rounds", type=int, help=f"rounds (default: {FULL.rounds}, quick: {QUICK.rounds})")
    parser.add_argument("--write", action="store_true", help="write batches.md and batches.json")
    options = parser.parse_args()
    plan = QUICK if options.quick else FULL
    plan = replace(plan, rounds=options.rounds or plan.rounds)
    servers = [server for server in servers if not options.only or server.name in options.only]
    parts: list[str] = []
    content: dict[str, Any] = {"rounds": plan.rounds, "seconds": plan.seconds, "cores": os.cpu_count()}
    try:
        with tempfile.TemporaryDirectory(prefix="bench-batches-") as folder:
            requirements = REQUIREMENTS / "pictures.txt"
            bench = PictureBench(TEMPLATE, TEMPLATE / ".bench", Path(folder), "picture_steps", requirements)
            bench.prepare(servers, progress)
            content["read_ms"] = bench.read_ms
            for call_ms, picture_ms in ACCELERATORS:
                title = f"An accelerator of {call_ms:g} ms a call and {picture_ms:g} ms a picture"
                progress(title)
                variables = {"BENCH_CALL_MS": str(call_ms), "BENCH_PICTURE_MS": str(picture_ms)}
                medians = measure(bench, servers, plan, variables, progress)
                # the goals are those of the first accelerator
                goals = [] if parts else list_goals(servers, medians)
                parts.append(f"## {title}\n\n{to_markdown(servers, medians, goals)}\n")
                content[f"{call_ms:g}+{picture_ms:g}"] = medians
    except BenchmarkFailed as error:
        print(paint(f"error: {error}", RED, sys.stderr), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    text = f"""# Batches

`python benchmarks/batches.py`, medians of {plan.rounds} rounds of {plan.seconds:g} s, Python \
{platform.python_version()} on {os.cpu_count()} cores. A picture takes {bench.read_ms:.1f} ms of CPU to read. The CPU \
a job is that at 64 clients.

{chr(10).join(parts)}"""
    print(text)
    if options.write:
        (BENCHMARKS / "batches.md").write_text(text, encoding="utf-8")
        write_json(BENCHMARKS / "batches.json", content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
