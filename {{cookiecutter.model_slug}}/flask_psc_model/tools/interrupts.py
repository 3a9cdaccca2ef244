"""Signals that end a command: they wait until the command can clean up.

A signal that raises anywhere may hit between the start of a container and the line that
remembers it. So the handlers only note the signal; it raises where the main thread waits
and every resource has its owner: in `interruptible`. Later signals change nothing, so
that they cannot end the cleanup.
"""

import signal
import sys
import threading
from typing import Any, Optional

from ..client import Client, Response

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Interrupts:
    """The signal that has come, and whether it may raise now.

    Attributes:
        number: of the first signal.
        is_raised: whether it has ended the command already.
        is_open: whether the main thread waits.
    """

    def __init__(self) -> None:
        self.number: Optional[int] = None
        self.is_raised = False
        self.is_open = False

    def handle(self, number: int, _: Any) -> None:
        """Note a signal, and end the command if it waits."""
        self.number = self.number or number
        if self.is_open:
            self.end()

    def end(self) -> None:
        """End the command if a signal has come, once.

        Raises:
            KeyboardInterrupt: it was SIGINT.
            SystemExit: it was another one; the exit status is that of a shell.
        """
        if self.number is None or self.is_raised:
            return
        self.is_raised = True
        if self.number == signal.SIGINT:
            raise KeyboardInterrupt
        sys.exit(128 + self.number)


_interrupts = _Interrupts()


class interruptible:
    """A context manager for a wait that SIGINT, SIGTERM and SIGHUP end."""

    def __enter__(self) -> None:
        self._is_main = threading.current_thread() is threading.main_thread()
        if self._is_main:
            _interrupts.is_open = True
            _interrupts.end()

    def __exit__(self, *_: Any) -> None:
        if self._is_main:
            _interrupts.is_open = False


class InterruptibleClient(Client):
    """A client whose waits end at a signal."""

    def _send(self, *args: Any, **options: Any) -> Response:
        with interruptible():
            return super()._send(*args, **options)


def end_on_signals() -> None:
    """Let signals end the command where it waits, by `SystemExit` or Ctrl-C's exception.

    A signal that is ignored stays so: `nohup` ignores SIGHUP.
    """
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupts.handle)
