"""Gunicorn's log, without the access log unless it is wanted."""

from typing import Any

from gunicorn.glogging import Logger


class GunicornLog(Logger):  # type: ignore[misc]
    """Gunicorn's own logger, which spends no time on what nobody asked for.

    With a logging configuration it prepares a line of the access log for each request,
    even where no file is set for it. Our own log has a line for each request.
    """

    def access(self, *args: Any) -> None:
        """Log a request, if there is an access log."""
        if self.cfg.accesslog:
            super().access(*args)
