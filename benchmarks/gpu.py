"""Measures picture jobs with a ResNet-50 on a GPU, on the server of a rendered repository and on others.

python benchmarks/gpu.py [--quick] [--copies N] [--write]

Without a GPU it says so and ends with exit code 0.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from harness.batches import FULL, QUICK, PictureBench, find_peers, list_servers, measure, to_markdown, write_json
from harness.contender import BENCHMARKS, REQUIREMENTS
from harness.errors import BenchmarkFailed
from harness.results import Goal
from harness.terminal import RED, paint, progress

TEMPLATE = BENCHMARKS.parent

#: The most copies of the model, and of reading processes, in the servers that have several.
MOST_COPIES = 8


def main() -> int:
    """Run the benchmark and return the exit status of the program."""
    default = min(MOST_COPIES, os.cpu_count() or 1)
    parser = argparse.ArgumentParser(description="Measure batches of picture jobs on a GPU.")
    parser.add_argument("--quick", action="store_true", help="a rough run")
    parser.add_argument("--copies", type=int, default=default, help="of the model in the other servers (%(default)s)")
    parser.add_argument("--write", action="store_true", help="write gpu.md and gpu.json")
    options = parser.parse_args()
    gpu = find_gpu()
    if not gpu:
        print("There is no GPU on this machine (nvidia-smi lists none): nothing is measured.")
        return 0
    plan = QUICK if options.quick else FULL
    servers = list_servers(options.copies)
    try:
        with tempfile.TemporaryDirectory(prefix="bench-gpu-") as folder:
            bench = PictureBench(TEMPLATE, TEMPLATE / ".bench", Path(folder), "resnet_steps", REQUIREMENTS / "gpu.txt")
            bench.prepare(servers, progress)
            # the class of a picture depends a little on the size of its batch
            medians = measure(bench, servers, plan, {}, progress, is_exact=False)
    except BenchmarkFailed as error:
        print(paint(f"error: {error}", RED, sys.stderr), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    ratio = max(find_peers(servers, medians, copies=None)) / medians["psc-batches"]["jobs_per_second_64"]
    goals = [Goal("jobs/s at 64 clients, best other server to batches", ratio, 1 / 1.5)]
    text = f"""# Batches on a GPU

`python benchmarks/gpu.py`, ResNet-50, medians of {plan.rounds} rounds of {plan.seconds:g} s, {gpu}, \
{os.cpu_count()} cores. A picture takes {bench.read_ms:.1f} ms of CPU to read. The CPU a job is that at 64 clients.

{to_markdown(servers, medians, goals)}
"""
    print(text)
    if options.write:
        (BENCHMARKS / "gpu.md").write_text(text, encoding="utf-8")
        write_json(BENCHMARKS / "gpu.json", {"gpu": gpu, "rounds": plan.rounds, "medians": medians})
    return 0


def find_gpu() -> str:
    """Return the name of the first GPU; nothing where there is none."""
    program = shutil.which("nvidia-smi")
    if not program:
        return ""
    command = [program, "--query-gpu=name", "--format=csv,noheader"]
    result = subprocess.run(command, capture_output=True, text=True)
    return "" if result.returncode else result.stdout.strip().partition("\n")[0]


if __name__ == "__main__":
    sys.exit(main())
