"""The program of a model process: load the model, then run jobs one by one.

The web process starts it as `python -m flask_psc_model.workers.model_host`, with the ends of
two pipes. Model code runs on the main thread.
"""

import argparse
import logging
import os
from contextlib import suppress

from ..errors import ModelNotLoaded
from ..jobs.execution import answer_job
from ..jobs.job import Job
from ..jobs.outcome import READY, Outcome
from ..logs import configure_logging, set_request_id
from ..model.loading import load_model
from ..model.spec import ModelSpec
from .channel import Channel
from .lifeline import die_with_parent

log = logging.getLogger(__name__)


def main() -> None:
    """Serve jobs until the web process closes its end of the pipe."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--read-fd", type=int, required=True)
    parser.add_argument("--write-fd", type=int, required=True)
    options = parser.parse_args()

    die_with_parent(options.parent)
    for fd in (options.read_fd, options.write_fd):
        os.set_inheritable(fd, False)
    configure_logging()
    with suppress(EOFError):
        serve(Channel(options.read_fd, options.write_fd))


def serve(channel: Channel) -> None:
    """Load the model and answer the jobs that come through a channel.

    Args:
        channel: brings the path of the model's factory with that of `model.yaml`, then
            jobs; takes the outcome of the loading and of each job.

    Raises:
        EOFError: the other end of the channel is closed.
    """
    factory, metadata = channel.receive()
    spec = ModelSpec.load(metadata) if metadata else ModelSpec()
    try:
        model = load_model(factory)
    except ModelNotLoaded as error:
        log.error("the model could not be loaded", exc_info=error.__cause__)
        channel.send(Outcome.of(error))
        return
    channel.send(READY)
    while True:
        input_folder, output_folder, request_id = channel.receive()
        set_request_id(request_id)
        channel.send(answer_job(model, Job(input_folder, output_folder), spec))


if __name__ == "__main__":
    main()
