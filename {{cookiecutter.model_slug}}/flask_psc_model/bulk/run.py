"""A bulk run: the crew works, and what comes of each job is shown and recorded."""

from typing import Sequence

from ..jobs.outcome import Outcome
from .crew import Crew
from .failures import Failures
from .jobs import FolderJob
from .progress import Progress, format_rate, format_time
from .stop_signals import Interruption
from .workers import Worker

#: Seconds between two looks at whether to stop.
LOOK_INTERVAL = 0.1

STOPPING = (
    "stopping: the jobs that run now come to their end; Ctrl-C again drops them, too"
)


class BulkRun:
    """Runs jobs, and keeps the books.

    Attributes:
        progress: how many have run, and how many have failed.
        problem: why it ended before its time, empty where it did not.
    """

    def __init__(self, failures: Failures, progress: Progress) -> None:
        """Choose the books.

        Args:
            failures: the file of those that fail.
            progress: shows how far it is.
        """
        self.failures = failures
        self.progress = progress
        self.problem = ""

    def work(
        self,
        workers: Sequence[Worker],
        jobs: Sequence[FolderJob],
        interruption: Interruption,
    ) -> None:
        """Run the jobs on the workers, which are closed at the end.

        Args:
            workers: at least one.
            jobs: what they run.
            interruption: once, to start no other job; twice, to drop those that run.

        Raises:
            OSError: the failures cannot be written.
        """
        crew = Crew(workers, jobs)
        try:
            crew.start()
            self._follow(crew, interruption)
        finally:
            # no job runs any more, unless this is an error
            crew.abort()
            crew.close()
            self.failures.save()
            self.progress.close()
        if self.progress.ended < self.progress.total and not interruption.count:
            self.problem = crew.failure

    def is_fine(self) -> bool:
        """Tell whether every job has run well."""
        return self.progress.done == self.progress.total

    def summarise(self) -> str:
        """Say in a line or two what came of the run."""
        progress = self.progress
        ended = progress.ended
        line = (
            f"{ended:,} of {progress.total:,} jobs in {format_time(progress.seconds)}"
        )
        if ended and progress.seconds:
            line += f" ({format_rate(ended / progress.seconds)})"
        line += f": {progress.done:,} done, {progress.failed:,} failed"
        if progress.failed:
            line += f"; {self.failures.path} says why"
        if ended < progress.total:
            line += f"\n{progress.total - ended:,} have not run: go on with --resume"
        return line

    def _follow(self, crew: Crew, interruption: Interruption) -> None:
        signals = 0
        while crew.is_working():
            result = crew.wait(LOOK_INTERVAL)
            if result is not None:
                self._record(*result)
            self.progress.show()
            if interruption.count > signals:
                signals = interruption.count
                self._stop(crew, signals)

    def _record(self, job: FolderJob, outcome: Outcome) -> None:
        self.progress.count(outcome.ok)
        if outcome.ok:
            self.failures.discard(job.name)
        else:
            self.failures.add(job.name, outcome)

    def _stop(self, crew: Crew, signals: int) -> None:
        if signals == 1:
            self.progress.say(STOPPING)
            crew.stop()
        else:
            crew.abort()
