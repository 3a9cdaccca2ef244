"""The runner: it owns the model, and runs one job at a time."""

import threading
from typing import Any

from .execution import execute
from .job import Job
from .loading import ModelFactory, load_model


class Runner:
    """Runs the model in the process at hand.

    Attributes:
        factory: makes the model; called once, when the model is first needed.
    """

    def __init__(self, factory: ModelFactory) -> None:
        self.factory = factory
        self._model: Any = None
        self._loading = threading.Lock()
        self._running = threading.Lock()

    def load(self) -> None:
        """Load the model unless it is loaded; a failed load is tried again next time.

        Raises:
            ModelNotLoaded: the model could not be loaded.
        """
        with self._loading:
            if self._model is None:
                self._model = load_model(self.factory)

    def run(self, job: Job) -> None:
        """Run one job, after those that came before it.

        Raises:
            ApiError: what is wrong with the job, its input or the model.
        """
        self.load()
        with self._running:
            execute(self._model, job)

    def finish(self) -> None:
        """Wait for the running job, and let no other one start."""
        self._running.acquire()
