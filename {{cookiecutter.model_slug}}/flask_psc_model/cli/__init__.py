"""The commands, a module each; `python -m flask_psc_model` lists them.

The image's health check imports this package every time: it imports little.
"""

import signal
import sys

from ..errors import exit_with_error

__all__ = ["exit_on_signals", "exit_with_error"]


def exit_on_signals() -> None:
    """Let SIGTERM and SIGHUP end the process by `SystemExit`, which cleans up."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        # nohup ignores SIGHUP
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda number, frame: sys.exit(128 + number))
