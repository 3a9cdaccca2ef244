"""Ctrl-C and SIGTERM: counted, for the main thread to poll."""

import signal
from typing import Any, Dict

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """A context manager that counts signals to stop this process.

    Attributes:
        count: of the signals.
        exit_status: that of a shell for the last signal, 0 without one.
    """

    def __init__(self) -> None:
        self.count = 0
        self.exit_status = 0
        self._handlers: Dict[int, Any] = {}

    def __enter__(self) -> "StopSignals":
        for number in SIGNALS:
            self._handlers[number] = signal.signal(number, self._count)
        return self

    def __exit__(self, *_: Any) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _count(self, number: int, _: Any) -> None:
        self.count += 1
        self.exit_status = 128 + number
