"""A job that somebody tries from the page."""

import itertools
import mimetypes
import os
from contextlib import ExitStack
from typing import Iterator, List

from werkzeug.datastructures import FileStorage, MultiDict

from ...errors import InvalidJob
from ...jobs.job import Job
from ...model.cases import Case
from ...model.spec import ModelSpec
from .multipart import Part

#: More output files than these are not sent to the page.
MAX_OUTPUTS = 100


class Trial:
    """One job, whose files are in a folder that the caller makes and removes.

    Attributes:
        job: reads the inputs of the trial and writes its outputs.
    """

    def __init__(self, folder: str, spec: ModelSpec) -> None:
        """Make the folders of the job.

        Args:
            folder: an empty folder.
            spec: of the model.
        """
        self._spec = spec
        self._shown: List[str] = []
        self.job = Job(os.path.join(folder, "input"), os.path.join(folder, "output"))
        os.mkdir(self.job.input_folder)
        os.mkdir(self.job.output_folder)

    def take_uploads(self, files: "MultiDict[str, FileStorage]") -> None:
        """Take the inputs from files that were sent, each under the name of an input.

        The names that the files had on the sender's machine do not matter.

        Raises:
            InvalidJob: a file is for no input of the model.
        """
        for name, file in files.items():
            if name not in self._spec.inputs:
                raise InvalidJob(f"the model has no input {name!r}")
            file.save(self._find_place(name))

    def take_case(self, case: Case) -> None:
        """Take the inputs of a test case; what it leaves out is left out.

        Raises:
            InvalidJob: its inputs cannot be read.
        """
        try:
            inputs = case.read_inputs(list(self._spec.inputs))
        except (OSError, ValueError) as error:
            raise InvalidJob(f"the example cannot be read: {error}") from error
        for name, data in inputs.items():
            if data is not None:
                with open(self._find_place(name), "wb") as file:
                    file.write(data)
                self._shown.append(name)

    def shorten(self, message: str) -> str:
        """Leave the trial's own folders out of a message, which names of files suit."""
        for folder in (self.job.input_folder, self.job.output_folder):
            message = message.replace(folder + os.sep, "").replace(folder, "")
        return message

    def open_files(self, stack: ExitStack) -> List[Part]:
        """Open what the page shows: the inputs of a test case, and the outputs.

        Args:
            stack: closes the files; their folder may be gone by then.
        """
        inputs = {each.name: each.media_type for each in self._spec.inputs.values()}
        outputs = {each.name: each.media_type for each in self._spec.outputs.values()}
        found = sorted(_list_files(self.job.output_folder))
        # the declared outputs come first
        names = [name for name in outputs if name in found]
        names += [name for name in found if name not in outputs]
        parts = []
        for kind, folder, media_types, shown in (
            ("input", self.job.input_folder, inputs, self._shown),
            ("output", self.job.output_folder, outputs, names[:MAX_OUTPUTS]),
        ):
            for name in shown:
                file = stack.enter_context(open(os.path.join(folder, name), "rb"))
                media_type = media_types.get(name) or mimetypes.guess_type(name)[0]
                parts.append(Part(kind, name, media_type or "", file))
        parts += [Part("omitted", name, "", None) for name in names[MAX_OUTPUTS:]]
        return parts

    def _find_place(self, name: str) -> str:
        path = os.path.join(self.job.input_folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path


def _list_files(folder: str) -> Iterator[str]:
    """Return the paths of all files in a folder and below, relative to it."""
    return itertools.chain.from_iterable(
        (os.path.relpath(os.path.join(parent, name), folder) for name in names)
        for parent, _, names in os.walk(folder)
    )
