"""Gunicorn's settings for a model, all of them from one function.

A repository's `gunicorn.conf.py` calls `settings`; its own settings below the call take
precedence. A hook of its own runs after the server's hook of that name (see `hooks`).
"""

import logging
import os
from typing import Any, Dict

from ...errors import exit_with_error
from ...logs import make_logging_config
from ...model.loading import CLOSE_SECONDS
from ...model.spec import ModelSpec
from ...settings import (
    check_server_settings,
    join_address,
    read_host,
    read_port,
    read_processes,
)
from ...workers.devices import limit_threads
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


#: What `settings` returned, by path: a reload may find a file that is wrong.
_returned: Dict[str, Dict[str, Any]] = {}

# not `log`, a module of this package
_logger = logging.getLogger(__name__)


def settings(path: str) -> Dict[str, Any]:
    """Return Gunicorn's settings and hooks for the repository of a configuration file.

    Sets `TMPDIR` for this process and those it starts, since a container's root file
    system may be read-only. An invalid setting ends the process with a message; at a
    reload the settings stay as they are.

    Args:
        path: the configuration file, its `__file__`; `model.yaml` is beside it or in a
            folder above.

    Returns:
        Values by name, see https://docs.gunicorn.org/en/stable/settings.html.
    """
    try:
        _returned[path] = _read_settings(path)
    except (OSError, ValueError) as error:
        if path not in _returned:
            exit_with_error(error)
        _logger.error(
            "%s; the server keeps its settings: correct it, and reload", error
        )
    return dict(_returned[path])


def _read_settings(path: str) -> Dict[str, Any]:
    # hooks need Linux, but unittest imports this package on any system
    from . import hooks

    check_server_settings()
    logging_config = make_logging_config()
    tempdir = find_tempdir()
    limits = ModelSpec.reload(path).limits
    threads = count_threads(read_processes(), limits.cpus)
    os.environ["TMPDIR"] = tempdir
    # the model processes inherit them
    os.environ.update(limit_threads(limits.cpus, read_processes()))
    return dict(
        hooks.HOOKS,
        bind=join_address(read_host("0.0.0.0"), read_port()),
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
