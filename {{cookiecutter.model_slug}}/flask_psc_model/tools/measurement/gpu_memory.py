"""The memory of the GPUs, as `nvidia-smi` reports it."""

import subprocess
from functools import partial
from typing import Optional

from .memory import Memory

COMMAND = ("nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits")

#: Seconds that it may take, and between two samples.
COMMAND_SECONDS = 10
SAMPLE_SECONDS = 0.2

SOURCE = "growth in nvidia-smi, other programs included"


def watch_gpus(is_used: bool) -> Memory:
    """Return by how much the memory in use on all GPUs together grows from now on.

    Processes of a container cannot be told apart everywhere, so those of other programs
    count, too.

    Args:
        is_used: whether the model gets any GPU; else nothing grows.
    """
    before = read_used() if is_used else None
    if before is None:
        return Memory(lambda: 0, SOURCE, SAMPLE_SECONDS)
    return Memory(partial(_read_growth, before), SOURCE, SAMPLE_SECONDS)


def read_used() -> Optional[int]:
    """Return the bytes in use on all GPUs together, None if they are unknown."""
    try:
        output = subprocess.check_output(
            COMMAND, stderr=subprocess.DEVNULL, timeout=COMMAND_SECONDS
        )
        return sum(map(int, output.split())) * 1024**2
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def _read_growth(before: int) -> int:
    used = read_used()
    return 0 if used is None else max(used - before, 0)
