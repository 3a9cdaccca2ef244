"""Which jobs a run has to run, by what earlier runs have recorded."""

import contextlib
import os
from collections import Counter
from dataclasses import dataclass, field
from typing import Counter as CounterType
from typing import Dict, Iterator, List, Set

from ..errors import FAILED
from ..jobs.result import JobResult
from ..jobs.transaction import recover
from .jobs import FolderJob
from .journal import MAX_LOSSES, SUSPICIOUS_LOSSES, Ended, Journal
from .shard import Shard
from .sources import Key, Source


@dataclass
class Selection:
    """The jobs of a shard.

    Attributes:
        source: of the jobs.
        keys: of the jobs to run, those of suspects at the end.
        suspects: names of jobs that took earlier runs with them, perhaps.
        done: number of jobs that have succeeded in earlier runs.
        failures: number of jobs that stay failed, by their status.
        attempts: of jobs that have failed and run again, by their names.
    """

    source: Source
    keys: List[Key] = field(default_factory=list)
    suspects: Set[str] = field(default_factory=set)
    done: int = 0
    failures: CounterType[int] = field(default_factory=Counter)
    attempts: Dict[str, int] = field(default_factory=dict)

    def make_jobs(self) -> Iterator[FolderJob]:
        """Yield the jobs to run."""
        return map(self.source.make_job, self.keys)


def select_all(source: Source, shard: Shard) -> Selection:
    """Select all jobs of a shard.

    Raises:
        OSError: the source cannot be read.
        ValueError: it holds no job, or what is none.
    """
    return Selection(source, [each.key for each in source.list_jobs(shard)])


def select_left(
    source: Source, shard: Shard, journal: Journal, retries: int
) -> Selection:
    """Select the jobs of a shard that earlier runs have left.

    Args:
        source: of the jobs.
        shard: whose jobs.
        journal: of the earlier runs; a job that was lost too often is recorded as failed.
        retries: how often a job runs again that failed with a status of 500 or above.

    Raises:
        OSError: the source cannot be read, or the journal not be written.
        ValueError: the source holds no job, or what is none.
    """
    selection = Selection(source)
    last: List[Key] = []
    for key, job in source.list_jobs(shard):
        if journal.is_done(job):
            selection.done += 1
            continue
        failure = journal.find_failure(job)
        losses = journal.count_losses(job)
        if failure:
            attempts = failure.get("attempts", 1)
            if failure["statusCode"] < 500 or attempts > retries:
                selection.failures[failure["statusCode"]] += 1
                continue
            selection.attempts[job.name] = attempts
        if losses >= MAX_LOSSES:
            recover(job.output_folder)
            with contextlib.suppress(OSError):
                os.rmdir(job.output_folder)
            result = JobResult(FAILED, f"its run was lost {losses} times")
            journal.end(Ended(job, result, journal.read_inputs(job), losses))
            selection.failures[500] += 1
        elif losses >= SUSPICIOUS_LOSSES:
            selection.suspects.add(job.name)
            last.append(key)
        else:
            selection.keys.append(key)
    selection.keys += last
    return selection
