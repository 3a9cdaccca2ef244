"""The file `errors.jsonl` of failed jobs: one line of JSON each."""

import contextlib
import json
import os
from typing import Any, Dict, Iterator

from ..errors import STATUS_CODES
from ..jobs.result import JobResult

NAME = "errors{}.jsonl"


class Failures:
    """The failed jobs of a shard, recorded in `errors.jsonl` in the outputs folder.

    Attributes:
        path: of the file, which exists only if a job has failed.
    """

    def __init__(self, outputs: str, suffix: str, keep: bool) -> None:
        """Read the failures of an earlier run, or start without any.

        Args:
            outputs: existing folder of the file.
            suffix: part of the file's name, one per shard.
            keep: whether failures of an earlier run still count.

        Raises:
            OSError: the file cannot be read or written.
        """
        self.path = os.path.join(outputs, NAME.format(suffix))
        self._entries: Dict[str, Dict[str, Any]] = {}
        if keep:
            self._entries = {entry["job"]: entry for entry in _read(self.path)}
        self.save()

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def add(self, name: str, result: JobResult) -> None:
        """Record a failed job at once: this process may be killed.

        Args:
            name: of the job.
            result: of the job.

        Raises:
            OSError: the file cannot be written.
        """
        entry = {
            "job": name,
            "statusCode": STATUS_CODES[result.kind],
            "message": result.message,
        }
        self._entries[name] = entry
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def discard(self, name: str) -> None:
        """Remove a job that has succeeded now."""
        self._entries.pop(name, None)

    def save(self) -> None:
        """Rewrite the file with each failed job once.

        Raises:
            OSError: the file cannot be written.
        """
        if not self._entries:
            with contextlib.suppress(FileNotFoundError):
                os.remove(self.path)
            return
        with open(self.path + ".new", "w", encoding="utf-8") as file:
            for entry in self._entries.values():
                file.write(json.dumps(entry) + "\n")
        os.replace(self.path + ".new", self.path)


def _read(path: str) -> Iterator[Dict[str, Any]]:
    """Yield the entries of a file, whose last line may be cut off."""
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.readlines()
    except FileNotFoundError:
        return
    for line in lines:
        with contextlib.suppress(ValueError):
            entry = json.loads(line)
            if isinstance(entry, dict) and isinstance(entry.get("job"), str):
                yield entry
