"""The log: one line per event on standard error, as text or JSON.

Every line has the id of its request. No line waits for the reader of standard error, see
`log_output`.
"""

import datetime
import json
import logging
import logging.config
import os
import re
import sys
import threading
import uuid
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from .log_output import LineStream, LineWriter
from .settings import read_choice

#: Values of `PSC_LOG_LEVEL`.
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

#: Writes the log of this process.
WRITER = LineWriter(2)

_COLOR = re.compile("\x1b\\[[0-9;]*m")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_VALID_ID = re.compile(r"[!-~]{1,128}")
#: See https://www.w3.org/TR/trace-context/#traceparent-header.
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class Context(NamedTuple):
    """What the lines of one request have in common.

    Attributes:
        request_id: of the request, or a dash.
        traceparent: of the trace that it belongs to, or nothing.
    """

    request_id: str = "-"
    traceparent: str = ""


NO_CONTEXT = Context()

_current = threading.local()
#: Of the jobs that this process has begun, for threads without a context of their own.
_jobs: List[Context] = []


def set_request_id(request_id: Optional[str] = None, traceparent: str = "") -> str:
    """Set and return the id of this thread's current request.

    Args:
        request_id: the client's; a missing one, or one that could break a log line, is
            replaced by a new one.
        traceparent: the client's; one that is not valid is left out.
    """
    if not request_id or not _VALID_ID.fullmatch(request_id):
        request_id = uuid.uuid4().hex
    if not _TRACEPARENT.fullmatch(traceparent):
        traceparent = ""
    _current.context = Context(request_id, traceparent)
    return request_id


def set_context(context: Context) -> None:
    """Set the context of this thread."""
    _current.context = context


def get_context() -> Context:
    """Return the context of this thread, or that of the only job of this process."""
    context = getattr(_current, "context", None)
    if isinstance(context, Context):
        return context
    jobs = _jobs[:2]
    return jobs[0] if len(jobs) == 1 else NO_CONTEXT


def begin_job(context: Context) -> None:
    """Let threads without a context log with that of a job, while it is the only one."""
    _jobs.append(context)


def end_job(context: Context) -> None:
    """Undo `begin_job`."""
    _jobs.remove(context)


class TextFormatter(logging.Formatter):
    """Formats a record as a line of text; a traceback follows on indented lines."""

    def format(self, record: logging.LogRecord) -> str:
        """Format one record."""
        head = f"{_timestamp(record)} {record.levelname:<7}"
        lines = [f"{head} {_find_context(record).request_id} {_message(record)}"]
        lines += self.format_traceback(record)
        return "\n  ".join(map(_escape, lines))

    def format_traceback(self, record: logging.LogRecord) -> List[str]:
        """Return the lines of a record's traceback, none where it has none."""
        # the name is that of the standard library's formatter
        text = record.exc_text
        if record.exc_info and not text:
            text = self.formatException(record.exc_info)
        return text.split("\n") if text else []


class JsonFormatter(TextFormatter):
    """Formats a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Format one record."""
        context = _find_context(record)
        entry: Dict[str, Any] = {
            "time": _timestamp(record),
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "request_id": context.request_id,
        }
        if context.traceparent:
            entry["traceparent"] = context.traceparent
        entry["message"] = _message(record)
        entry.update(getattr(record, "fields", {}))
        traceback = self.format_traceback(record)
        if traceback:
            entry["traceback"] = "\n".join(traceback)
        return json.dumps(entry)


FORMATTERS = {"text": TextFormatter, "json": JsonFormatter}


class LineHandler(logging.Handler):
    """Hands each record, formatted, to what writes the log."""

    def __init__(self, put: Optional[Callable[[bytes], None]] = None) -> None:
        """Set where the log goes; by default to `WRITER`."""
        super().__init__()
        self._put = put or WRITER.put

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            line = self.format(record) + "\n"
            self._put(line.encode("utf-8", "backslashreplace"))
        except Exception:
            self.handleError(record)

    def flush(self) -> None:
        """Write the last lines at the end of the process."""
        WRITER.flush()


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


