"""The program of a model process: load the model, then run jobs one by one.

A supervisor starts it as `python -m flask_psc_model.workers.main`, with the ends of two
pipes and a table. Model code runs on the main thread.
"""

import contextlib
import faulthandler
import logging
import os
import signal
import sys
from typing import Any, Callable

from ..errors import ModelNotLoaded
from ..jobs.execution import run_job
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
from ..model.loading import close_model, describe, load_model
from ..model.spec import ModelSpec
from .channel import Message, ModelChannel
from .output import FrameWriter
from .prctl import die_with_parent
from .table import JobTable

log = logging.getLogger(__name__)


def main() -> None:
    """Serve jobs until the other process closes its end of the pipe."""
    parent, read_fd, write_fd, table_fd, rows = map(int, sys.argv[1:])
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
        Server(channel, JobTable(table_fd, rows)).serve()


class Server:
    """Loads a model and runs the jobs that come through a channel."""

    def __init__(self, channel: ModelChannel, table: JobTable) -> None:
        self._channel = channel
        self._table = table
        self._model: Any = None
        self._spec = ModelSpec()

    def serve(self) -> None:
        """Load the model, and do what the messages say until it is closed.

        Raises:
            EOFError: the other end of the channel is closed.
        """
        message = self._channel.receive()
        result = self._call(self._load, *message["load"])
        self._send(0, result)
        while result.ok:
            message = self._channel.receive()
            if "close" in message:
                close_model(self._model)
                finish_lines()
                # threads that the model left running would hold up an exit
                os._exit(0)
            self._send(message["number"], self._call(self._run, message))

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

    def _run(self, message: Message) -> JobResult:
        context = Context(*message["context"])
        begin_job(context)
        try:
            self._table.start(message["row"], message["number"])
            job = Job(message["input"], message["output"])
            return run_job(self._model, job, self._spec, message["staging"])
        finally:
            finish_lines()
            end_job(context)

    def _call(self, function: Callable[..., JobResult], *args: Any) -> JobResult:
        """Return the result of a function, whatever it raises."""
        try:
            return function(*args)
        except BaseException as error:
            log.exception("the model raised %s", type(error).__name__)
            return failed(f"the model failed: {describe(error)}")

    def _send(self, number: int, result: JobResult) -> None:
        message = dict(result._asdict(), number=number, pid=os.getpid())
        self._channel.send(message)


if __name__ == "__main__":
    main()
