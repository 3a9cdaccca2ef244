"""The loop of a model process whose model computes batches.

    channel -> reading threads -> ready -> the main thread -> computed -> writing threads
               (preprocess)                (predict)                      (postprocess)

A reading thread waits for the next job by itself, so that a job that is not yet read has
not been started. The main thread computes whatever is ready. Each job is answered by
itself, in any order: its number says which it is.
"""

import contextlib
import logging
import os
import queue
import threading
import time
from typing import Any, Callable, List, Optional, Union

from ..jobs.execution import Execution, condemns
from ..jobs.result import JobResult
from ..logs import NO_CONTEXT, Context, set_context
from ..model.base import WrongResults, predict_batch
from ..model.loading import call_model, describe
from .table import ALONE, TOGETHER, Clock

#: Seconds between two beats.
BEAT_SECONDS = 0.05

log = logging.getLogger(__name__)


class Attempt:
    """A job in the process that runs it.

    Attributes:
        number: of the job.
        context: of its request, for the log.
        execution: of the job.
        clock: of the time in which the model works on it.
        value: what the last step returned.
        result: None until it is known.
        batch_size: jobs of the batch whose first it was; 0 for the others.
        batch_jobs: jobs of the batch that it was in; 0 until it is computed.
        batch_seconds: that this batch took.
        is_interrupted: whether Ctrl-C has failed it.
    """

    def __init__(
        self, number: int, context: Context, execution: Execution, clock: Clock
    ) -> None:
        self.number = number
        self.context = context
        self.execution = execution
        self.clock = clock
        self.value: Any = None
        self.result: Optional[JobResult] = None
        self.batch_size = 0
        self.batch_jobs = 0
        self.batch_seconds = 0.0
        self.is_interrupted = False

    def run(self) -> None:
        """Run a model that does all in one step."""
        self.result = self._do(self.execution.run)

    def preprocess(self) -> None:
        """Read the inputs; without a result, `value` is ready for `predict`."""
        self.value = self._do(self.execution.preprocess)

    def postprocess(self) -> None:
        """Write what `predict` has returned for the job."""
        value, self.value = self.value, None
        self.result = self._do(self.execution.postprocess, value)

    def fail(self, error: BaseException) -> None:
        """Set the result to that of an error."""
        set_context(self.context)
        self.value = None
        cause = error.__cause__ or error
        self.is_interrupted = isinstance(cause, KeyboardInterrupt)
        self.result = self.execution.explain(error)

    def describe(self) -> JobResult:
        """Return the result, with the batch."""
        assert self.result
        return self.result._replace(
            batch_jobs=self.batch_jobs, batch_seconds=self.batch_seconds
        )

    def _do(self, step: Callable[..., Any], *args: Any) -> Any:
        set_context(self.context)
        self.clock.start(ALONE)
        try:
            return step(*args)
        except BaseException as error:
            self.fail(error)
            return self.result
        finally:
            self.clock.stop()


def compute(
    model: Any, batch: List[Attempt], deliver: Callable[[Attempt], None]
) -> None:
    """Compute a batch, and deliver each job as soon as it has a value or a result.

    After an error, each half is computed by itself, down to the job that causes it. A
    wrong number of results fails all jobs, and so does an error that condemns the process.
    """
    set_context(batch[0].context if len(batch) == 1 else NO_CONTEXT)
    batch[0].batch_size = len(batch)
    for job in batch:
        job.clock.start(TOGETHER)
    is_halved = False
    began = time.monotonic()
    try:
        values = call_model(predict_batch, model, [job.value for job in batch])
    except BaseException as error:
        is_final = isinstance(error, WrongResults) or condemns(error)
        is_halved = len(batch) > 1 and not is_final
        for job in batch:
            job.clock.stop()
        if is_halved:
            log.warning("halving a batch of %d: %s", len(batch), describe(error))
        for job in [] if is_halved else batch:
            job.fail(job.execution.blame(error))
            deliver(job)
    else:
        seconds = time.monotonic() - began
        for job, value in zip(batch, values):
            job.clock.stop()
            job.batch_jobs, job.batch_seconds = len(batch), seconds
            job.value = value
            deliver(job)
    if is_halved:
        # no sooner: the error keeps alive what the model has allocated
        half = len(batch) // 2
        compute(model, batch[:half], deliver)
        compute(model, batch[half:], deliver)


def count_threads(cpus: Optional[float]) -> int:
    """Return how many threads read, and how many write.

    Args:
        cpus: that the model may use; None for all of the machine.
    """
    available = len(os.sched_getaffinity(0))
    return max(2, min(int(cpus or available), available))


class BatchLoop:
    """Runs jobs in a batch model until there are no more."""

    def __init__(
        self,
        model: Any,
        threads: int,
        receive: Callable[[], Attempt],
        answer: Callable[[Attempt], None],
        beat: Callable[[], None],
    ) -> None:
        """Set the model and where its jobs come from.

        Args:
            model: that computes batches.
            threads: that read, and as many that write.
            receive: waits for a job; an error ends the loop.
            answer: accepts a job with its result; threads call it.
            beat: is called again and again, by a thread that does nothing else.
        """
        self._model = model
        self._threads = threads
        self._receive = receive
        self._answer = answer
        self._beat = beat
        self._receiving = threading.Lock()
        self._ready: "queue.Queue[Union[Attempt, BaseException]]" = queue.Queue()
        self._computed: "queue.Queue[Attempt]" = queue.Queue()

    def run(self) -> None:
        """Run jobs.

        Raises:
            BaseException: what `receive` or `answer` has raised.
        """
        for work in [self._read, self._write] * self._threads + [self._wait_and_beat]:
            threading.Thread(target=self._repeat, args=[work], daemon=True).start()
        while True:
            compute(self._model, self._next_batch(), self._deliver)

    def _next_batch(self) -> List[Attempt]:
        """Wait for a job, and a little for others; return all that are ready."""
        batch = [self._next_ready(True, None)]
        deadline = time.monotonic() + self._model.max_batch_delay
        with contextlib.suppress(queue.Empty):
            while len(batch) < self._model.max_batch_size:
                left = deadline - time.monotonic()
                batch.append(self._next_ready(left > 0, left))
        return batch

    def _next_ready(self, is_waiting: bool, seconds: Optional[float]) -> Attempt:
        found = self._ready.get(is_waiting, seconds)
        if isinstance(found, BaseException):
            raise found
        return found

    def _repeat(self, work: Callable[[], None]) -> None:
        try:
            while True:
                work()
        except BaseException as error:
            # the main thread ends the process
            self._ready.put(error)

    def _wait_and_beat(self) -> None:
        time.sleep(BEAT_SECONDS)
        self._beat()

    def _read(self) -> None:
        with self._receiving:
            job = self._receive()
        job.preprocess()
        if job.result:
            self._answer(job)
        else:
            self._ready.put(job)

    def _deliver(self, job: Attempt) -> None:
        if job.result:
            self._answer(job)
        else:
            self._computed.put(job)

    def _write(self) -> None:
        job = self._computed.get()
        job.postprocess()
        self._answer(job)
