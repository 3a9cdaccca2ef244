"""What is measured on a running server."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from . import client
from .client import BadAnswer, Connection
from .contender import Contender
from .jobs import Jobs
from .server import Server

WARM_UP_SECONDS = 0.3
PROBE_PAUSE = 0.01


def measure_start(server: Server, contender: Contender, jobs: Jobs) -> dict[str, float]:
    """Wait for a server that was just started, and let it run its first job.

    Args:
        server: the server.
        contender: which one it is.
        jobs: the first of them is run.

    Returns:
        Seconds from the start of the process to the first 200, and to the first job's answer.
    """
    ready = server.wait_until_ready(contender.health)
    answer = _run_job(server, jobs.bodies[0], timeout=60)
    first_job = time.perf_counter() - server.started
    if answer.status != 200:
        raise server.failure(f"the first job was answered {answer.status}: {answer.body!r}")
    return {"ready_s": ready, "first_job_s": first_job}


def measure_load(server: Server, jobs: Jobs, seconds: float) -> dict[str, float]:
    """Warm a server up, then send it jobs from one client and from eight.

    Args:
        server: a server that is ready.
        jobs: one job a client.
        seconds: how long each of the two loads lasts.

    Returns:
        Latencies in milliseconds, and jobs a second.
    """
    _drive(server, jobs.bodies, WARM_UP_SECONDS)
    figures: dict[str, float] = {}
    for clients in (1, len(jobs.bodies)):
        latencies, _ = _drive(server, jobs.bodies[:clients], seconds)
        figures |= _summarize(latencies, clients, seconds)
    return figures


def measure_clients(server: Server, jobs: Jobs, clients: int, seconds: float, warm_up: float) -> dict[str, float]:
    """Send a server jobs from some clients, and measure the CPU that a job costs as well.

    Args:
        server: a server that is ready.
        jobs: one job a client.
        clients: how many send jobs.
        seconds: how long jobs count.
        warm_up: how long they are sent before.

    Returns:
        Latencies in milliseconds, jobs a second, and milliseconds of CPU a job: of all processes; and of the
        children of the first process, and of what these started in turn.
    """
    before = {(process.pid, process.started): process.cpu() for process in server.processes()}
    latencies, count = _drive(server, jobs.bodies[:clients], seconds, warm_up)
    figures = _summarize(latencies, clients, seconds)
    names = ("cpu", "children_cpu", "grandchildren_cpu")
    figures |= {f"{name}_{clients}_ms": 0.0 for name in names}
    for process in server.processes():
        cost = (process.cpu() - before.get((process.pid, process.started), 0.0)) / count * 1000
        for name, counts in zip(names, (True, process.depth == 1, process.depth > 1), strict=True):
            figures[f"{name}_{clients}_ms"] += cost * counts
    return figures


def _summarize(latencies: list[float], clients: int, seconds: float) -> dict[str, float]:
    return {
        f"run_p50_{clients}_ms": find_percentile(latencies, 50) * 1000,
        f"run_p99_{clients}_ms": find_percentile(latencies, 99) * 1000,
        f"jobs_per_second_{clients}": len(latencies) / seconds,
    }


def measure_memory(server: Server) -> dict[str, float]:
    """Measure the memory that a server's processes hold.

    Args:
        server: a server that has run jobs.

    Returns:
        In MB (10^6 bytes): the proportional set size of all processes together; and the resident set size of the
        children of the first process, and of what these started in turn: under Gunicorn the web processes, and
        the model processes where there are some.
    """
    processes = server.processes()
    return {
        "memory_mb": sum(process.proportional() for process in processes),
        "children_mb": sum(process.resident() for process in processes if process.depth == 1),
        "grandchildren_mb": sum(process.resident() for process in processes if process.depth > 1),
    }


def measure_status(server: Server, contender: Contender, jobs: Jobs, run_seconds: float) -> dict[str, float]:
    """Poll the status of a server during a long run.

    Args:
        server: a server with the slow model.
        contender: which one it is.
        jobs: the first of them is run.
        run_seconds: how long that run sleeps.

    Returns:
        Latencies in milliseconds; nothing where no answer came before the run was over.
    """
    server.wait_until_ready(contender.health)
    outcomes: list[client.Answer | Exception] = []
    run = threading.Thread(target=_collect_job, args=(server, jobs.bodies[0], run_seconds + 60, outcomes))
    start = time.perf_counter()
    run.start()
    time.sleep(min(1.0, run_seconds / 5))  # by now every server has begun the run
    probe = Connection(server.port, "GET", contender.health)
    latencies = []
    # A margin before the end, so that an answer that had to wait for the run does not count.
    while (left := start + run_seconds - 0.1 - time.perf_counter()) > 0:
        try:
            answer = probe.exchange(timeout=left)
        except (OSError, BadAnswer):
            break
        if answer.status == 200:
            latencies.append(time.perf_counter() - probe.sent)
        time.sleep(PROBE_PAUSE)
    probe.close()
    run.join()
    if not (isinstance(outcomes[0], client.Answer) and outcomes[0].status == 200):
        raise server.failure(f"the long run was answered {outcomes[0]!r}")
    if not latencies:
        return {}
    return {
        "status_p50_ms": find_percentile(latencies, 50) * 1000,
        "status_p99_ms": find_percentile(latencies, 99) * 1000,
    }


def find_percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least so many percent of the values do not exceed.

    Args:
        values: numbers of any unit, at least one.
        percent: above 0, at most 100.
    """
    rank = -int(-len(values) * percent // 100)  # rounded up
    return sorted(values)[rank - 1]


def _drive(
    server: Server, bodies: list[dict[str, str]], seconds: float, warm_up: float = 0.0
) -> tuple[list[float], int]:
    load = json.dumps({"port": server.port, "jobs": bodies, "seconds": seconds, "warm_up": warm_up})
    command = [sys.executable, str(Path(client.__file__))]
    result = subprocess.run(command, input=load, capture_output=True, text=True)
    if result.returncode:
        raise server.failure(result.stderr.strip().splitlines()[-1])
    latencies, count = json.loads(result.stdout)
    if not latencies:
        raise server.failure(f"no job ended within {seconds:g} s")
    return latencies, count


def _run_job(server: Server, body: dict[str, str], timeout: float) -> client.Answer:
    connection = Connection(server.port, "POST", "/run", body)
    try:
        return connection.exchange(timeout)
    except (OSError, BadAnswer) as error:
        raise server.failure(f"a job was not answered: {error}") from error
    finally:
        connection.close()


def _collect_job(
    server: Server, body: dict[str, str], timeout: float, outcomes: list[client.Answer | Exception]
) -> None:
    try:
        outcomes.append(_run_job(server, body, timeout))
    except Exception as error:
        outcomes.append(error)
