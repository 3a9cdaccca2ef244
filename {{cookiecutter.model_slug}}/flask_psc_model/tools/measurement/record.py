"""`measurement.json`: shows that the values in `model.yaml` were measured."""

import json
import os
from typing import Any, Dict, NamedTuple

from ..files import replace_file
from .measurement import Measurement, Times

FILENAME = "measurement.json"


class Record(NamedTuple):
    """What was measured, as `measurement.json` keeps it.

    Attributes:
        version: of the model that was measured, as in `model.yaml`.
        load_seconds: the longest time that loading took.
        run_seconds: the longest time that a run took, or a job of a full batch.
        peak_memory: the most bytes used, also by a full batch.
        subject: what was measured: an image, or something else.
    """

    version: str
    load_seconds: float
    run_seconds: float
    peak_memory: int
    subject: str = ""

    @classmethod
    def parse(cls, text: str) -> "Record":
        """Return the record in the text of the file.

        Raises:
            ValueError: the text is not what `save_record` writes.
        """
        try:
            content = json.loads(text)
            batch = content.get("fullBatch", {"seconds": 0, "peakMemory": 0})
            worst = max(float(times["worst"]) for times in content["runs"].values())
            return cls(
                str(content["version"]),
                float(content["load"]["worst"]),
                max(worst, float(batch["seconds"])),
                max(int(content["peakMemory"]), int(batch["peakMemory"])),
                str(content.get("subject", "")),
            )
        except Exception as error:
            # whatever shape the file has
            raise ValueError("not what `measure --write` writes") from error

    @classmethod
    def load(cls, folder: str) -> "Record":
        """Read the file in a folder.

        Raises:
            FileNotFoundError: there is none.
            OSError: it cannot be read.
            ValueError: it is not what `save_record` writes.
        """
        path = os.path.join(folder, FILENAME)
        with open(path, encoding="utf-8", errors="replace") as file:
            return cls.parse(file.read())


def save_record(
    folder: str, measurement: Measurement, subject: str, version: str
) -> None:
    """Write the file.

    Args:
        folder: of the repository.
        measurement: to keep.
        subject: what was measured.
        version: of the model, as in `model.yaml`.

    Raises:
        OSError: the file cannot be written.
    """
    content = {
        "version": version,
        "subject": subject,
        "load": _round(measurement.load),
        "runs": {name: _round(times) for name, times in measurement.runs.items()},
        **_write_throughput(measurement),
        "peakMemory": measurement.peak_memory,
        "memorySource": measurement.memory_source,
        **_write_gpu_memory(measurement),
    }
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    # a byte of a case's name that is not UTF-8 becomes an escape of JSON
    data = text.encode("utf-8", "backslashreplace")
    replace_file(os.path.join(folder, FILENAME), data)


def _round(times: Times) -> Dict[str, float]:
    return {"median": round(times.median, 4), "worst": round(times.worst, 4)}


def _write_throughput(measurement: Measurement) -> Dict[str, Any]:
    content: Dict[str, Any] = {}
    batches, throughput = measurement.batches, measurement.throughput
    if batches:
        content["fullBatch"] = {
            "jobs": round(batches.size, 1),
            "seconds": round(measurement.worst_batch, 4),
            "peakMemory": batches.peak_memory,
        }
    if throughput:
        content["jobsPerSecondByClients"] = {
            str(clients): round(rate, 1) for clients, rate in throughput.rates.items()
        }
    return content


def _write_gpu_memory(measurement: Measurement) -> Dict[str, Any]:
    peak = measurement.peak_gpu_memory
    return {"peakGpuMemory": peak} if peak else {}
