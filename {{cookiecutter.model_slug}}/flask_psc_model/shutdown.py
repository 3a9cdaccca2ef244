"""Stopping the server that the app runs under, with exit code 0."""

import os
import signal
import threading

from flask import Response, after_this_request, current_app, request


def stop_server() -> None:
    """Stop Gunicorn, or else the development server.

    Gunicorn's arbiter is asked by its own process id, so that no other process of
    the group is told; it lets requests in flight finish and exits with code 0.
    """
    if request.environ.get("SERVER_SOFTWARE", "").startswith("gunicorn"):
        os.kill(os.getppid(), signal.SIGTERM)
    else:
        _stop_development_server()


def _stop_development_server() -> None:
    runner = current_app.extensions["psc_model"]

    def stop() -> None:
        runner.finish()
        os.kill(os.getpid(), signal.SIGINT)

    def stop_when_answered(response: Response) -> Response:
        response.call_on_close(threading.Thread(target=stop, daemon=True).start)
        return response

    after_this_request(stop_when_answered)
