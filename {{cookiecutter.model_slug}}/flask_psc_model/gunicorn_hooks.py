"""What Gunicorn calls on the way: the model gets processes of its own.

`gunicorn.conf.py` imports these; their names and arguments are Gunicorn's server
hooks.
"""

import logging
import os
import signal
import socket
import struct
from typing import Any

from .devices import deal_out_devices
from .lifeline import adopt_orphans, die_with_parent
from .limits import Limits, find_model_metadata
from .loading import to_path
from .process_runner import ProcessRunner

#: Seconds that a client may send nothing in the middle of a request.
RECEIVE_TIMEOUT = 15


def post_fork(server: Any, worker: Any) -> None:
    """Tie the web process to Gunicorn's arbiter, and start the model processes."""
    die_with_parent(worker.ppid)
    adopt_orphans()
    # a connection takes this over from the listener that accepts it
    timeout = struct.pack("ll", RECEIVE_TIMEOUT, 0)
    for listener in worker.sockets:
        listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)
    worker.model_runner = ProcessRunner(deal_out_devices(count_processes()))
    worker.model_runner.start()


def post_worker_init(worker: Any) -> None:
    """Tell the model processes which model it is, and the app where they are."""
    # Flask is imported beside the model processes that start, not before them
    from .app import ModelApp

    app = worker.wsgi
    if not isinstance(app, ModelApp):
        raise TypeError("{!r} was not made by create_app".format(app))
    factory = app.config["PSC_MODEL_FACTORY"]
    metadata = find_model_metadata(factory)
    limits = Limits.load(metadata) if metadata else Limits.default()
    runner = worker.model_runner
    runner.choose(to_path(factory), metadata, limits)
    app.extensions["psc_model"] = runner
    stop = signal.getsignal(signal.SIGTERM)

    def refuse_and_stop(number: int, frame: Any) -> None:
        runner.refuse()
        if callable(stop):
            stop(number, frame)

    signal.signal(signal.SIGTERM, refuse_and_stop)


def worker_exit(server: Any, worker: Any) -> None:
    """End the model processes with the web process."""
    if not worker.booted:
        return
    worker.model_runner.finish()
    logging.shutdown()
    # Python would wait for the threads of idle connections
    os._exit(0)


def count_processes() -> int:
    """Return the number of model processes, `PSC_MODEL_PROCESSES`; 1 by default.

    Raises:
        ValueError: it is not a number above zero.
    """
    text = os.environ.get("PSC_MODEL_PROCESSES") or "1"
    if not text.isdigit() or int(text) < 1:
        raise ValueError(
            "PSC_MODEL_PROCESSES is {!r}: set it to a number above zero".format(text)
        )
    return int(text)
