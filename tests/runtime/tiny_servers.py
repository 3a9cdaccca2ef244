"""A small server that is not ours: the one in the folder `tiny`."""

import contextlib
import os
import subprocess
import sys

TINY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tiny")


@contextlib.contextmanager
def serve_tiny(fault=""):
    """Run the server on this machine.

    Args:
        fault: one that `tiny/server.py` knows; none by default.

    Returns:
        A context manager of its URL.
    """
    from flask_psc_model.testing.live_server import find_free_port

    port = find_free_port()
    process = subprocess.Popen(
        [sys.executable, os.path.join(TINY, "server.py")],
        env=dict(
            os.environ,
            FAULT=fault,
            PSC_MODEL_HOST="127.0.0.1",
            PSC_MODEL_PORT=str(port),
        ),
        stdout=subprocess.PIPE,
    )
    try:
        # the line that says that it listens
        assert process.stdout.readline()
        yield "http://127.0.0.1:{}".format(port)
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
