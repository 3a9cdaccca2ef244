"""The number of model processes and their CUDA devices."""

import glob
import itertools
import os
import re
from typing import Dict, List

VARIABLE = "CUDA_VISIBLE_DEVICES"


def count_processes() -> int:
    """Return the number of model processes, `PSC_MODEL_PROCESSES`; 1 by default.

    Raises:
        ValueError: it is not a whole number above zero.
    """
    text = os.environ.get("PSC_MODEL_PROCESSES") or "1"
    if not text.isdigit() or int(text) < 1:
        raise ValueError(
            f"PSC_MODEL_PROCESSES is {text!r}: set it to a whole number above zero"
        )
    return int(text)


def assign_devices(processes: int, each: int = 1) -> List[Dict[str, str]]:
    """Return the environment of each model process, with its CUDA devices.

    Processes share devices if there are too few. A single process, or a machine
    without devices, keeps its environment.

    Args:
        processes: number of model processes.
        each: devices per process.
    """
    devices = find_devices()
    if processes == 1 or not devices:
        return [{} for _ in range(processes)]
    each = min(each, len(devices))
    cycle = itertools.cycle(devices)
    return [
        {VARIABLE: ",".join(itertools.islice(cycle, each))} for _ in range(processes)
    ]


def find_devices() -> List[str]:
    """List the CUDA devices that this process may use, by `CUDA_VISIBLE_DEVICES`.

    Without that variable, each device file of the NVIDIA driver is a device.
    """
    visible = os.environ.get(VARIABLE)
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip()]
    files = glob.glob("/dev/nvidia[0-9]*")
    return [str(index) for index, _ in enumerate(sorted(files, key=_number))]


def _number(path: str) -> int:
    return int(re.sub(r"\D", "", path))
