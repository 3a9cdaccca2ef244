"""Gunicorn's settings; see https://docs.gunicorn.org/en/stable/settings.html."""

import os
import sys

from flask_psc_model.limits import Limits
from flask_psc_model.temporary import find_writable_folder

try:
    limits = Limits.load(__file__)
except (OSError, ValueError) as error:
    sys.exit("error: {}".format(error))

# The address of the container specification: the port comes from the platform.
bind = "{}:{}".format(
    os.environ.get("PSC_MODEL_HOST") or "0.0.0.0",
    os.environ.get("PSC_MODEL_PORT") or "8080",
)

# One process that holds the model; threads so that /status answers during a run.
workers = 1
worker_class = "gthread"
threads = 128
keepalive = 75

# A thread worker is stopped only when it hangs as a whole, not when a run is long.
timeout = 30

# On shutdown the running job may finish.
graceful_timeout = int(limits.run_timeout) + 5

# A container's root file system may be read-only: temporary files, Gunicorn's
# heartbeat among them, go where they can.
worker_tmp_dir = find_writable_folder()
os.environ["TMPDIR"] = worker_tmp_dir

# Log lines go to standard error; the control socket of newer versions stays off.
accesslog = None
errorlog = "-"
control_socket_disable = True
