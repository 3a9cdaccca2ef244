"""Measures a batch model under many clients: its throughput, and a full batch."""

import itertools
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from ...client import Client
from .. import to_line
from ..containers.shared_folder import SharedJob
from .subject import Inputs, MeasurementFailed, Running

#: How many clients send jobs at the same time; the last number fills the batches.
CLIENTS = (1, 8, 64)

#: Seconds for which each number of clients sends jobs.
SECONDS = 3

#: Seconds after which a client sends a job again that the server had no room for.
BUSY_SECONDS = 0.1


class Batches(NamedTuple):
    """What was measured of a batch model.

    Attributes:
        rates: jobs per second by the number of clients.
        size: jobs of a batch with the most clients, on average.
        seconds: of a batch with the most clients, on average.
        peak_memory: the most bytes that all processes together have used.
    """

    rates: Dict[int, float]
    size: float
    seconds: float
    peak_memory: int


class _Metrics(NamedTuple):
    """What `/metrics` says about batches."""

    batches: float
    jobs: float
    processes: int


def measure_batches(running: Running, cases: Sequence[Inputs]) -> Optional[Batches]:
    """Send a server that has run jobs the cases from ever more clients.

    Args:
        running: the server.
        cases: the input files of each.

    Returns:
        None if the server has computed no batch: its model is no batch model, or it has
        no metrics.

    Raises:
        MeasurementFailed: a case does not run.
        OSError: the server does not answer.
    """
    if not _read_metrics(running.client).batches:
        return None
    rates = {}
    with ExitStack() as stack:
        # one copy of the inputs, which may be large, for all clients
        sources = [stack.enter_context(running.folder.make_job(each)) for each in cases]
        for clients in CLIENTS:
            before = _read_metrics(running.client)
            jobs = [
                stack.enter_context(running.folder.make_similar(source))
                for source in itertools.islice(itertools.cycle(sources), clients)
            ]
            count, seconds = _drive(running, jobs)
            rates[clients] = count / seconds
    after = _read_metrics(running.client)
    batches = max(after.batches - before.batches, 1)
    return Batches(
        rates,
        (after.jobs - before.jobs) / batches,
        # each process computes one batch after the other
        seconds * after.processes / batches,
        running.memory.read_peak(),
    )


def _read_metrics(client: Client) -> _Metrics:
    text = client.get("/metrics").data.decode("utf-8", "replace")
    found = dict(re.findall(r"^psc_model_batch_jobs_(count|sum) (\S+)", text, re.M))
    processes = re.findall(r"^psc_model_resident_memory_bytes\{", text, re.M)
    count, total = float(found.get("count", 0)), float(found.get("sum", 0))
    return _Metrics(count, total, max(len(processes), 1))


def _drive(running: Running, jobs: List[SharedJob]) -> Tuple[int, float]:
    """Run each job once, and again and again, all at once, for a while.

    Returns:
        How many have run, and the seconds that they took together.
    """
    began = time.perf_counter()
    ended = threading.Event()

    def repeat(job: SharedJob, client: Client) -> int:
        count = 0
        while True:
            response = job.run(client)
            if response.status_code == 503:
                time.sleep(BUSY_SECONDS)
            elif response.status_code != 200:
                raise MeasurementFailed(
                    f"under load a case was answered {response.status_code}:"
                    f" {to_line(response.message)}"
                )
            else:
                count += 1
            if time.perf_counter() >= began + SECONDS or ended.is_set():
                return count

    # the main thread is a client itself, so that a signal can end its waits
    first, *others = jobs
    with ThreadPoolExecutor(len(jobs)) as threads:
        try:
            futures = [
                threads.submit(
                    repeat, job, Client(running.client.url, running.client.timeout)
                )
                for job in others
            ]
            count = repeat(first, running.client)
            count += sum(future.result() for future in futures)
        finally:
            ended.set()
    return count, time.perf_counter() - began
