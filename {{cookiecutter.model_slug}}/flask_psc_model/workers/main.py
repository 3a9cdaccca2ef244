"""The program of a model process: load the model, then run jobs, alone or in batches.

A supervisor starts it as `python -m flask_psc_model.workers.main`, with the ends of two
pipes and a table. Model code runs on the main thread.
"""

import contextlib
import faulthandler
import logging
import os
import signal
import sys
import threading
from typing import Any, Callable

from ..errors import ModelNotLoaded
from ..jobs.execution import Execution
from ..jobs.job import Job
from ..jobs.result import READY, JobResult, failed
from ..logs import (
    Context,
    begin_job,
    capture_streams,
    configure_logging,
    end_job,
    finish_lines,
)
from ..model.loading import close_model, explain, is_batch_model, load_model
from ..model.spec import ModelSpec
from .batching import Attempt, BatchLoop, count_threads
from .channel import ModelChannel
from .output import FrameWriter
from .prctl import die_with_parent
from .table import JobTable

log = logging.getLogger(__name__)


def main() -> None:
    """Serve jobs until the other process closes its end of the pipe."""
    parent, read_fd, write_fd, table_fd = map(int, sys.argv[1:])
    die_with_parent(parent)
    # before a crash ends it, and the time limit, the log shows where each thread was
    faulthandler.enable(file=2)
    faulthandler.register(signal.SIGUSR2, file=2, all_threads=True)
    for fd in (read_fd, write_fd, table_fd):
        os.set_inheritable(fd, False)
    put = FrameWriter(2).put
    configure_logging(put)
    capture_streams(put)
    channel = ModelChannel(read_fd, write_fd)
    with contextlib.suppress(EOFError, BrokenPipeError):
        Server(channel, JobTable(table_fd)).serve()


class Closed(Exception):
    """The other process wants this one to end."""


class Server:
    """Loads a model and runs the jobs that come through a channel."""

    def __init__(self, channel: ModelChannel, table: JobTable) -> None:
        self._channel = channel
        self._table = table
        self._sending = threading.Lock()
        self._model: Any = None
        self._spec = ModelSpec()

    def serve(self) -> None:
        """Load the model, and run jobs until it is closed.

        Raises:
            EOFError: the other end of the channel is closed.
        """
        message = self._channel.receive()
        result = self._call(self._load, *message["load"])
        is_batch = result.ok and is_batch_model(self._model)
        size = self._model.max_batch_size if is_batch else 0
        self._send(0, size, result)
        with contextlib.suppress(Closed):
            if is_batch:
                threads = count_threads(self._spec.limits.cpus)
                ends = self._receive, self._answer, self._table.beat
                BatchLoop(self._model, threads, *ends).run()
            while result.ok:
                job = self._receive()
                job.run()
                self._answer(job)
        close_model(self._model)
        finish_lines()
        # threads that the model left running would hold up an exit
        os._exit(0)

    def _load(self, factory: str, spec_path: str) -> JobResult:
        if spec_path:
            self._spec = ModelSpec.load(spec_path)
        try:
            self._model = load_model(factory)
        except ModelNotLoaded as error:
            log.error("the model could not be loaded", exc_info=error.__cause__)
            return JobResult.of(error)
        finally:
            finish_lines()
        return READY

    def _receive(self) -> Attempt:
        """Wait for a job.

        Raises:
            Closed: there are no more.
            EOFError: the other end of the channel is closed.
        """
        message = self._channel.receive()
        if "close" in message:
            raise Closed
        number, job = message["number"], Job(message["input"], message["output"])
        execution = Execution(self._model, job, self._spec, message["staging"])
        context = Context(*message["context"])
        begin_job(context)
        return Attempt(number, context, execution, self._table.add(number))

    def _answer(self, job: Attempt) -> None:
        """Send the result of a job; several threads may."""
        assert job.result
        finish_lines()
        end_job(job.context)
        self._send(job.number, job.batch_size, job.describe())
        job.clock.release()
        if job.result.condemns:
            # the next process runs the other jobs; this one is killed
            threading.Event().wait()

    def _call(self, function: Callable[..., JobResult], *args: Any) -> JobResult:
        """Return the result of a function, whatever it raises."""
        try:
            return function(*args)
        except BaseException as error:
            log.exception("the model raised %s", type(error).__name__)
            return failed(f"the model failed: {explain(error)}")

    def _send(self, number: int, batch_size: int, result: JobResult) -> None:
        message = dict(
            result._asdict(), number=number, batch_size=batch_size, pid=os.getpid()
        )
        with self._sending:
            self._channel.send(message)


if __name__ == "__main__":
    main()
