"""Gunicorn's server hooks: they start, connect and stop the model processes.

See https://docs.gunicorn.org/en/stable/settings.html#server-hooks. A hook in the user's
`gunicorn.conf.py` runs after ours (see `put_first`).
"""

import logging
import os
import signal
import socket
import struct
import threading
import time
from typing import Any, Callable, Dict, List

from ...model.loading import CLOSE_SECONDS, to_path
from ...model.spec import ModelSpec
from ...procfs import find_start, is_alive
from ...workers.devices import assign_devices, count_max_jobs, count_processes
from ...workers.pool import WorkerPool
from ...workers.prctl import die_with_parent
from ...workers.process import end_leftovers
from .front import RECEIVE_SECONDS
from .threads import MAX_THREADS, count_threads

#: Seconds between two looks at whether a web process has ended.
POLL_SECONDS = 0.1

#: Seconds of the shutdown that are left for the last responses.
ANSWER_SECONDS = 2

log = logging.getLogger(__name__)


def post_fork(server: Any, worker: Any) -> None:
    """Tie the web process to Gunicorn's arbiter, and start the model processes."""
    die_with_parent(worker.ppid)
    end_leftovers(worker.ppid)
    # connections inherit this from their listener
    limit = struct.pack("ll", RECEIVE_SECONDS, 0)
    for listener in worker.sockets:
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            listener.sock.setsockopt(socket.SOL_SOCKET, option, limit)
    environments = assign_devices(count_processes())
    runner = WorkerPool(environments, count_max_jobs(), worker.cfg.threads)
    timeout = worker.cfg.graceful_timeout
    # a timeout of the user's own may be short
    runner.grace = max(timeout - CLOSE_SECONDS - ANSWER_SECONDS, timeout / 2)
    worker.model_runner = runner
    # during a reload the web processes to be replaced, whose models hold the GPU
    last = worker.age - server.num_workers
    old = [pid for pid, each in server.WORKERS.items() if each.age <= last]
    if old:
        threading.Thread(target=_start_after, args=(runner, old), daemon=True).start()
    else:
        runner.start()
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
    threads = count_threads(count_processes(), spec.limits.cpus)
    if threads < MAX_THREADS:
        log.warning(
            "a limit of processes leaves room for %d threads, not %d: fewer jobs may wait",
            threads,
            MAX_THREADS,
        )
    app.extensions["psc_model"] = runner
    stop = signal.getsignal(signal.SIGTERM)

    def stop_accepting_and_stop(number: int, frame: Any) -> None:
        runner.stop_accepting()
        if callable(stop):
            stop(number, frame)

    signal.signal(signal.SIGTERM, stop_accepting_and_stop)
    _call_user_hook("post_worker_init", worker, worker)


def _start_after(runner: WorkerPool, old: List[int]) -> None:
    """Start the model processes when other web processes have ended."""
    starts = {pid: find_start(pid) for pid in old}
    while any(is_alive(pid, start) for pid, start in starts.items()):
        if runner.stopping:
            break
        time.sleep(POLL_SECONDS)
    runner.start()


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
