"""Dealing out CUDA devices to model processes."""

import glob
import os
import re
from typing import Dict, List

VARIABLE = "CUDA_VISIBLE_DEVICES"


def deal_out_devices(processes: int) -> List[Dict[str, str]]:
    """Return the environment of each model process: one CUDA device each.

    Where there are fewer devices than processes they are shared in turn. A single
    process, or a machine without devices, is left as it is.
    """
    devices = find_devices()
    if processes == 1 or not devices:
        return [{} for _ in range(processes)]
    return [{VARIABLE: devices[i % len(devices)]} for i in range(processes)]


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