def make_logging_config(
    put: Optional[Callable[[bytes], None]] = None,
) -> Dict[str, Any]:
    """Return the configuration for `logging.config.dictConfig`.

    `PSC_LOG_FORMAT` is `text`, the default, or `json`; `PSC_LOG_LEVEL` is one of
    `LEVELS`, and `INFO` by default.

    Args:
        put: accepts the lines; by default they go to `WRITER`.

    Raises:
        ValueError: a variable has another value.
    """
    level = read_choice("PSC_LOG_LEVEL", LEVELS, "INFO")
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": FORMATTERS[_find_format()]}},
        "filters": {
            "slow_client": {"()": SlowClientFilter},
            "request_line": {"()": RequestLineFilter},
        },
        "handlers": {
            "stderr": {
                "()": LineHandler,
                "put": put,
                "formatter": "line",
                "filters": ["slow_client"],
            }
        },
        "root": {"level": level, "handlers": ["stderr"]},
        "loggers": {
            "werkzeug": {"filters": ["request_line"]},
            "gunicorn.error": {
                "level": level,
                "handlers": ["stderr"],
                "propagate": False,
            },
        },
    }


def _find_format() -> str:
    """Return the name of the format; see `make_logging_config`."""
    return read_choice("PSC_LOG_FORMAT", tuple(FORMATTERS), "text")


def is_json() -> bool:
    """Return whether the lines of the log are JSON.

    Raises:
        ValueError: `PSC_LOG_FORMAT` is wrong.
    """
    return _find_format() == "json"


def configure_logging(put: Optional[Callable[[bytes], None]] = None) -> None:
    """Log this process's events, and its warnings, to standard error.

    Args:
        put: accepts the lines; by default they go to `WRITER`.

    Raises:
        ValueError: a variable is wrong, see `make_logging_config`.
    """
    logging.config.dictConfig(make_logging_config(put))
    logging.captureWarnings(True)


def capture_json() -> None:
    """Make what this process prints lines of the log, where those are JSON."""
    if is_json():
        capture_streams(WRITER.put)


def capture_streams(put: Callable[[bytes], None]) -> None:
    """Make what this process prints lines of the log.

    Args:
        put: accepts the lines.
    """
    for fd, name in ((1, "stdout"), (2, "stderr")):
        printed = PrintedLines(name, put, get_context)
        setattr(sys, name, LineStream(f"<{name}>", fd, printed.put))
    sys.excepthook = _log_uncaught
    # the threads of Python 3.6 and 3.7 have no such hook: they print
    vars(threading)["excepthook"] = _log_uncaught_in_thread


def finish_lines() -> None:
    """Write what this thread has printed without the end of its line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, LineStream):
            stream.finish()


def _log_uncaught(_: Any, error: BaseException, __: Any) -> None:
    logging.getLogger("stderr").critical("uncaught exception", exc_info=error)


def _log_uncaught_in_thread(args: Any) -> None:
    if args.exc_type is not SystemExit:
        name = args.thread.name if args.thread else "of an interpreter"
        log = logging.getLogger("stderr")
        log.error("the thread %s failed", name, exc_info=args.exc_value)


class PrintedLines:
    """Formats what is printed as the log is formatted.

    Attributes:
        pid: of the process that prints; 0 for this one.
    """

    def __init__(
        self,
        name: str,
        put: Callable[[bytes], None],
        find_context: Callable[[], Context],
    ) -> None:
        """Set where the lines come from and go.

        Args:
            name: of the logger that the lines show.
            put: accepts the formatted lines.
            find_context: returns their context.
        """
        self.pid = 0
        self._name = name
        self._put = put
        self._find_context = find_context
        self._formatter = FORMATTERS[_find_format()]()

    def put(self, lines: List[str]) -> None:
        """Write one record: a line, or those of a traceback or a dump of stacks."""
        is_one = len(lines) == 1
        message = lines[0] if is_one else lines[0].rstrip(":")
        if "Traceback (most" in "".join(lines[:5]):
            # it ends in the exception
            message = next(each for each in lines[::-1] if each[:1] != " ")
        record = logging.makeLogRecord(
            {
                "name": self._name,
                "levelno": logging.INFO if is_one else logging.ERROR,
                "levelname": "INFO" if is_one else "ERROR",
                "process": self.pid or os.getpid(),
                "msg": message,
                "context": self._find_context(),
                "exc_text": None if is_one else "\n".join(lines),
            }
        )
        line = self._formatter.format(record) + "\n"
        self._put(line.encode("utf-8", "backslashreplace"))


def _find_context(record: logging.LogRecord) -> Context:
    context = getattr(record, "context", None)
    return context if isinstance(context, Context) else get_context()


def _message(record: logging.LogRecord) -> str:
    """Return a record's message without colors, on one line where it can be."""
    return _COLOR.sub("", record.getMessage()).rstrip("\n")


def _escape(text: str) -> str:
    """Return a text on one line, without control characters."""
    return _CONTROL.sub(lambda found: ascii(found.group())[1:-1], text)


def _timestamp(record: logging.LogRecord) -> str:
    time = datetime.datetime.fromtimestamp(record.created, datetime.timezone.utc)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
