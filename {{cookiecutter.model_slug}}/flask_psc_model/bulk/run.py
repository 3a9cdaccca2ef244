"""A bulk run: runs jobs with a crew, shows progress and records failures."""

from dataclasses import dataclass
from typing import Sequence

from ..jobs.result import JobResult
from .crew import Crew
from .failures import Failures
from .jobs import FolderJob
from .progress import Progress, format_rate, format_time
from .stop_signals import StopSignals
from .workers import Worker

#: Seconds between two checks for a stop signal.
POLL_INTERVAL = 0.1

STOPPING = "stopping: running jobs finish; press Ctrl-C again to abort them"


@dataclass
class BulkRun:
    """Runs jobs and keeps count of them.

    Attributes:
        failures: the record of failed jobs.
        progress: the number of jobs that succeeded and failed.
        problem: why the run ended early, empty if it did not.
    """

    failures: Failures
    progress: Progress
    problem: str = ""

    def work(
        self,
        workers: Sequence[Worker],
        jobs: Sequence[FolderJob],
        signals: StopSignals,
    ) -> None:
        """Run the jobs on the workers, and close the workers at the end.

        Args:
            workers: at least one.
            jobs: to run.
            signals: the first one stops the run after the running jobs, the second one
                aborts those.

        Raises:
            OSError: the failures cannot be written.
        """
        crew = Crew(workers, jobs)
        try:
            crew.start()
            self._follow(crew, signals)
        finally:
            # jobs still run only after an error
            crew.abort()
            crew.close()
            self.failures.save()
            self.progress.close()
        if self.progress.ended < self.progress.total and not signals.count:
            self.problem = crew.failure

    def has_succeeded(self) -> bool:
        """Return whether every job has succeeded."""
        return self.progress.done == self.progress.total

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
            line += f"; see {self.failures.path}"
        if ended < progress.total:
            line += f"\n{progress.total - ended:,} have not run: continue with --resume"
        return line

    def _follow(self, crew: Crew, signals: StopSignals) -> None:
        handled = 0
        while crew.is_working():
            result = crew.wait(POLL_INTERVAL)
            if result is not None:
                self._record(*result)
            self.progress.show()
            if signals.count > handled:
                handled = signals.count
                self._stop(crew, handled)

    def _record(self, job: FolderJob, result: JobResult) -> None:
        self.progress.add(result.ok)
        if result.ok:
            self.failures.discard(job.name)
        else:
            self.failures.add(job.name, result)

    def _stop(self, crew: Crew, signal_count: int) -> None:
        if signal_count == 1:
            self.progress.write_line(STOPPING)
            crew.stop()
        else:
            crew.abort()
