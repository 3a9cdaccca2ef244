"""Gunicorn's server hooks: they start, connect and stop the model processes.

See https://docs.gunicorn.org/en/stable/settings.html#server-hooks. A hook in the user's
`gunicorn.conf.py` runs after ours (see `put_first`).
"""

import logging
import os
import signal
import socket
import struct
from typing import Any, Callable, Dict

from ...model.loading import to_path
from ...model.spec import ModelSpec
from ...workers.devices import assign_devices, count_max_jobs, count_processes
from ...workers.pool import WorkerPool
from ...workers.prctl import die_with_parent
from ...workers.process import end_leftovers

#: Seconds that a client may pause in the middle of a request.
RECEIVE_TIMEOUT = 15


def post_fork(server: Any, worker: Any) -> None:
    """Tie the web process to Gunicorn's arbiter, and start the model processes."""
    die_with_parent(worker.ppid)
    end_leftovers(worker.ppid)
    # connections inherit this from their listener
    timeout = struct.pack("ll", RECEIVE_TIMEOUT, 0)
    for listener in worker.sockets:
        listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)
    environments = assign_devices(count_processes())
    threads = worker.cfg.threads
    worker.model_runner = WorkerPool(environments, count_max_jobs(), threads)
    worker.model_runner.start()
    _call_user_hook("post_fork", worker, server, worker)


def post_worker_init(worker: Any) -> None:
    """Set the model of the model processes, and connect the app to them."""
    # imported here: Flask loads while the model processes start
    from ..app import ModelApp

    app = worker.wsgi
    if not isinstance(app, ModelApp):
        raise TypeError(f"{app!r} was not made by create_app")
    factory = app.config["PSC_MODEL_FACTORY"]
    spec = ModelSpec.of_model(factory)
    runner = worker.model_runner
    runner.set_model(to_path(factory), spec)
    app.extensions["psc_model"] = runner
    stop = signal.getsignal(signal.SIGTERM)

    def stop_accepting_and_stop(number: int, frame: Any) -> None:
        runner.stop_accepting()
        if callable(stop):
            stop(number, frame)

    signal.signal(signal.SIGTERM, stop_accepting_and_stop)
    _call_user_hook("post_worker_init", worker, worker)


def worker_exit(server: Any, worker: Any) -> None:
    """Stop the model processes with the web process."""
    if worker.booted:
        worker.model_runner.drain()
    _call_user_hook("worker_exit", worker, server, worker)
    if worker.booted:
        logging.shutdown()
        # Python would wait for the threads of idle connections
        os._exit(0)


HOOKS: Dict[str, Callable[..., None]] = {
    "post_fork": post_fork,
    "post_worker_init": post_worker_init,
    "worker_exit": worker_exit,
}


def put_first(config: Any) -> None:
    """Replace the user's hooks with ours, which call them.

    Args:
        config: Gunicorn's; each reload makes a new one.
    """
    user_hooks = vars(config).setdefault("user_hooks", {})
    for name, hook in HOOKS.items():
        found = config.settings[name].get()
        if found is not hook:
            user_hooks[name] = found
            config.set(name, hook)


def _call_user_hook(name: str, worker: Any, *args: Any) -> None:
    hook = worker.cfg.user_hooks.get(name)
    if hook:
        hook(*args)
