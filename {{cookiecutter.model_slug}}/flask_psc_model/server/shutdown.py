"""Stops the server that runs the app, with exit code 0."""

import os
import signal
import threading
import time
from typing import Any

from flask import Flask, Response, after_this_request, current_app, request

from ..workers.runner import Runner

#: Seconds for the last responses to reach their clients.
LAST_RESPONSES = 0.3


class DevelopmentStop:
    """Stops the development server on SIGTERM, after the running job.

    Flask handles SIGINT by itself, but shells start background processes with SIGINT
    ignored.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._finished = False

    def handle_signal(self, number: int, frame: Any) -> None:
        """Start to stop; the SIGTERM of `_finish` then ends the server's loop."""
        if self._finished:
            raise KeyboardInterrupt
        self.start()

    def start(self) -> None:
        """Stop the server in the background."""
        threading.Thread(target=self._finish, daemon=True).start()

    def _finish(self) -> None:
        self._runner.drain()
        time.sleep(LAST_RESPONSES)
        self._finished = True
        os.kill(os.getpid(), signal.SIGTERM)


def prepare_development_stop(app: Flask) -> None:
    """Make SIGTERM and `POST /shutdown` stop the development server.

    Does nothing outside the main thread, the only one that can handle signals.
    """
    if threading.current_thread() is threading.main_thread():
        stop = DevelopmentStop(app.extensions["psc_model"])
        app.extensions["psc_stop"] = stop
        signal.signal(signal.SIGTERM, stop.handle_signal)


def stop_server() -> None:
    """Stop Gunicorn or the development server.

    Only Gunicorn's arbiter gets the signal, not its process group; it lets running
    requests finish and exits with code 0.
    """
    if request.environ.get("SERVER_SOFTWARE", "").startswith("gunicorn"):
        # no job starts after this response, however late the signal arrives
        current_app.extensions["psc_model"].stop_accepting()
        os.kill(os.getppid(), signal.SIGTERM)
        return
    stop = current_app.extensions.get("psc_stop")

    def stop_when_answered(response: Response) -> Response:
        if stop is None:
            response.call_on_close(lambda: os.kill(os.getpid(), signal.SIGTERM))
        else:
            response.call_on_close(stop.start)
        return response

    after_this_request(stop_when_answered)
