"""Gunicorn's logger, without an unused access log."""

from typing import Any

from gunicorn.glogging import Logger


class GunicornLog(Logger):  # type: ignore[misc]
    """Skips the access log unless `accesslog` is set.

    Given `logconfig_dict`, Gunicorn formats a line for each request even where there is
    no access log. Our own log has a line for each request.
    """

    def access(self, *args: Any) -> None:
        """Log a request, if there is an access log."""
        if self.cfg.accesslog:
            super().access(*args)
