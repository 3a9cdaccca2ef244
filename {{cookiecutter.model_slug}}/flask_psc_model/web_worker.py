"""Gunicorn's thread worker, without a wait that would hold up every client."""

from typing import Any

from gunicorn.workers.gthread import ThreadWorker


class WebWorker(ThreadWorker):  # type: ignore[misc]
    """Closes each connection on the thread that answered it.

    Gunicorn from 26 on waits up to 2 s for the client to close its end too, and does
    so on the one thread that accepts connections (`gunicorn.util.close_graceful`).
    """

    def handle(self, conn: Any) -> Any:
        """Handle a request, and close its connection if that is not kept alive."""
        keep = super().handle(conn)
        if keep is False:
            conn.close(graceful=True)
            conn.close = _do_nothing
        return keep


def _do_nothing(graceful: bool = False) -> None:
    """Stand in for the closing of a connection that is closed."""
