"""The stats of a runner in the text format of Prometheus.

Only `GET /metrics` imports this module: the server starts without prometheus_client.
"""

import os
from itertools import accumulate
from typing import Iterator, Optional, Tuple

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ..errors import DONE, STATUS_CODES
from ..workers.runner import Runner
from ..workers.stats import Counter, Histogram


def write_stats(runner: Runner, accept: str) -> Tuple[bytes, str]:
    """Write the stats of a runner.

    Args:
        runner: whose stats to write.
        accept: the `Accept` header of the request, which chooses the format.

    Returns:
        The text and its content type.
    """
    registry = CollectorRegistry()
    registry.register(_Collector(runner))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


class _Collector(Collector):
    """Hands the stats of a runner to prometheus_client."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def describe(self) -> Iterator[Metric]:
        """Return nothing: there is no other collector whose names could clash."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Yield every metric with its current value."""
        stats = self._runner.stats
        yield _write_counter(
            "psc_model_jobs",
            "Responses of POST /run.",
            "code",
            stats.jobs,
            str(STATUS_CODES[DONE]),
        )
        yield _write_histogram(
            "psc_model_run_seconds", "Run time of jobs.", stats.run_times
        )
        yield _write_histogram(
            "psc_model_wait_seconds", "Waiting time of jobs.", stats.wait_times
        )
        yield _write_histogram(
            "psc_model_batch_jobs", "Jobs in a call of predict().", stats.batch_jobs
        )
        yield GaugeMetricFamily(
            "psc_model_waiting_jobs", "Waiting jobs.", self._runner.count_waiting()
        )
        yield CounterMetricFamily(
            "psc_model_dropped_jobs",
            "Jobs whose client left before their turn.",
            stats.dropped_jobs,
        )
        yield _write_histogram(
            "psc_model_load_seconds", "Load time of the model.", stats.load_times
        )
        yield _write_counter(
            "psc_model_restarts",
            "Restarts of model processes.",
            "reason",
            stats.restarts,
        )
        yield self._write_memory()

    def _write_memory(self) -> Metric:
        family = GaugeMetricFamily(
            "psc_model_resident_memory_bytes",
            "Resident memory of each model process.",
            labels=["process"],
        )
        for number, pid in enumerate(self._runner.list_processes()):
            size = read_memory(pid)
            if size is not None:
                family.add_metric([str(number)], size)
        return family


def read_memory(pid: int) -> Optional[int]:
    """Return the resident memory of a process in bytes, from proc(5).

    Returns:
        The size; None if the process is gone or the system has no `/proc`.
    """
    try:
        with open(f"/proc/{pid}/statm") as file:
            pages = int(file.read().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def _write_counter(
    name: str, text: str, label: str, counter: Counter, *shown: str
) -> Metric:
    """Return a counter; the labels `shown` are there even with a count of 0."""
    counts = dict(dict.fromkeys(shown, 0), **counter.read())
    family = CounterMetricFamily(name, text, labels=[label])
    for value, count in sorted(counts.items()):
        family.add_metric([value], count)
    return family


def _write_histogram(name: str, text: str, histogram: Histogram) -> Metric:
    counts, total = histogram.read()
    bounds = [str(bound) for bound in histogram.bounds] + ["+Inf"]
    family = HistogramMetricFamily(name, text)
    family.add_metric([], list(zip(bounds, accumulate(counts))), total)
    return family
