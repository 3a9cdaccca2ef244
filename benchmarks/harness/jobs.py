"""The jobs that every server runs."""

from pathlib import Path

from .errors import BenchmarkFailed

COLORS = ("ffaa00", "123456", "abcdef", "00ff7f", "808000", "dda0dd", "2f4f4f", "fffff0")
INPUT = "input.txt"
OUTPUT = "results.json"


class Jobs:
    """One job for each client, with folders of its own.

    Attributes:
        bodies: the bodies of `POST /run`, one a client.
    """

    def __init__(self, folder: Path) -> None:
        """Write the input files.

        Args:
            folder: a new folder for all jobs.
        """
        self.bodies: list[dict[str, str]] = []
        self._outputs: list[Path] = []
        self._expected: list[str] | None = None
        for number, color in enumerate(COLORS):
            source, target = folder / f"{number}-in", folder / f"{number}-out"
            source.mkdir(parents=True)
            target.mkdir()
            (source / INPUT).write_text(color + "\n")
            self.bodies.append({"type": "file", "input": str(source), "output": str(target)})
            self._outputs.append(target / OUTPUT)

    def take_results(self) -> None:
        """Check the results and remove them, so that the next server starts without.

        Raises:
            BenchmarkFailed: a result is missing, or not what the first server wrote.
        """
        results = [path.read_text() if path.exists() else "" for path in self._outputs]
        self._expected = self._expected or results
        if not all(results) or results != self._expected:
            raise BenchmarkFailed("a job's result is missing or is not the same as that of the first server")
        for path in self._outputs:
            path.unlink()
