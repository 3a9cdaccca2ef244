"""A measurement as people read it."""

from typing import Any, Dict, Iterator

from ...model.metadata import Metadata
from .measurement import Measurement, Times
from .proposal import MARGIN


def list_measured(measurement: Measurement) -> Iterator[str]:
    """Yield the lines that say what was measured."""
    rows = {"loading the model": measurement.load}
    rows.update(("case " + name, times) for name, times in measurement.runs.items())
    width = max(map(len, rows))
    yield "{:{}}  {:>8}  {:>8}".format("", width, "median", "worst")
    for title, times in rows.items():
        yield _write_row(title, width, times)
    yield "{:{}}  {:>8}  {:>8.1f}M  ({})".format(
        "peak memory",
        width,
        "",
        measurement.peak_memory / 1024**2,
        measurement.memory_source,
    )


def list_proposed(proposed: Dict[str, str], metadata: Metadata) -> Iterator[str]:
    """Yield the lines that say what `model.yaml` should have.

    Args:
        proposed: values by their keys.
        metadata: the content of `model.yaml` before.
    """
    yield f"for model.yaml ({MARGIN}):"
    for key, value in proposed.items():
        now = _read(metadata, key)
        shown = "not set" if now is None else now
        yield f"  {key}: {value}  (now {shown})"


def _read(content: Any, key: str) -> Any:
    for part in key.split("."):
        content = content.get(part) if isinstance(content, dict) else None
    return content


def _write_row(title: str, width: int, times: Times) -> str:
    return "{:{}}  {:>8}  {:>8}".format(
        title, width, _write_seconds(times.median), _write_seconds(times.worst)
    )


def _write_seconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
