"""The model as every comparison server hosts it."""

import os
import threading
from typing import Any

from model_lib.model import ColorNamePredictorModel

#: The answer to a job that succeeded: the response object of the container specification.
DONE: dict[str, Any] = {"statusCode": 200, "status": "OK", "message": "the outputs are written"}

#: The answer of `/status`.
READY: dict[str, Any] = {"statusCode": 200, "status": "OK", "message": "the model is ready"}


class HostedModel:
    """The model and the names of its files.

    Attributes:
        input_filenames: names of the files that a job reads.
        output_filenames: names of the files that a job writes.
    """

    def __init__(self) -> None:
        self._model = ColorNamePredictorModel()
        self.input_filenames = _as_list(self._model.input_filenames)
        self.output_filenames = _as_list(self._model.output_filenames)
        # A model need not be safe for threads, so jobs run one after another everywhere.
        self._running = threading.Lock()

    def run(self, input_folder: str, output_folder: str) -> None:
        """Run one job.

        Args:
            input_folder: path of the folder with the input files.
            output_folder: path of the folder for the output files.
        """
        inputs = [os.path.join(input_folder, name) for name in self.input_filenames]
        outputs = [os.path.join(output_folder, name) for name in self.output_filenames]
        with self._running:
            self._model.run(*inputs, *outputs)


def _as_list(names: Any) -> list[str]:
    return [names] if isinstance(names, str) else list(names)
