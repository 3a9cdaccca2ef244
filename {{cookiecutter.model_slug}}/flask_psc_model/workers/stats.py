"""What the server has done since it started, in numbers."""

import bisect
import threading
from typing import Dict, List, Tuple

_MILLISECONDS = (1, 2.5, 5, 10, 25, 50, 100, 250, 500)
_SECONDS = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)

#: Upper bounds of the times that are counted together, in seconds.
BOUNDS = tuple(each / 1000 for each in _MILLISECONDS) + _SECONDS

#: Why a model process was replaced by a new one.
TIME_LIMIT = "time_limit"
KILLED = "killed"
CRASHED = "crashed"
FAILED_LOAD = "failed_load"
REASONS = (TIME_LIMIT, KILLED, CRASHED, FAILED_LOAD)


class Tally:
    """Counts events by a label; threads may share it."""

    def __init__(self, *labels: str) -> None:
        """Start with labels that are shown even while their count is 0."""
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(labels, 0)

    def add(self, label: str) -> None:
        """Count one event."""
        with self._lock:
            self._counts[label] = self._counts.get(label, 0) + 1

    def read(self) -> Dict[str, int]:
        """Return the count of each label."""
        with self._lock:
            return dict(self._counts)


class Histogram:
    """Counts times by how long they are; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = [0] * (len(BOUNDS) + 1)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        """Count one time."""
        place = bisect.bisect_left(BOUNDS, seconds)
        with self._lock:
            self._counts[place] += 1
            self._sum += seconds

    def read(self) -> Tuple[List[int], float]:
        """Return the counts up to each of `BOUNDS` and beyond, and the sum in seconds.

        A count is of its own range alone: from the bound before to its own.
        """
        with self._lock:
            return list(self._counts), self._sum


class Measurements:
    """What is counted and timed.

    Attributes:
        jobs: answers to `POST /run`, by their status code.
        run_times: of the model on one job, its files included.
        wait_times: of a job, for a model process that is free.
        load_times: of the model.
        restarts: of model processes, by one of `REASONS`.
    """

    def __init__(self) -> None:
        self.jobs = Tally()
        self.run_times = Histogram()
        self.wait_times = Histogram()
        self.load_times = Histogram()
        self.restarts = Tally(*REASONS)
