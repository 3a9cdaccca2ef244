"""Where the jobs of a bulk run come from; each source is listed once.

A million jobs fit into memory as what `list_keys` yields, and each becomes a job when its
turn comes.
"""

import json
import os
from functools import lru_cache
from typing import Any, Dict, Iterator, NamedTuple, Set, Tuple, Union

from .jobs import FlatJob, FolderJob
from .shard import Shard

#: What a job is made from: a name, or the place of its line in a file.
Key = Union[str, int]


class Listed(NamedTuple):
    """A job of a source.

    Attributes:
        key: makes the job again.
        job: itself.
    """

    key: Key
    job: FolderJob


class FolderSource:
    """A job for each folder in a folder; hidden folders are skipped."""

    def __init__(self, inputs: str, outputs: str) -> None:
        """Set the folders.

        Args:
            inputs: holds the input folders.
            outputs: holds the output folders.

        Raises:
            ValueError: the outputs are inside the inputs.
        """
        self._inputs, self._outputs = os.path.abspath(inputs), os.path.abspath(outputs)
        if _end_with_slash(self._outputs).startswith(_end_with_slash(self._inputs)):
            raise ValueError(
                f"OUTPUTS {self._outputs} is in INPUTS {self._inputs}, where everything"
                " is a job: choose a folder outside it"
            )

    def list_jobs(self, shard: Shard) -> Iterator[Listed]:
        """Yield the jobs of a shard, in the order of the folder.

        Raises:
            OSError: the inputs cannot be listed.
            ValueError: there is no job at all.
        """
        is_empty = True
        with os.scandir(self._inputs) as entries:
            for entry in entries:
                if entry.name.startswith(".") or not self._is_job(entry):
                    continue
                is_empty = False
                if shard.has(entry.name):
                    yield Listed(entry.name, self.make_job(entry.name))
        if is_empty:
            raise ValueError(self._describe_empty())

    def make_job(self, key: Key) -> FolderJob:
        """Return the job of a name."""
        name = str(key)
        return FolderJob(
            name, os.path.join(self._inputs, name), os.path.join(self._outputs, name)
        )

    def _is_job(self, entry: "os.DirEntry[str]") -> bool:
        return entry.is_dir()

    def _describe_empty(self) -> str:
        return (
            f"there is no folder in INPUTS {self._inputs}: create one for each job, with"
            " its input files, or pass --flat for a folder of files"
        )


class FlatSource(FolderSource):
    """A job for each file in a folder; hidden files are skipped."""

    def __init__(self, inputs: str, outputs: str, names: Tuple[str, str]) -> None:
        """Set the folders.

        Args:
            inputs: holds the input files.
            outputs: holds the output files.
            names: of the input and of the output, in `model.yaml`.

        Raises:
            ValueError: the outputs are inside the inputs.
        """
        super().__init__(inputs, outputs)
        self._names = names

    def make_job(self, key: Key) -> FolderJob:
        """Return the job of a file name."""
        name = str(key)
        target = name + os.path.splitext(self._names[1])[1]
        return FlatJob(
            os.path.join(self._inputs, name),
            os.path.join(self._outputs, target),
            self._names,
        )

    def _is_job(self, entry: "os.DirEntry[str]") -> bool:
        return entry.is_file()

    def _describe_empty(self) -> str:
        return f"there is no file in INPUTS {self._inputs}: each file is a job"


class ListSource:
    """A job for each line of a file: JSON with `name`, `input` and `output`.

    The output folder of one may be inside that of another: each replaces only what it
    writes itself.
    """

    def __init__(self, path: str, inputs: str, outputs: str) -> None:
        """Set the file.

        Args:
            path: of the file.
            inputs: folder from which relative input folders start.
            outputs: likewise for output folders.
        """
        self._path = path
        self._inputs, self._outputs = os.path.abspath(inputs), os.path.abspath(outputs)

    def list_jobs(self, shard: Shard) -> Iterator[Listed]:
        """Yield the jobs of a shard, in the order of the file.

        Raises:
            OSError: the file cannot be read.
            ValueError: a line is wrong or has the name or the output folder of another,
                or there is none.
        """
        names: Set[int] = set()
        folders: Set[int] = set()
        place = 0
        with open(self._path, "rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    try:
                        job = self._decode(line)
                        _add(job.name, names, "job")
                        path = os.path.normpath(job.output_folder)
                        parent, name = os.path.split(path)
                        folder = os.path.join(_resolve(parent), name)
                        _add(folder, folders, "job with the output folder")
                    except ValueError as error:
                        raise ValueError(
                            f"line {number} of {self._path} is no job ({error}); write"
                            ' {"name": "a", "input": "FOLDER", "output": "FOLDER"}'
                        ) from None
                    if shard.has(job.name):
                        yield Listed(place, job)
                place += len(line)
        if not names:
            raise ValueError(f"there is no job in {self._path}: write one on each line")

    def make_job(self, key: Key) -> FolderJob:
        """Return the job of the line that begins at a place of the file."""
        with open(self._path, "rb") as file:
            file.seek(int(key))
            return self._decode(file.readline())

    def _decode(self, line: bytes) -> FolderJob:
        content: Any = json.loads(line.decode("utf-8"))
        if not isinstance(content, dict):
            raise ValueError("it is not a JSON object")
        texts: Dict[str, str] = {}
        for key in ("name", "input", "output"):
            text = content.get(key, content.get("name"))
            if not isinstance(text, str) or not text or "\0" in text:
                raise ValueError(f"its {key!r} is {json.dumps(text)}, not a text")
            # no file can have a name that this refuses
            os.fsencode(text)
            texts[key] = text
        return FolderJob(
            texts["name"],
            os.path.join(self._inputs, texts["input"]),
            os.path.join(self._outputs, texts["output"]),
        )


Source = Union[FolderSource, ListSource]


@lru_cache(maxsize=10000)
def _resolve(folder: str) -> str:
    # most output folders have the same parent, which may be reached by several paths
    return os.path.realpath(folder)


def _add(text: str, known: Set[int], kind: str) -> None:
    # 8 bytes of each, not the text: there may be millions
    key = hash(text)
    if key in known:
        raise ValueError(f"there is another {kind} {text!r} above")
    known.add(key)


def _end_with_slash(folder: str) -> str:
    return os.path.join(os.path.realpath(folder), "")
