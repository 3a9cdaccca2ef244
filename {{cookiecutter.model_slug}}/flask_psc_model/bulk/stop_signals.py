"""Ctrl-C and SIGTERM: counted, for the main thread to act on when it can."""

import signal
from typing import Any, Dict

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """A context manager that counts the signals that ask this process to stop.

    Attributes:
        count: of the signals.
        exit_status: as a shell gives it for the last of them; 0 where there was none.
    """

    def __init__(self) -> None:
        self.count = 0
        self.exit_status = 0
        self._handlers: Dict[int, Any] = {}

    def __enter__(self) -> "Interruption":
        for number in SIGNALS:
            self._handlers[number] = signal.signal(number, self._count)
        return self

    def __exit__(self, *_: Any) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _count(self, number: int, _: Any) -> None:
        self.count += 1
        self.exit_status = 128 + number
