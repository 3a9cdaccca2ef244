"""Gunicorn's settings for the comparison servers.

They are those of the rendered repository, handed over by the benchmark, so that only the app differs.
"""

import json
import os

globals().update(json.loads(os.environ["BENCH_GUNICORN_SETTINGS"]))

accesslog = None
errorlog = "-"
control_socket_disable = True
