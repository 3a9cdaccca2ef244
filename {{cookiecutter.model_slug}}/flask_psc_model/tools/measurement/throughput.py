"""Measures a model under many clients: its throughput, and a full batch."""

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

#: A plain model computes one job after the other: seconds that one job of each client
#: may take together.
LONGEST_SECONDS = 60

#: Seconds after which a client sends a job again that the server had no room for.
BUSY_SECONDS = 0.1


class Batches(NamedTuple):
    """What was measured of a batch model.

    Attributes:
        size: jobs of a batch with the most clients, on average.
        seconds: of a batch with the most clients, on average.
        peak_memory: the most bytes that all processes together have used.
    """

    size: float
    seconds: float
    peak_memory: int


class Throughput(NamedTuple):
    """What was measured under many clients.

    Attributes:
        rates: jobs per second by the number of clients.
        batches: of a batch model.
    """

    rates: Dict[int, float]
    batches: Optional[Batches]


class _Metrics(NamedTuple):
    """What `/metrics` says about batches.

    Attributes:
        is_known: whether there are metrics of this server.
        batches: that were computed.
        jobs: in all of them.
        processes: that hold the model.
    """

    is_known: bool
    batches: float
    jobs: float
    processes: int


def measure_throughput(
    running: Running, cases: Sequence[Inputs], run_seconds: float
) -> Optional[Throughput]:
    """Send a server that has run jobs the cases from ever more clients.

    Args:
        running: the server.
        cases: the input files of each.
        run_seconds: that a case takes.

    Returns:
        None if the server has no metrics. The rates lack a number of clients with which
        a plain model would take too long.

    Raises:
        MeasurementFailed: a case does not run.
        OSError: the server does not answer.
    """
    before = _read_metrics(running.client)
    if not before.is_known:
        return None
    rates = {}
    with ExitStack() as stack:
        # one copy of the inputs, which may be large, for all clients
        sources = [stack.enter_context(running.folder.make_job(each)) for each in cases]
        for clients in CLIENTS:
            round_seconds = clients * run_seconds / before.processes
            if not before.batches and clients > 1 and round_seconds > LONGEST_SECONDS:
                break
            before = _read_metrics(running.client)
            jobs = [
                stack.enter_context(running.folder.make_similar(source))
                for source in itertools.islice(itertools.cycle(sources), clients)
            ]
            count, seconds = _drive(running, jobs)
            rates[clients] = count / seconds
    after = _read_metrics(running.client)
    if not after.batches:
        return Throughput(rates, None)
    count = max(int(after.batches - before.batches), 1)
    batches = Batches(
        (after.jobs - before.jobs) / count,
        # each process computes one batch after the other
        seconds * after.processes / count,
        running.memory.read_peak(),
    )
    return Throughput(rates, batches)


def _read_metrics(client: Client) -> _Metrics:
    text = client.get("/metrics").data.decode("utf-8", "replace")
    found = dict(re.findall(r"^psc_model_batch_jobs_(count|sum) (\S+)", text, re.M))
    processes = re.findall(r"^psc_model_resident_memory_bytes\{", text, re.M)
    count, total = float(found.get("count", 0)), float(found.get("sum", 0))
    return _Metrics("psc_model_" in text, count, total, max(len(processes), 1))


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
