"""A bulk run: runs jobs with a crew, shows progress and keeps the journal."""

import datetime
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import (
    Any,
    Container,
    Dict,
    Iterable,
    Optional,
    Sequence,
)
from typing import (
    Counter as CounterType,
)

from ..errors import INVALID_INPUT, STATUS_CODES
from .crew import Crew
from .jobs import FolderJob
from .journal import Ended, Journal
from .progress import Progress, format_rate, format_time
from .stop_signals import StopSignals
from .workers import Worker

#: Seconds between two checks for a stop signal.
POLL_INTERVAL = 0.1

#: Seconds after which a success is on the disk and in the journal.
SYNC_INTERVAL = 5.0

STOPPING = "stopping: running jobs finish; press Ctrl-C again to abort them"

#: The exit status of a run with too many failures.
TOO_MANY_FAILURES = 3


@dataclass
class Policy:
    """What a run does about jobs that fail.

    Attributes:
        retries: how often a job runs again that failed with a status of 500 or above.
        max_failures: failures after which no other job starts; None for no limit.
        accept_refused: whether jobs with the status 422 count as successes.
        is_verbose: whether each job gets a line, and not only those that fail.
    """

    retries: int = 0
    max_failures: Optional[int] = None
    accept_refused: bool = False
    is_verbose: bool = False


@dataclass
class BulkRun:
    """Runs jobs and keeps count of them.

    Attributes:
        journal: of what became of each job.
        progress: the number of jobs that succeeded and failed.
        policy: about jobs that fail.
        attempts: of jobs that have failed in earlier runs, by their names.
        failures: the number of failed jobs by their status, of earlier runs too.
        problem: why the run ended early, empty if it did not.
    """

    journal: Journal
    progress: Progress
    policy: Policy = field(default_factory=Policy)
    attempts: Dict[str, int] = field(default_factory=dict)
    failures: CounterType[int] = field(default_factory=Counter)
    problem: str = ""
    _synced: float = field(default_factory=time.monotonic)

    def work(
        self,
        workers: Sequence[Worker],
        jobs: Iterable[FolderJob],
        signals: StopSignals,
        suspects: Container[str] = (),
    ) -> None:
        """Run the jobs on the workers, and close the workers at the end.

        Args:
            workers: at least one.
            jobs: to run.
            signals: the first one stops the run after the running jobs, the second one
                aborts those.
            suspects: names of jobs beside which no other one runs.

        Raises:
            OSError: the journal cannot be written.
        """
        crew = Crew(
            workers, jobs, self.journal, self.policy.retries, self.attempts, suspects
        )
        try:
            crew.start()
            self._follow(crew, signals)
            self._sync(crew)
        except BaseException:
            # jobs may still run
            crew.abort()
            raise
        finally:
            crew.close()
            self.progress.close()
        self.journal.close()
        if self.progress.ended < self.progress.total and not signals.count:
            self.problem = self.problem or crew.failure

    def find_exit_status(self) -> int:
        """Return 0 if all is well, 1 if a job failed, or 3 if too many did."""
        if self.has_too_many_failures():
            return TOO_MANY_FAILURES
        failed = sum(self.failures.values())
        if self.policy.accept_refused:
            failed -= self.failures[STATUS_CODES[INVALID_INPUT]]
        return int(bool(failed) or self.progress.ended < self.progress.total)

    def has_too_many_failures(self) -> bool:
        """Return whether more jobs have failed than the policy allows."""
        limit = self.policy.max_failures
        return limit is not None and sum(self.failures.values()) > limit

    def summarise(self) -> str:
        """Return the result of the run in one or two lines."""
        progress = self.progress
        ended = progress.ended
        line = (
            f"{ended:,} of {progress.total:,} jobs in {format_time(progress.seconds)}"
        )
        if ended and progress.seconds:
            line += f" ({format_rate(ended / progress.seconds)})"
        line += f": {progress.done:,} done, {progress.failed:,} failed"
        if progress.failed:
            line += f"; see {self.journal.errors_path}"
        if ended < progress.total:
            line += f"\n{progress.total - ended:,} have not run: continue with --resume"
        return line

    def report(self) -> Dict[str, Any]:
        """Return the result of the run, for `json.dump`."""
        progress = self.progress
        ended = datetime.datetime.now(datetime.timezone.utc)
        started = ended - datetime.timedelta(seconds=progress.seconds)
        return {
            "started": started.isoformat(timespec="seconds"),
            "ended": ended.isoformat(timespec="seconds"),
            "jobs": progress.total,
            "done": progress.done,
            "failed": progress.failed,
            "notRun": progress.total - progress.ended,
            "failedByStatus": {
                str(code): self.failures[code] for code in self.failures
            },
            "seconds": round(progress.seconds, 3),
            "errors": self.journal.errors_path if progress.failed else None,
        }

    def _follow(self, crew: Crew, signals: StopSignals) -> None:
        handled = 0
        while crew.is_working():
            ended = crew.wait(POLL_INTERVAL)
            if ended is not None:
                self._record(ended)
            if self.has_too_many_failures() and not self.problem:
                self.problem = (
                    f"more than {self.policy.max_failures} jobs have failed, the limit of"
                    " --max-failures"
                )
                crew.stop()
            if time.monotonic() - self._synced > SYNC_INTERVAL:
                self._sync(crew)
            self.progress.show()
            if signals.count > handled:
                handled = signals.count
                self._stop(crew, handled)
        if crew.error:
            raise crew.error

    def _record(self, ended: Ended) -> None:
        result = ended.result
        status = STATUS_CODES[result.kind]
        self.progress.add(result.ok)
        self.journal.end(ended)
        if not result.ok:
            self.failures[status] += 1
        if not result.ok or self.policy.is_verbose:
            message = " ".join(result.message.split())
            self.progress.write_line(f"{ended.job.name}: {status}: {message}")

    def _sync(self, crew: Crew) -> None:
        self._synced = time.monotonic()
        if self.journal.has_pending():
            crew.sync()
            self.journal.commit()

    def _stop(self, crew: Crew, signal_count: int) -> None:
        if signal_count == 1:
            self.progress.write_line(STOPPING)
            crew.stop()
        else:
            crew.abort()
