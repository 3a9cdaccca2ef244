"""Gunicorn's settings; see https://docs.gunicorn.org/en/stable/settings.html."""

import os
import sys

from flask_psc_model.gunicorn_hooks import (  # noqa: F401
    count_processes,
    post_fork,
    post_worker_init,
    worker_exit,
)
from flask_psc_model.limits import Limits
from flask_psc_model.logs import make_logging_config
from flask_psc_model.temporary import find_writable_folder

# A wrong setting stops the server here, with one line.
try:
    limits = Limits.load(__file__)
    logconfig_dict = make_logging_config()
    worker_tmp_dir = find_writable_folder()
    count_processes()
except (OSError, ValueError) as error:
    sys.exit("error: {}".format(error))

# The address of the container specification: the port comes from the platform.
bind = "{}:{}".format(
    os.environ.get("PSC_MODEL_HOST") or "0.0.0.0",
    os.environ.get("PSC_MODEL_PORT") or "8080",
)

# One web process, whose threads answer; flask_psc_model.gunicorn_hooks gives the
# model a process of its own.
workers = 1
worker_class = "flask_psc_model.web_worker.WebWorker"
logger_class = "flask_psc_model.gunicorn_log.GunicornLog"
threads = 256
keepalive = 75

# A thread worker is stopped only when it hangs as a whole, not when a run is long.
timeout = 30

# On shutdown the running job may finish.
graceful_timeout = int(limits.run_timeout) + 5

# A container's root file system may be read-only: temporary files, Gunicorn's
# heartbeat among them, go where they can.
os.environ["TMPDIR"] = worker_tmp_dir

# The control socket of newer versions stays off.
control_socket_disable = True
