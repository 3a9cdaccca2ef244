"""The number of model processes, and the CUDA devices of each."""

import glob
import itertools
import os
import re
from typing import Dict, List

VARIABLE = "CUDA_VISIBLE_DEVICES"


def count_processes() -> int:
    """Return the number of model processes, `PSC_MODEL_PROCESSES`; 1 by default.

    Raises:
        ValueError: it is not a number above zero.
    """
    text = os.environ.get("PSC_MODEL_PROCESSES") or "1"
    if not text.isdigit() or int(text) < 1:
        raise ValueError(
            f"PSC_MODEL_PROCESSES is {text!r}: set it to a number above zero"
        )
    return int(text)


def deal_out_devices(processes: int, each: int = 1) -> List[Dict[str, str]]:
    """Return the environment of each model process, with its CUDA devices.

    Where there are fewer devices than that takes they are shared in turn. A single
    process, or a machine without devices, is left as it is.

    Args:
        processes: how many there are.
        each: devices that each of them has.
    """
    devices = find_devices()
    if processes == 1 or not devices:
        return [{} for _ in range(processes)]
    each = min(each, len(devices))
    turns = itertools.cycle(devices)
    return [
        {VARIABLE: ",".join(itertools.islice(turns, each))} for _ in range(processes)
    ]


def find_devices() -> List[str]:
    """List the CUDA devices that this process may use, by `CUDA_VISIBLE_DEVICES`.

    Where that is not set, every device file of the NVIDIA driver is a device.
    """
    visible = os.environ.get(VARIABLE)
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip()]
    files = glob.glob("/dev/nvidia[0-9]*")
    return [str(index) for index, _ in enumerate(sorted(files, key=_number))]


def _number(path: str) -> int:
    return int(re.sub(r"\D", "", path))
