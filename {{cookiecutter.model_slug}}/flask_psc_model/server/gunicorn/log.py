"""Gunicorn's logger: it captures what is printed, and has no unused access log."""

import logging
from typing import Any

from gunicorn.glogging import Logger

from ...logs import capture_json


class GunicornLog(Logger):  # type: ignore[misc]
    """Skips the access log unless `accesslog` is set.

    Given `logconfig_dict`, Gunicorn formats a line for each request even where there is
    no access log. Our own log has a line for each request.
    """

    def setup(self, cfg: Any) -> None:
        """Configure the log, in the arbiter and again at a reload."""
        # before: a handler of the access log keeps the stream that it finds
        capture_json()
        super().setup(cfg)
        logging.captureWarnings(True)

    def access(self, *args: Any) -> None:
        """Log a request, if there is an access log."""
        if self.cfg.accesslog:
            super().access(*args)
