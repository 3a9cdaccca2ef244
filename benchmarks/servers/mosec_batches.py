"""mosec with batches: copies that do all, or processes that read before those that compute."""

# mosec is installed in this server's own environment only, so its types are unknown elsewhere.
# mypy: disable-error-code="misc"

import os
from typing import Any

from hosted_steps import MAX_BATCH_SIZE, WAIT_MS, HostedSteps
from mosec import Server, Worker

BATCH: dict[str, Any] = {"max_batch_size": MAX_BATCH_SIZE, "max_wait_time": WAIT_MS, "timeout": 60}


class Whole(Worker):
    """Reads, computes and writes a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = HostedSteps()

    def forward(self, data: list[dict[str, str]]) -> list[dict[str, Any]]:
        """Run a batch."""
        results = self.steps.compute([self.steps.read(job) for job in data])
        return [self.steps.write(*result) for result in results]


class Reader(Worker):
    """Reads one job at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = HostedSteps()

    def forward(self, data: dict[str, str]) -> tuple[Any, str]:
        """Read a job."""
        return self.steps.read(data)


class Computer(Worker):
    """Computes and writes a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = HostedSteps()

    def forward(self, data: list[tuple[Any, str]]) -> list[dict[str, Any]]:
        """Compute a batch and write its results."""
        return [self.steps.write(*result) for result in self.steps.compute(data)]


if __name__ == "__main__":
    server = Server()
    readers, copies = int(os.environ["BENCH_READERS"]), int(os.environ["BENCH_COPIES"])
    if readers:
        server.append_worker(Reader, num=readers, timeout=60, route="/run")
    server.append_worker(Computer if readers else Whole, num=copies, route="/run", **BATCH)
    server.run()
