"""The log: one line per event on standard error, as text or JSON.

Every line has the id of its request.
"""

import datetime
import json
import logging
import logging.config
import re
import threading
import uuid
from typing import Any, Dict, Optional

from .settings import read_choice

_COLOR = re.compile("\x1b\\[[0-9;]*m")
_VALID_ID = re.compile(r"[!-~]{1,128}")
_current = threading.local()


def set_request_id(request_id: Optional[str] = None) -> str:
    """Set and return the id of this thread's current request.

    Args:
        request_id: the client's; a missing one, or one that could break a log line, is
            replaced by a new one.
    """
    if not request_id or not _VALID_ID.fullmatch(request_id):
        request_id = uuid.uuid4().hex
    _current.request_id = request_id
    return request_id


def get_request_id() -> str:
    """Return the id of this thread's current request, or a dash."""
    return getattr(_current, "request_id", "-")


class TextFormatter(logging.Formatter):
    """Formats a record as a line of text; a traceback follows on its own lines."""

    def format(self, record: logging.LogRecord) -> str:
        """Format one record."""
        message = _message(record).replace("\n", "\\n")
        head = f"{_timestamp(record)} {record.levelname:<7} {get_request_id()}"
        line = f"{head} {message}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Format one record."""
        entry: Dict[str, Any] = {
            "time": _timestamp(record),
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "request_id": get_request_id(),
            "message": _message(record),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry)


class SlowClientFilter(logging.Filter):
    """Replaces Gunicorn's traceback for a client that stopped sending by one line."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return True: every record passes."""
        if record.exc_info and isinstance(record.exc_info[1], BlockingIOError):
            record.msg, record.args = "a client stopped sending: connection closed", ()
            record.exc_info = None
        return True


class RequestLineFilter(logging.Filter):
    """Drops Werkzeug's line for each request, which repeats our own."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is another one."""
        return " - - [" not in str(record.msg)


def make_logging_config() -> Dict[str, Any]:
    """Return the configuration for `logging.config.dictConfig`.

    `PSC_LOG_FORMAT` is `text`, the default, or `json`.

    Raises:
        ValueError: `PSC_LOG_FORMAT` is neither.
    """
    formatters = {"text": TextFormatter, "json": JsonFormatter}
    name = read_choice("PSC_LOG_FORMAT", tuple(formatters), "text")
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": formatters[name]}},
        "filters": {
            "slow_client": {"()": SlowClientFilter},
            "request_line": {"()": RequestLineFilter},
        },
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "line",
                "filters": ["slow_client"],
            }
        },
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {
            "flask_psc_model": {"level": "INFO"},
            "werkzeug": {"level": "INFO", "filters": ["request_line"]},
            "gunicorn.error": {
                "level": "INFO",
                "handlers": ["stderr"],
                "propagate": False,
            },
        },
    }


def configure_logging() -> None:
    """Log this process's events to standard error.

    Raises:
        ValueError: `PSC_LOG_FORMAT` is wrong.
    """
    logging.config.dictConfig(make_logging_config())


def _message(record: logging.LogRecord) -> str:
    """Return a record's message without Werkzeug's colours."""
    return _COLOR.sub("", record.getMessage())


def _timestamp(record: logging.LogRecord) -> str:
    time = datetime.datetime.fromtimestamp(record.created, datetime.timezone.utc)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
