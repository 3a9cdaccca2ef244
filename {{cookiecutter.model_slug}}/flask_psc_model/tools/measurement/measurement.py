"""Measures a server: how long loading and each case take, and how much memory."""

import statistics
import time
from typing import Callable, Dict, List

from ...client import Answer
from ...model.cases import Case
from .subject import Inputs, MeasurementFailed, Start


class Times:
    """How long the same thing took, several times, in seconds."""

    def __init__(self) -> None:
        self.seconds: List[float] = []

    @property
    def median(self) -> float:
        """The one in the middle."""
        return statistics.median(self.seconds)

    @property
    def worst(self) -> float:
        """The longest."""
        return max(self.seconds)


class Measurement:
    """What was measured.

    Attributes:
        load: from starting the server to the first answer that the model is ready.
        runs: of each case by its name, in the order of the cases.
        peak_memory: the most bytes that all processes together have used.
        memory_source: where that figure comes from.
    """

    def __init__(self) -> None:
        self.load = Times()
        self.runs: Dict[str, Times] = {}
        self.peak_memory = 0
        self.memory_source = ""

    @property
    def worst_run(self) -> float:
        """The longest run of any case, in seconds."""
        return max(times.worst for times in self.runs.values())


class Plan:
    """What is measured, how often.

    Attributes:
        jobs: the input files of each case by its name.
        starts: how often the server is started.
        runs: how often each case is run after each start.
    """

    def __init__(
        self, cases: List[Case], names: List[str], starts: int, runs: int
    ) -> None:
        """Read the cases.

        Args:
            cases: to run.
            names: of the model's input files.
            starts: how often to start the server.
            runs: how often to run each case after each start.

        Raises:
            OSError, ValueError: a case cannot be read.
        """
        self.jobs: Dict[str, Inputs] = {
            case.name: case.read_inputs(names) for case in cases
        }
        self.starts = starts
        self.runs = runs

    def count_steps(self) -> int:
        """Return how many steps `measure` reports."""
        return self.starts * (1 + self.runs * len(self.jobs))


def measure(
    start: Start, plan: Plan, report: Callable[[str, int], None]
) -> Measurement:
    """Start a server again and again, and run every case on it.

    Args:
        start: starts the server.
        plan: says what to measure.
        report: is told what is being done, and how many steps have just been done.

    Raises:
        MeasurementFailed: the model is not loaded, or does not run a case.
        EngineError: the container engine fails.
    """
    measurement = Measurement()
    measurement.runs = {name: Times() for name in plan.jobs}
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
                    seconds = _time_run(running.prepare_job(inputs), name)
                    measurement.runs[name].seconds.append(seconds)
                    report(doing, 1)
            peak = running.memory.read_peak()
            measurement.peak_memory = max(measurement.peak_memory, peak)
            measurement.memory_source = running.memory.source
    return measurement


def _time_run(run: Callable[[], Answer], name: str) -> float:
    began = time.perf_counter()
    answer = run()
    seconds = time.perf_counter() - began
    if answer.status_code != 200:
        raise MeasurementFailed(
            "the case {} was answered {}: {}".format(
                name, answer.status_code, " ".join(answer.message.split())
            )
        )
    return seconds
