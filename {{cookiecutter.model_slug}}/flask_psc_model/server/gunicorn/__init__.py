"""Gunicorn's settings for a model, all of them from one function.

A repository's `gunicorn.conf.py` calls `settings`; its own settings below the call take
precedence. A hook of its own runs after the server's hook of that name (see `hooks`).
"""

import os
import sys
from typing import Any, Dict

from ...logs import make_logging_config
from ...model.loading import CLOSE_SECONDS
from ...model.spec import ModelSpec
from ...workers.devices import count_max_jobs, count_processes, limit_threads
from ..tempdir import find_tempdir
from .threads import count_connections, count_threads, raise_descriptor_limit

#: Seconds that an idle connection stays open for its client's next request.
KEEPALIVE = 75

#: Seconds after which a hanging web process is killed. Long jobs do not count: the
#: model has a process of its own.
HEARTBEAT_TIMEOUT = 30

#: Seconds that a shutdown may take beyond the time limit of the running job and the
#: `close` of the model.
SHUTDOWN_MARGIN = 5


def settings(path: str) -> Dict[str, Any]:
    """Return Gunicorn's settings and hooks for the repository of a configuration file.

    Sets `TMPDIR` for this process and those it starts, since a container's root file
    system may be read-only. An invalid setting ends the process with a message.

    Args:
        path: the configuration file, its `__file__`; `model.yaml` is beside it or in a
            folder above.

    Returns:
        Values by name, see https://docs.gunicorn.org/en/stable/settings.html.
    """
    # hooks need Linux, but unittest imports this package on any system
    from . import hooks

    try:
        limits = ModelSpec.load(path).limits
        logging_config = make_logging_config()
        tempdir = find_tempdir()
        processes = count_processes()
        count_max_jobs()
        threads = count_threads(processes, limits.cpus)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    os.environ["TMPDIR"] = tempdir
    # the model processes inherit them
    os.environ.update(limit_threads(limits.cpus, processes))
    host = os.environ.get("PSC_MODEL_HOST") or "0.0.0.0"
    port = os.environ.get("PSC_MODEL_PORT") or "8080"
    return dict(
        hooks.HOOKS,
        bind=f"{host}:{port}",
        workers=1,
        worker_class="flask_psc_model.server.gunicorn.worker.WebWorker",
        logger_class="flask_psc_model.server.gunicorn.log.GunicornLog",
        threads=threads,
        worker_connections=count_connections(threads, raise_descriptor_limit()),
        keepalive=KEEPALIVE,
        timeout=HEARTBEAT_TIMEOUT,
        graceful_timeout=int(limits.run_timeout) + CLOSE_SECONDS + SHUTDOWN_MARGIN,
        logconfig_dict=logging_config,
        worker_tmp_dir=tempdir,
        control_socket_disable=True,
    )
