"""The steps of a picture job as every comparison server hosts them."""

import importlib
import os
from typing import Any

#: The files of a job.
INPUT, OUTPUT = "picture.jpg", "result.json"

#: The most jobs of a batch, in every server.
MAX_BATCH_SIZE = 32

#: How long the other servers wait for a fuller batch, in milliseconds; this template's server does not wait.
WAIT_MS = 5

#: The answer to a job that succeeded: the response object of the container specification.
DONE: dict[str, Any] = {"statusCode": 200, "status": "OK", "message": "the outputs are written"}


class HostedSteps:
    """The steps, with the folders of a job in place of its files."""

    def __init__(self) -> None:
        self._steps = importlib.import_module(os.environ["BENCH_STEPS"]).Steps()

    def read(self, job: dict[str, str]) -> tuple[Any, str]:
        """Read the input of a job.

        Args:
            job: the body of the request.

        Returns:
            What `compute` needs, and the path of the output file.
        """
        picture = self._steps.preprocess(os.path.join(job["input"], INPUT))
        return picture, os.path.join(job["output"], OUTPUT)

    def compute(self, jobs: list[tuple[Any, str]]) -> list[tuple[Any, str]]:
        """Compute a batch.

        Args:
            jobs: what `read` returned for each.

        Returns:
            The result and the path of the output file of each.
        """
        results = self._steps.predict([picture for picture, _ in jobs])
        return [(result, path) for result, (_, path) in zip(results, jobs, strict=True)]

    def write(self, result: Any, path: str) -> dict[str, Any]:
        """Write the output of a job and return the response.

        Args:
            result: of the job.
            path: of the output file.
        """
        self._steps.postprocess(result, path)
        return DONE
