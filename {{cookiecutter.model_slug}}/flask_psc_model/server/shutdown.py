"""Stopping the server that the app runs under, with exit code 0."""

import os
import signal
import threading
import time
from typing import Any

from flask import Flask, Response, after_this_request, current_app, request

from ..workers.runner import Runner

#: Seconds for the last answers to reach their clients.
LAST_ANSWERS = 0.3


class DevelopmentStop:
    """Stops the development server on SIGTERM, after the running job.

    SIGINT would do without it, but a shell starts its background processes with
    SIGINT ignored.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._finished = False

    def handle_signal(self, number: int, frame: Any) -> None:
        """Finish on the first SIGTERM; end the server's loop on that of `_finish`."""
        if self._finished:
            raise KeyboardInterrupt
        self.start()

    def start(self) -> None:
        """Stop the server, without waiting for it."""
        threading.Thread(target=self._finish, daemon=True).start()

    def _finish(self) -> None:
        self._runner.finish()
        time.sleep(LAST_ANSWERS)
        self._finished = True
        os.kill(os.getpid(), signal.SIGTERM)


def prepare_development_stop(app: Flask) -> None:
    """Make SIGTERM and `POST /shutdown` stop the development server.

    Only the main thread can set this up; from another one nothing happens.
    """
    if threading.current_thread() is threading.main_thread():
        stop = DevelopmentStop(app.extensions["psc_model"])
        app.extensions["psc_stop"] = stop
        signal.signal(signal.SIGTERM, stop.handle_signal)


def stop_server() -> None:
    """Stop Gunicorn, or else the development server.

    Gunicorn's arbiter is asked by its own process id, so that no other process of
    the group is told; it lets requests in flight finish and exits with code 0.
    """
    if request.environ.get("SERVER_SOFTWARE", "").startswith("gunicorn"):
        # whoever has the answer can rely on it, however late the signal comes
        current_app.extensions["psc_model"].refuse()
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
