"""The log of a container, as far as it has not been shown yet."""

from typing import Optional

from ..container import Container, EngineError

LINES = 20


class LogTail:
    """Reads the newest lines of a container's log, each of them once."""

    def __init__(self, container: Optional[Container]) -> None:
        """Choose the container; None has no log."""
        self._container = container
        self._shown = 0

    def read_new(self) -> str:
        """Return what is new since the last time: the last `LINES` lines of it."""
        if self._container is None:
            return ""
        try:
            log = self._container.read_log()
        except EngineError:
            return ""  # one that could not be made has no log
        new = log[self._shown :]
        self._shown = len(log)
        return "\n".join(new.splitlines()[-LINES:])
