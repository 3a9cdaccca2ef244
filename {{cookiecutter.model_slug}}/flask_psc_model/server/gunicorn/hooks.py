"""Gunicorn's server hooks: the model gets processes of its own.

Their names and arguments are those of
https://docs.gunicorn.org/en/stable/settings.html#server-hooks. A hook that the user's
`gunicorn.conf.py` defines runs after ours: `put_first` sees to that.
"""

import logging
import os
import signal
import socket
import struct
from typing import Any, Callable, Dict

from ...model.loading import to_path
from ...model.spec import ModelSpec
from ...workers.devices import count_processes, deal_out_devices
from ...workers.lifeline import adopt_orphans, die_with_parent
from ...workers.process_runner import ProcessRunner

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
    _call_users_own(worker, "post_fork", server, worker)


def post_worker_init(worker: Any) -> None:
    """Tell the model processes which model it is, and the app where they are."""
    # Flask is imported beside the model processes that start, not before them
    from ..app import ModelApp

    app = worker.wsgi
    if not isinstance(app, ModelApp):
        raise TypeError(f"{app!r} was not made by create_app")
    factory = app.config["PSC_MODEL_FACTORY"]
    spec = ModelSpec.of_model(factory)
    runner = worker.model_runner
    runner.choose(to_path(factory), spec.path, spec.limits)
    app.extensions["psc_model"] = runner
    stop = signal.getsignal(signal.SIGTERM)

    def refuse_and_stop(number: int, frame: Any) -> None:
        runner.refuse()
        if callable(stop):
            stop(number, frame)

    signal.signal(signal.SIGTERM, refuse_and_stop)
    _call_users_own(worker, "post_worker_init", worker)


def worker_exit(server: Any, worker: Any) -> None:
    """End the model processes with the web process."""
    if not worker.booted:
        _call_users_own(worker, "worker_exit", server, worker)
        return
    worker.model_runner.finish()
    _call_users_own(worker, "worker_exit", server, worker)
    logging.shutdown()
    # Python would wait for the threads of idle connections
    os._exit(0)


HOOKS: Dict[str, Callable[..., None]] = {
    "post_fork": post_fork,
    "post_worker_init": post_worker_init,
    "worker_exit": worker_exit,
}


def put_first(config: Any) -> None:
    """Have each hook of the user's own called by ours, in whose place it stands.

    Args:
        config: of Gunicorn; each reload makes a new one.
    """
    own = vars(config).setdefault("users_own_hooks", {})
    for name, hook in HOOKS.items():
        found = config.settings[name].get()
        if found is not hook:
            own[name] = found
            config.set(name, hook)


def _call_users_own(worker: Any, name: str, *args: Any) -> None:
    hook = worker.cfg.users_own_hooks.get(name)
    if hook:
        hook(*args)
