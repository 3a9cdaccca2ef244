"""The measurements in the text format of Prometheus.

Only `GET /metrics` imports this module: the first of them pays for the import of
prometheus_client, not the start of the server.
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
from ..workers.stats import BOUNDS, Histogram, Tally


def write_metrics(runner: Runner, accept: str) -> Tuple[bytes, str]:
    """Write the metrics of a runner.

    Args:
        runner: whose measurements to write.
        accept: the formats that the client takes, from its header `Accept`.

    Returns:
        The text and its content type.
    """
    registry = CollectorRegistry()
    registry.register(_Collector(runner))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


class _Collector(Collector):
    """Gives prometheus_client the measurements of a runner."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def describe(self) -> Iterator[Metric]:
        """Return nothing: no other collector could have the same names."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Return every metric as it is now."""
        measured = self._runner.measurements
        yield _count(
            "psc_model_jobs",
            "Answers to POST /run, by their status code.",
            "code",
            measured.jobs,
            str(STATUS_CODES[DONE]),
        )
        yield _distribute(
            "psc_model_run_seconds",
            "Time that the model took for a job.",
            measured.run_times,
        )
        yield _distribute(
            "psc_model_wait_seconds",
            "Time that a job waited for its turn.",
            measured.wait_times,
        )
        yield GaugeMetricFamily(
            "psc_model_waiting_jobs",
            "Jobs that wait for their turn.",
            value=self._runner.count_waiting(),
        )
        yield _distribute(
            "psc_model_load_seconds",
            "Time that loading the model took.",
            measured.load_times,
        )
        yield _count(
            "psc_model_restarts",
            "Model processes that were replaced by a new one, by the reason.",
            "reason",
            measured.restarts,
        )
        yield self._measure_memory()

    def _measure_memory(self) -> Metric:
        family = GaugeMetricFamily(
            "psc_model_resident_memory_bytes",
            "Memory that a model process has in use.",
            labels=["process"],
        )
        for number, pid in enumerate(self._runner.list_processes()):
            size = read_memory(pid)
            if size is not None:
                family.add_metric([str(number)], size)
        return family


def read_memory(pid: int) -> Optional[int]:
    """Read the resident memory of a process in bytes, from proc(5).

    Returns:
        The size; None where the process is gone or the system has no `/proc`.
    """
    try:
        with open(f"/proc/{pid}/statm") as file:
            pages = int(file.read().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def _count(name: str, text: str, label: str, tally: Tally, *shown: str) -> Metric:
    """Return a counter; the labels `shown` are there even while their count is 0."""
    family = CounterMetricFamily(name, text, labels=[label])
    for value, count in sorted(dict(dict.fromkeys(shown, 0), **tally.read()).items()):
        family.add_metric([value], count)
    return family


def _distribute(name: str, text: str, histogram: Histogram) -> Metric:
    counts, seconds = histogram.read()
    bounds = [str(bound) for bound in BOUNDS] + ["+Inf"]
    family = HistogramMetricFamily(name, text)
    family.add_metric([], list(zip(bounds, accumulate(counts))), seconds)
    return family
