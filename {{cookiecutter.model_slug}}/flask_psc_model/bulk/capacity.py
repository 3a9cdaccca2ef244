"""How many model processes fit on a machine."""

import math
import os
from typing import NamedTuple, Optional

from ..model.spec import Limits
from ..workers.devices import find_devices

#: The limits of a container, in cgroup v2 and v1.
CPU_MAX = "/sys/fs/cgroup/cpu.max"
CPU_QUOTA = "/sys/fs/cgroup/cpu/cpu.cfs_quota_us"
CPU_PERIOD = "/sys/fs/cgroup/cpu/cpu.cfs_period_us"
MEMORY_MAX = (
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)


class Capacity(NamedTuple):
    """The resources of a machine.

    Attributes:
        cpus: number of CPUs.
        memory: in bytes.
        gpus: number of GPUs; infinite if models have to run on CPUs instead.
    """

    cpus: float
    memory: float
    gpus: float

    @classmethod
    def of_machine(cls) -> "Capacity":
        """Return the capacity of this machine, or of this process's container."""
        cpus = float(len(os.sched_getaffinity(0)))
        memory = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
        limits = [_read_number(path) for path in MEMORY_MAX]
        return cls(
            min([cpus] + [limit for limit in [_read_cpu_limit()] if limit]),
            min([memory] + [limit for limit in limits if limit]),
            len(find_devices()) or math.inf,
        )

    def count_processes(self, limits: Limits) -> int:
        """Return how many model processes fit, by the `resources` of `model.yaml`.

        Without a number of CPUs there, each process counts as one CPU.
        """
        fitting = [self.cpus / (limits.cpus or 1)]
        if limits.memory:
            fitting.append(self.memory / limits.memory)
        if limits.gpus:
            fitting.append(self.gpus / limits.gpus)
        return int(min(fitting))


def _read_cpu_limit() -> Optional[float]:
    quota, period = _read_number(CPU_QUOTA), _read_number(CPU_PERIOD)
    if not quota:
        quota, period = _read_number(CPU_MAX), _read_number(CPU_MAX, 1)
    return quota / period if quota and period and quota > 0 else None


def _read_number(path: str, field: int = 0) -> Optional[float]:
    try:
        with open(path, encoding="ascii") as file:
            return float(file.read().split()[field])
    except (OSError, ValueError, IndexError):
        # the file is missing, or holds "max"
        return None
