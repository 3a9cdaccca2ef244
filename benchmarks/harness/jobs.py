"""The jobs that every server runs."""

from collections.abc import Sequence
from pathlib import Path

from .errors import BenchmarkFailed

COLORS = (b"ffaa00", b"123456", b"abcdef", b"00ff7f", b"808000", b"dda0dd", b"2f4f4f", b"fffff0")
INPUT = "input.txt"
OUTPUT = "results.json"


class Jobs:
    """One job for each client, with folders of its own.

    Attributes:
        bodies: the bodies of `POST /run`, one a client.
    """

    def __init__(
        self,
        folder: Path,
        contents: Sequence[bytes] = COLORS,
        names: tuple[str, str] = (INPUT, OUTPUT),
    ) -> None:
        """Write the input files.

        Args:
            folder: a new folder for all jobs.
            contents: of the input file of each job.
            names: of the input file and the output file.
        """
        self.bodies: list[dict[str, str]] = []
        self._outputs: list[Path] = []
        self._expected: list[str] | None = None
        for number, content in enumerate(contents):
            source, target = folder / f"{number}-in", folder / f"{number}-out"
            source.mkdir(parents=True)
            target.mkdir()
            (source / names[0]).write_bytes(content)
            self.bodies.append({"type": "file", "input": str(source), "output": str(target)})
            self._outputs.append(target / names[1])

    def take_results(self, is_exact: bool = True) -> None:
        """Check the results and remove them, so that the next server starts without.

        Args:
            is_exact: whether the results of all servers are the same; else they only have to be there.

        Raises:
            BenchmarkFailed: a result is missing, or not what the first server wrote.
        """
        results = [path.read_text() if path.exists() else "" for path in self._outputs]
        self._expected = self._expected or results
        if not all(results) or (is_exact and results != self._expected):
            raise BenchmarkFailed("a job's result is missing or is not the same as that of the first server")
        for path in self._outputs:
            path.unlink()
