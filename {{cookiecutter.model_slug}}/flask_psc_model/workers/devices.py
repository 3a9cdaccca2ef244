"""The number of model processes, their CUDA devices and their threads."""

import glob
import itertools
import os
import re
from typing import Dict, List, Optional

VARIABLE = "CUDA_VISIBLE_DEVICES"

#: How many threads numerical libraries start; by default one for each CPU of the machine.
THREADS_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


def limit_threads(cpus: Optional[float], processes: int) -> Dict[str, str]:
    """Return the variables that keep model processes off each other's CPUs.

    A variable that is set in this process stays as it is.

    Args:
        cpus: of all of them together; None for no limit.
        processes: number of model processes.
    """
    if cpus is None:
        return {}
    threads = str(max(int(cpus / processes), 1))
    return {name: threads for name in THREADS_VARIABLES if name not in os.environ}


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
