"""The values that a measurement proposes for `model.yaml`, with a margin."""

import math
from typing import Dict

from ...model.units import format_duration, format_size
from .measurement import Measurement

#: The memory is 125 % of the peak, rounded up.
MEMORY_FACTOR = 1.25
MEMORY_STEP = 64 * 1024**2

#: A time is three times the worst, rounded up: the platform's machines may be slower
#: and busier.
TIME_FACTOR = 3
TIME_STEP = 5
SHORTEST_TIME = 10

#: A proposal to test, before the measurement, whether values can be written.
EXAMPLE = {
    "resources.memory.size": "512M",
    "timeout.status": "60s",
    "timeout.run": "20s",
}

MARGIN = (
    "memory: the peak plus 25 %, rounded up to 64M; times: three times the worst,"
    " rounded up to 5s, at least 10s"
)


def propose(measurement: Measurement) -> Dict[str, str]:
    """Return values by their keys in `model.yaml`."""
    batches = measurement.batches
    peak = max(measurement.peak_memory, batches.peak_memory if batches else 0)
    memory = _round_up(peak * MEMORY_FACTOR, MEMORY_STEP)
    return {
        "resources.memory.size": format_size(memory),
        "timeout.status": _propose_time(measurement.load.worst),
        "timeout.run": _propose_time(
            max(measurement.worst_run, measurement.worst_batch)
        ),
    }


def _propose_time(worst: float) -> str:
    seconds = _round_up(worst * TIME_FACTOR, TIME_STEP)
    return format_duration(max(seconds, SHORTEST_TIME))


def _round_up(value: float, step: int) -> int:
    return math.ceil(value / step) * step
