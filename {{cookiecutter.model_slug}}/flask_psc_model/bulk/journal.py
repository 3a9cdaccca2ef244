"""What became of each job, in files of the outputs folder that outlive the run.

`done-I-of-N.jsonl` has the jobs that succeeded, once their outputs are on the disk;
`errors.jsonl` (of several shards `errors-I-of-N.jsonl`) those that failed; and
`started-I-of-N.jsonl`, while the run goes on, those that run. A run that continues reads
the files of all shards: their number may change.
"""

import contextlib
import errno
import glob
import json
import os
import re
import threading
import time
from typing import (
    Any,
    Dict,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Set,
)

from ..errors import STATUS_CODES
from ..jobs.result import JobResult
from .jobs import FileState, FolderJob
from .shard import Shard, hash_text

DONE, ERRORS, STARTED = "done", "errors", "started"

#: Runs that a job may be lost in: from the second on it runs last and alone.
SUSPICIOUS_LOSSES, MAX_LOSSES = 2, 3

Inputs = Dict[str, Optional[FileState]]


class Origin(NamedTuple):
    """What made a result.

    Attributes:
        version: of the model, in `model.yaml`.
        image: revision of the image; empty outside of one.
    """

    version: str
    image: str


class Ended(NamedTuple):
    """A job that has run.

    Attributes:
        job: itself.
        result: of its last attempt.
        inputs: their state before that.
        attempts: how often it has run, in earlier runs too.
    """

    job: FolderJob
    result: JobResult
    inputs: Inputs
    attempts: int


