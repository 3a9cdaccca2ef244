"""`measurement.json`: the sign that the values in `model.yaml` were measured."""

import json
import os
from typing import Any, Dict

from .measurement import Measurement, Times

FILENAME = "measurement.json"


class Record:
    """What a measurement has found, as it is kept in the repository.

    Attributes:
        version: of the model that was measured, as in `model.yaml`.
        load_seconds: the longest time that loading took.
        run_seconds: the longest time that a run took.
        peak_memory: the most bytes used.
    """

    def __init__(self, content: Dict[str, Any]) -> None:
        """Read it from the content of the file.

        Raises:
            ValueError: this is no such content.
        """
        try:
            self.version = str(content["version"])
            self.load_seconds = float(content["load"]["worst"])
            self.run_seconds = max(
                float(times["worst"]) for times in content["runs"].values()
            )
            self.peak_memory = int(content["peakMemory"])
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError("not what `measure --write` writes") from error

    @classmethod
    def load(cls, folder: str) -> "Record":
        """Read the file in a folder.

        Raises:
            FileNotFoundError: there is none.
            OSError: it cannot be read.
            ValueError: it is not what `save_record` has written.
        """
        with open(os.path.join(folder, FILENAME), encoding="utf-8") as file:
            return cls(json.load(file))


def save_record(
    folder: str, measurement: Measurement, subject: str, version: str
) -> None:
    """Write the file.

    Args:
        folder: of the repository.
        measurement: what was found.
        subject: what was measured.
        version: of the model, as in `model.yaml`.

    Raises:
        OSError: it cannot be written.
    """
    content = {
        "version": version,
        "subject": subject,
        "load": _round(measurement.load),
        "runs": {name: _round(times) for name, times in measurement.runs.items()},
        "peakMemory": measurement.peak_memory,
        "memorySource": measurement.memory_source,
    }
    with open(os.path.join(folder, FILENAME), "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2, ensure_ascii=False)
        file.write("\n")


def _round(times: Times) -> Dict[str, float]:
    return {"median": round(times.median, 4), "worst": round(times.worst, 4)}
