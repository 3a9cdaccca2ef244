"""Measures a server: how long loading and each case take, memory, and throughput."""

import statistics
import time
from dataclasses import dataclass, field
from typing import Callable, Dict, List, NamedTuple, Optional

from ...client import Client
from .. import show_name, to_line
from ..containers.shared_folder import SharedJob
from .subject import Inputs, MeasurementFailed, Running, Start
from .throughput import Batches, Throughput, measure_throughput


@dataclass
class Times:
    """How long the same thing took, several times.

    Attributes:
        seconds: of each time.
    """

    seconds: List[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The one in the middle."""
        return statistics.median(self.seconds)

    @property
    def worst(self) -> float:
        """The longest."""
        return max(self.seconds)


@dataclass
class Measurement:
    """What was measured.

    Attributes:
        load: from the start of the server until the model is ready.
        runs: of each case by its name, in the order of the cases.
        peak_memory: the most bytes that all processes together have used.
        memory_source: where that figure comes from.
        peak_gpu_memory: the most bytes used on all GPUs together; 0 if unknown.
        throughput: under many clients; None if the server has no metrics.
    """

    load: Times = field(default_factory=Times)
    runs: Dict[str, Times] = field(default_factory=dict)
    peak_memory: int = 0
    memory_source: str = ""
    peak_gpu_memory: int = 0
    throughput: Optional[Throughput] = None

    @property
    def batches(self) -> Optional[Batches]:
        """Those of a batch model."""
        return self.throughput.batches if self.throughput else None

    @property
    def worst_run(self) -> float:
        """The longest run of any case, in seconds."""
        return max(times.worst for times in self.runs.values())

    @property
    def mean_run(self) -> float:
        """The mean of the cases' medians, in seconds."""
        return statistics.mean(times.median for times in self.runs.values())

    @property
    def worst_batch(self) -> float:
        """The seconds that one job of a full batch may need, 0 without batches.

        They are those of the batch, and of reading and writing as in the longest run.
        """
        return self.batches.seconds + self.worst_run if self.batches else 0.0

    def note_memory(self, running: Running) -> None:
        """Keep the peak memory of a server if it is the largest."""
        self.peak_memory = max(self.peak_memory, running.memory.read_peak())
        self.memory_source = running.memory.source


class Plan(NamedTuple):
    """What is measured, and how often.

    Attributes:
        jobs: the input files of each case by its name.
        starts: how often the server is started.
        runs: how often each case is run after each start.
    """

    jobs: Dict[str, Inputs]
    starts: int
    runs: int

    def count_steps(self) -> int:
        """Return how many steps `measure` reports."""
        return self.starts * (1 + self.runs * len(self.jobs))


def measure(
    start: Start, plan: Plan, report: Callable[[str, int], None]
) -> Measurement:
    """Start a server several times, and run every case on it; at last under many clients.

    Args:
        start: starts the server.
        plan: what to measure.
        report: accepts what is being done, and how many steps have just been done.

    Raises:
        MeasurementFailed: the model does not load, or does not run a case.
        EngineError: the container engine fails.
        FolderFailed: this machine cannot keep the files of the jobs.
    """
    measurement = Measurement(runs={name: Times() for name in plan.jobs})
    for number in range(1, plan.starts + 1):
        prefix = f"start {number} of {plan.starts}: "
        report(prefix + "loading the model", 0)
        began = time.perf_counter()
        with start() as running:
            running.wait_until_loaded()
            measurement.load.seconds.append(time.perf_counter() - began)
            doing = prefix + f"running {len(plan.jobs)} cases"
            report(doing, 1)
            for _ in range(plan.runs):
                for name, inputs in plan.jobs.items():
                    # else the kernel counts the files of all runs
                    with running.folder.make_job(inputs) as job:
                        seconds = _time_run(job, running.client, name)
                    measurement.runs[name].seconds.append(seconds)
                    report(doing, 1)
            measurement.note_memory(running)
            if number == plan.starts:
                report(prefix + "running cases from many clients", 0)
                cases = list(plan.jobs.values())
                run_seconds = measurement.mean_run
                measurement.throughput = measure_throughput(running, cases, run_seconds)
            gpu_peak = running.gpu_memory.read_peak()
            measurement.peak_gpu_memory = max(measurement.peak_gpu_memory, gpu_peak)
    return measurement


def _time_run(job: SharedJob, client: Client, name: str) -> float:
    began = time.perf_counter()
    response = job.run(client)
    seconds = time.perf_counter() - began
    if response.status_code != 200:
        raise MeasurementFailed(
            f"the case {show_name(name)} was answered {response.status_code}:"
            f" {to_line(response.message)}"
        )
    return seconds