class Journal:
    """The files of one shard, and what those of all shards said at the start.

    Its files have the jobs of this shard only: others record their own.

    Attributes:
        errors_path: of the file of failed jobs, which exists only if there are any.
    """

    def __init__(
        self,
        outputs: str,
        shard: Shard,
        origin: Origin,
        names: Sequence[Sequence[str]],
    ) -> None:
        """Set the files.

        Args:
            outputs: existing folder of the files.
            shard: whose jobs are recorded.
            origin: of the results of this run.
            names: of the inputs and of the outputs of the model.
        """
        self._outputs = outputs
        self._shard = shard
        self._origin = origin
        self._input_names, self._output_names = names
        numbered = f"-{shard.index}-of-{shard.count}"
        self._paths = {
            DONE: self._join(DONE, numbered),
            ERRORS: self._join(ERRORS, numbered if shard.count > 1 else ""),
            STARTED: self._join(STARTED, numbered),
        }
        self.errors_path = self._paths[ERRORS]
        self._lock = threading.Lock()
        self._errors: Dict[str, Dict[str, Any]] = {}
        # of a million jobs, 8 bytes each
        self._done: Dict[int, int] = {}
        self._older: Set[int] = set()
        self._losses: Dict[str, int] = {}
        self._pending: List[bytes] = []

    def forget(self) -> None:
        """Start without what earlier runs have left.

        Raises:
            OSError: a file cannot be removed.
        """
        for kind, own in self._paths.items():
            for path in self._find(kind) if self._shard.count == 1 else [own]:
                with contextlib.suppress(FileNotFoundError):
                    os.remove(path)

    def read(self) -> None:
        """Read what earlier runs have left.

        Raises:
            OSError: a file cannot be read or written.
        """
        for path in self._find(ERRORS):
            for entry in _read_lines(path):
                self._errors[entry["job"]] = entry
        for path in self._find(DONE):
            for entry in _read_lines(path):
                self._add_done(entry)
        for path in self._find(STARTED):
            for name, losses in _count_losses(path).items():
                self._losses[name] = max(losses, self._losses.get(name, 0))
        self._write_whole(self._paths[STARTED], self._list_losses())
        _end_last_line(self._paths[DONE])
        _end_last_line(self._paths[ERRORS])

    def is_done(self, job: FolderJob) -> bool:
        """Return whether a job need not run: it has succeeded, and all is as it was.

        What the journal knows of the success is forgotten, to free its memory.
        """
        key = hash_text(job.name)
        self._older.discard(key)
        known = self._done.pop(key, None)
        if known is None:
            return False
        outputs = job.read_outputs(self._output_names)
        return outputs is not None and known == _hash_done(
            self.read_inputs(job), outputs, self._origin
        )

    def find_failure(self, job: FolderJob) -> Optional[Dict[str, Any]]:
        """Return the entry of a job that failed, None where anything has changed since.

        Returns:
            An object with `statusCode` and `attempts`.
        """
        entry = self._errors.get(job.name)
        if entry and _decode_origin(entry) != self._origin:
            return None
        if entry and _decode_inputs(entry) != self.read_inputs(job):
            return None
        return entry

    def count_losses(self, job: FolderJob) -> int:
        """Return in how many runs a job was started and did not end."""
        return self._losses.get(job.name, 0)

    def count_older(self) -> int:
        """Return how many results are of another version, of jobs nobody asked for."""
        return len(self._older)

    def read_inputs(self, job: FolderJob) -> Inputs:
        """Return the state of the input files of a job."""
        return job.read_inputs(self._input_names)

    def start(self, job: FolderJob) -> None:
        """Record that a job runs now; threads may share this.

        Raises:
            OSError: that cannot be written.
        """
        self._append(STARTED, _encode({"job": job.name, "event": "start"}))

    def end(self, ended: Ended) -> None:
        """Record how a job ended; a success counts from the next `commit` on.

        A job that failed may run again.

        Raises:
            OSError: that cannot be written.
        """
        job, result = ended.job, ended.result
        entry: Dict[str, Any] = {
            "job": job.name,
            "ended": round(time.time(), 3),
            "inputs": ended.inputs,
            "version": self._origin.version,
            "image": self._origin.image,
        }
        if result.ok:
            self._errors.pop(job.name, None)
            entry["outputs"] = job.read_outputs(self._output_names)
            self._pending.append(_encode(entry))
        else:
            entry["statusCode"] = STATUS_CODES[result.kind]
            entry["message"] = result.message
            entry["attempts"] = ended.attempts
            self._errors[job.name] = entry
            self._append(ERRORS, _encode(entry))
        self.stop(job)

    def stop(self, job: FolderJob) -> None:
        """Record that a job runs no more, and that this is not its fault.

        Raises:
            OSError: that cannot be written.
        """
        self._append(STARTED, _encode({"job": job.name, "event": "end"}))

    def has_pending(self) -> bool:
        """Return whether there are successes that do not count yet."""
        return bool(self._pending)

    def commit(self) -> None:
        """Record the successes, whose outputs are on the disk now.

        Raises:
            OSError: they cannot be written.
        """
        pending, self._pending = self._pending, []
        if pending:
            self._append(DONE, b"".join(pending), is_durable=True)

    def close(self) -> None:
        """Leave each failed job once in the file of failed jobs.

        Raises:
            OSError: it cannot be written.
        """
        self._write_whole(self.errors_path, self._list_errors())
        with contextlib.suppress(FileNotFoundError):
            if not any(_count_losses(self._paths[STARTED]).values()):
                os.remove(self._paths[STARTED])

    def _add_done(self, entry: Dict[str, Any]) -> None:
        name = entry["job"]
        failure = self._errors.get(name)
        if failure and failure.get("ended", 0) > entry.get("ended", 0):
            return
        self._errors.pop(name, None)
        origin, key = _decode_origin(entry), hash_text(name)
        if origin == self._origin:
            self._older.discard(key)
        else:
            self._older.add(key)
        self._done[key] = _hash_done(
            _decode_inputs(entry), entry.get("outputs"), origin
        )

    def _list_errors(self) -> Iterator[bytes]:
        for name, entry in self._errors.items():
            if self._shard.has(name):
                yield _encode(entry)

    def _list_losses(self) -> Iterator[bytes]:
        for name, losses in self._losses.items():
            if losses and self._shard.has(name):
                yield _encode({"job": name, "losses": losses})

    def _join(self, kind: str, suffix: str) -> str:
        return os.path.join(self._outputs, f"{kind}{suffix}.jsonl")

    def _find(self, kind: str) -> List[str]:
        """Return the files of all shards, the one that was written last at the end."""
        pattern = os.path.join(glob.escape(self._outputs), kind + "*.jsonl")
        form = re.compile(kind + r"(-\d+-of-\d+)?\.jsonl")
        found = []
        for path in glob.glob(pattern):
            if form.match(os.path.basename(path)):
                with _ignore_missing():
                    found.append((os.path.getmtime(path), path))
        return [path for _, path in sorted(found)]

    def _append(self, kind: str, data: bytes, is_durable: bool = False) -> None:
        with self._lock, open(self._paths[kind], "ab") as file:
            file.write(data)
            if is_durable:
                file.flush()
                os.fsync(file.fileno())

    def _write_whole(self, path: str, lines: Iterator[bytes]) -> None:
        """Write a file anew; remove it where there is nothing to write."""
        new = path + ".new"
        try:
            with open(new, "wb") as file:
                for line in lines:
                    file.write(line)
            if os.path.getsize(new):
                os.replace(new, path)
                return
            with contextlib.suppress(FileNotFoundError):
                os.remove(path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.remove(new)


@contextlib.contextmanager
def _ignore_missing() -> Iterator[None]:
    """Ignore that there is no file: another shard may remove its own at any time."""
    try:
        yield
    except OSError as error:
        # a network file system may have seen it a moment ago
        if error.errno not in (errno.ENOENT, errno.ESTALE):
            raise


def _end_last_line(path: str) -> None:
    """End a line that a full disk has cut off, so that the next one is a line of its own."""
    with contextlib.suppress(FileNotFoundError), open(path, "rb+") as file:
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
            if file.read() != b"\n":
                file.write(b"\n")


def _encode(entry: Dict[str, Any]) -> bytes:
    return json.dumps(entry).encode("ascii") + b"\n"


def _read_lines(path: str) -> Iterator[Dict[str, Any]]:
    """Yield the entries of a file, whose last line may be cut off."""
    with _ignore_missing(), open(path, "rb") as file:
        for line in file:
            with contextlib.suppress(ValueError):
                entry = json.loads(line.decode("utf-8"))
                if isinstance(entry, dict) and isinstance(entry.get("job"), str):
                    yield entry


def _count_losses(path: str) -> Dict[str, int]:
    """Return how often each job was started since it ended last."""
    losses: Dict[str, int] = {}
    for entry in _read_lines(path):
        name = entry["job"]
        if entry.get("event") == "end":
            losses.pop(name, None)
        else:
            losses[name] = losses.get(name, 0) + int(entry.get("losses", 1))
    return losses


def _decode_origin(entry: Dict[str, Any]) -> Origin:
    return Origin(str(entry.get("version", "")), str(entry.get("image", "")))


def _decode_inputs(entry: Dict[str, Any]) -> Inputs:
    inputs = entry.get("inputs")
    if not isinstance(inputs, dict):
        return {}
    return {
        name: (state[0], state[1]) if isinstance(state, list) else None
        for name, state in inputs.items()
    }


def _hash_done(
    inputs: Inputs, outputs: Optional[Dict[str, int]], origin: Origin
) -> int:
    return hash_text(json.dumps([inputs, outputs, origin], sort_keys=True))
