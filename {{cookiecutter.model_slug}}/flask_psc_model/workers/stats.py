"""Stats of a server since its start: counters and histograms."""

import bisect
import threading
import time
from typing import Dict, Generic, List, Tuple, TypeVar

_MILLISECONDS = (1, 2.5, 5, 10, 25, 50, 100, 250, 500)
_SECONDS = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)

#: Upper bounds of a histogram's buckets: of times in seconds, and of jobs in a batch.
BOUNDS = tuple(each / 1000 for each in _MILLISECONDS) + _SECONDS
BATCH_BOUNDS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)

#: Why a model process was restarted.
TIME_LIMIT = "time_limit"
KILLED = "killed"
CRASHED = "crashed"
FAILED_LOAD = "failed_load"
GPU_ERROR = "gpu_error"
FAILING = "failing"
MAX_JOBS = "max_jobs"
BROKEN_CHANNEL = "broken_channel"
REASONS = (
    TIME_LIMIT,
    KILLED,
    CRASHED,
    FAILED_LOAD,
    GPU_ERROR,
    FAILING,
    MAX_JOBS,
    BROKEN_CHANNEL,
)

Label = TypeVar("Label")


class Counter(Generic[Label]):
    """Counts events by label; threads may share it."""

    def __init__(self, *labels: Label) -> None:
        """Start with labels that are reported even with a count of 0."""
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(labels, 0)

    def add(self, label: Label) -> None:
        """Count one event."""
        with self._lock:
            self._counts[label] = self._counts.get(label, 0) + 1

    def read(self) -> Dict[Label, int]:
        """Return the count of each label."""
        with self._lock:
            return dict(self._counts)


class Histogram:
    """Counts values, by default times, in buckets by size; threads may share it.

    Attributes:
        bounds: of the buckets, the upper ones.
    """

    def __init__(self, bounds: Tuple[float, ...] = BOUNDS) -> None:
        self.bounds = bounds
        self._lock = threading.Lock()
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        """Count one value."""
        bucket = bisect.bisect_left(self.bounds, value)
        with self._lock:
            self._counts[bucket] += 1
            self._sum += value

    def read(self) -> Tuple[List[int], float]:
        """Return the count of each bucket, not cumulative, and the sum of the values.

        The last bucket holds the values beyond the bounds.
        """
        with self._lock:
            return list(self._counts), self._sum


class Stats:
    """The stats of a runner.

    Attributes:
        started: when they began, in seconds since 1970.
        jobs: responses of `POST /run` by status code and reason, see `errors`.
        dropped_jobs: whose clients left before they were started.
        run_times: of jobs, including reading and writing files.
        wait_times: of jobs, for a free model process.
        batch_jobs: jobs of each batch, where the model computes batches.
        load_times: of the model.
        restarts: of model processes, by one of `REASONS`.
    """

    def __init__(self) -> None:
        self.started = time.time()
        self.jobs: Counter[Tuple[str, str]] = Counter()
        self.dropped_jobs = 0
        self.run_times = Histogram()
        self.wait_times = Histogram()
        self.batch_jobs = Histogram(BATCH_BOUNDS)
        self.load_times = Histogram()
        self.restarts = Counter(*REASONS)
