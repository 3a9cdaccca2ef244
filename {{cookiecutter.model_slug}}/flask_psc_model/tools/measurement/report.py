"""A measurement and its proposal as lines of text."""

from typing import Any, Dict, Iterator

from ...model.metadata import Metadata
from .. import show_name
from .gpu_memory import SOURCE as GPU_SOURCE
from .measurement import Measurement
from .proposal import MARGIN
from .throughput import CLIENTS, Throughput


def list_measured(measurement: Measurement) -> Iterator[str]:
    """Yield the lines of a table of what was measured."""
    rows = {"loading the model": measurement.load}
    for name, times in measurement.runs.items():
        rows["case " + show_name(name)] = times
    width = max(map(len, rows))
    yield f"{'':{width}}  {'median':>8}  {'worst':>8}"
    for title, times in rows.items():
        median, worst = _write_seconds(times.median), _write_seconds(times.worst)
        yield f"{title:{width}}  {median:>8}  {worst:>8}"
    peak = measurement.peak_memory / 1024**2
    source = measurement.memory_source
    yield f"{'peak memory':{width}}  {'':>8}  {peak:>8.1f}M  ({source})"
    batches = measurement.batches
    if batches:
        worst = _write_seconds(measurement.worst_batch)
        yield f"{'full batch':{width}}  {'':>8}  {worst:>8}  ({batches.size:.1f} jobs)"
        peak = batches.peak_memory / 1024**2
        yield f"{'its peak memory':{width}}  {'':>8}  {peak:>8.1f}M"
    if measurement.peak_gpu_memory:
        peak = measurement.peak_gpu_memory / 1024**2
        yield f"{'peak GPU memory':{width}}  {'':>8}  {peak:>8.1f}M  ({GPU_SOURCE})"
    if measurement.throughput:
        yield _describe_rates(measurement.throughput)


def list_proposed(proposed: Dict[str, str], metadata: Metadata) -> Iterator[str]:
    """Yield the lines of the values proposed for `model.yaml`.

    Args:
        proposed: values by their keys.
        metadata: the content of `model.yaml` before.
    """
    yield f"for model.yaml ({MARGIN}):"
    for key, value in proposed.items():
        now = _read(metadata, key)
        shown = "not set" if now is None else now
        yield f"  {key}: {value}  (now {shown})"


def _describe_rates(throughput: Throughput) -> str:
    rates = [
        f"{rate:.0f} with {clients}" if rate >= 10 else f"{rate:.1f} with {clients}"
        for clients, rate in throughput.rates.items()
    ]
    missing = [str(each) for each in CLIENTS if each not in throughput.rates]
    if missing:
        rates.append(f"too slow to measure with {' and '.join(missing)}")
    return f"jobs per second, by the number of clients: {', '.join(rates)}"


def _read(content: Any, key: str) -> Any:
    for part in key.split("."):
        content = content.get(part) if isinstance(content, dict) else None
    return content


def _write_seconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
