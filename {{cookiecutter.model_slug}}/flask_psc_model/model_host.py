"""The program of a model process: load the model, then run jobs one by one.

The web process starts it as `python -m flask_psc_model.model_host`, with the ends of
two pipes. Model code runs on the main thread.
"""

import argparse
import os
import sys

from .channel import Channel
from .errors import ApiError
from .execution import answer_job
from .job import Job
from .lifeline import die_with_parent
from .limits import Limits
from .loading import load_model
from .logs import configure_logging, set_request_id


def main() -> None:
    """Serve jobs until the web process closes its end of the pipe."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--read-fd", type=int, required=True)
    parser.add_argument("--write-fd", type=int, required=True)
    parser.add_argument("--metadata", default="")
    parser.add_argument("factory")
    options = parser.parse_args()

    die_with_parent(options.parent)
    for fd in (options.read_fd, options.write_fd):
        os.set_inheritable(fd, False)
    configure_logging()
    serve(
        Channel(options.read_fd, options.write_fd),
        options.factory,
        Limits.load(options.metadata) if options.metadata else Limits.default(),
    )


def serve(channel: Channel, factory: str, limits: Limits) -> None:
    """Load the model and answer the jobs that come through a channel.

    Args:
        channel: brings jobs, and takes the answer to the loading and to each job.
        factory: dotted path of the model's factory.
        limits: of `model.yaml`.
    """
    try:
        model = load_model(factory)
    except ApiError as error:
        channel.send([error.status_code, error.message])
        sys.exit(1)
    channel.send([200, "the model is ready"])
    while True:
        try:
            input_folder, output_folder, request_id = channel.receive()
        except EOFError:
            return
        set_request_id(request_id)
        answer = answer_job(model, Job(input_folder, output_folder), limits)
        sys.stdout.flush()
        channel.send(answer)


if __name__ == "__main__":
    main()
