"""LitServe with batches: a process reads, computes and writes whole batches."""

# LitServe is installed in this server's own environment only, so its types are unknown elsewhere.
# mypy: disable-error-code="misc"

import sys
from typing import Any

import litserve as ls
from hosted_steps import MAX_BATCH_SIZE, WAIT_MS, HostedSteps

Jobs = list[tuple[Any, str]]


class PictureAPI(ls.LitAPI):
    """The steps behind LitServe's hooks."""

    def setup(self, device: str) -> None:
        """Load the model, in an inference process."""
        self.steps = HostedSteps()

    def decode_request(self, request: dict[str, str]) -> tuple[Any, str]:
        """Read one job."""
        return self.steps.read(request)

    def batch(self, inputs: Jobs) -> Jobs:
        """Return the jobs as they are."""
        return inputs

    def predict(self, jobs: Jobs) -> Jobs:
        """Compute a batch."""
        return self.steps.compute(jobs)

    def unbatch(self, output: Jobs) -> Jobs:
        """Return the results as they are."""
        return output

    def encode_response(self, output: tuple[Any, str]) -> dict[str, Any]:
        """Write one job."""
        return self.steps.write(*output)


if __name__ == "__main__":
    server = ls.LitServer(
        PictureAPI(api_path="/run", max_batch_size=MAX_BATCH_SIZE, batch_timeout=WAIT_MS / 1000),
        accelerator="cpu",
        workers_per_device=int(sys.argv[2]),
        healthcheck_path="/status",
        timeout=60,
    )
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False, generate_client_file=False
    )
