"""The stats of a runner in the text format of Prometheus.

Only `GET /metrics` imports this module: the server starts without prometheus_client.
"""

import os
import platform
from itertools import accumulate
from typing import Any, Iterator, List, Mapping, Optional, Tuple

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ..errors import (
    BUSY,
    CRASH,
    DONE,
    FAILED,
    INVALID_INPUT,
    INVALID_JOB,
    MODEL_ERROR,
    NOT_LOADED,
    NOT_STARTED,
    RECYCLED,
    SHUTDOWN,
    STATUS_CODES,
    TIME_LIMIT,
)
from ..logs import WRITER
from ..model.spec import ModelSpec
from ..version import __version__
from ..workers.runner import Runner
from ..workers.stats import Histogram

#: Kinds of responses, with their reasons, that are there with a count of 0: no increase
#: is seen of what begins with 1.
EXPECTED = {
    (str(STATUS_CODES[kind]), reason)
    for kind, reasons in {
        DONE: [""],
        INVALID_JOB: [INVALID_JOB],
        INVALID_INPUT: [INVALID_INPUT],
        FAILED: [MODEL_ERROR, CRASH, TIME_LIMIT, RECYCLED, SHUTDOWN],
        NOT_LOADED: [NOT_LOADED],
        NOT_STARTED: [BUSY, SHUTDOWN],
    }.items()
    for reason in reasons
}


def write_stats(runner: Runner, spec: ModelSpec, accept: str) -> Tuple[bytes, str]:
    """Write the stats of a runner.

    Args:
        runner: whose stats to write.
        spec: of its model.
        accept: the `Accept` header of the request, which chooses the format.

    Returns:
        The text and its content type.
    """
    registry = CollectorRegistry()
    registry.register(_Collector(runner, spec))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


class _Collector(Collector):
    """Hands the stats of a runner to prometheus_client."""

    def __init__(self, runner: Runner, spec: ModelSpec) -> None:
        self._runner = runner
        self._spec = spec

    def describe(self) -> Iterator[Metric]:
        """Return nothing: there is no other collector whose names could clash."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Yield every metric with its current value."""
        runner, stats = self._runner, self._runner.stats
        jobs = {**dict.fromkeys(EXPECTED, 0), **stats.jobs.read()}
        yield self._write_info()
        yield GaugeMetricFamily(
            "process_start_time_seconds",
            "Start of the process that answers, in seconds since 1970.",
            stats.started,
        )
        yield _write_counter(
            "psc_model_jobs",
            "Responses of POST /run.",
            ["code", "reason"],
            jobs,
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
            "psc_model_running_jobs", "Running jobs.", runner.count_running()
        )
        yield GaugeMetricFamily(
            "psc_model_waiting_jobs", "Waiting jobs.", runner.count_waiting()
        )
        yield GaugeMetricFamily(
            "psc_model_ready_workers",
            "Model processes in which the model is loaded.",
            runner.count_ready(),
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
            ["reason"],
            {(reason,): count for reason, count in stats.restarts.read().items()},
        )
        yield self._write_memory()
        yield CounterMetricFamily(
            "psc_model_dropped_log_lines",
            "Lines that standard error did not accept in time.",
            WRITER.dropped,
        )

    def _write_info(self) -> Metric:
        limits = self._spec.limits
        labels = {
            "name": self._spec.name,
            "version": self._spec.version,
            "runtime": __version__,
            "python": platform.python_version(),
            "timeout_status": f"{limits.status_timeout:g}",
            "timeout_run": f"{limits.run_timeout:g}",
            "memory": "" if limits.memory is None else str(limits.memory),
            "cpus": "" if limits.cpus is None else f"{limits.cpus:g}",
            "gpus": str(limits.gpus),
        }
        family = GaugeMetricFamily(
            "psc_model_info",
            "Versions, and the limits of model.yaml in seconds and bytes.",
            labels=list(labels),
        )
        family.add_metric(list(labels.values()), 1)
        return family

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
    name: str, text: str, labels: List[str], counts: Mapping[Any, int]
) -> Metric:
    """Return a counter.

    Args:
        name: of the counter.
        text: that explains it.
        labels: names of its labels.
        counts: by the values of the labels, a tuple.
    """
    family = CounterMetricFamily(name, text, labels=labels)
    for values, count in sorted(counts.items()):
        family.add_metric(values, count)
    return family


def _write_histogram(name: str, text: str, histogram: Histogram) -> Metric:
    counts, total = histogram.read()
    bounds = [str(bound) for bound in histogram.bounds] + ["+Inf"]
    family = HistogramMetricFamily(name, text)
    family.add_metric([], list(zip(bounds, accumulate(counts))), total)
    return family
