"""A job that is run from the page."""

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

#: The page gets only this many output files.
MAX_OUTPUTS = 100


class PageJob:
    """A job whose files are in a folder that the caller creates and removes.

    Attributes:
        job: for the runner.
    """

    def __init__(self, folder: str, spec: ModelSpec) -> None:
        """Create the folders of the job.

        Args:
            folder: an empty folder.
            spec: of the model.
        """
        self._spec = spec
        self._shown: List[str] = []
        self.job = Job(os.path.join(folder, "input"), os.path.join(folder, "output"))
        os.mkdir(self.job.input_folder)
        os.mkdir(self.job.output_folder)

    def add_uploads(self, files: "MultiDict[str, FileStorage]") -> None:
        """Save uploaded files as inputs, each under the name of its form field.

        Raises:
            InvalidJob: the model has no input of that name.
        """
        for name, file in files.items():
            if name not in self._spec.inputs:
                raise InvalidJob(f"the model has no input {name!r}")
            file.save(self._make_path(name))

    def add_case(self, case: Case) -> None:
        """Copy the inputs of a test case, which may lack some on purpose.

        Raises:
            InvalidJob: the inputs cannot be read.
        """
        try:
            inputs = case.read_inputs(list(self._spec.inputs))
        except (OSError, ValueError) as error:
            raise InvalidJob(f"the example cannot be read: {error}") from error
        for name, data in inputs.items():
            if data is not None:
                with open(self._make_path(name), "wb") as file:
                    file.write(data)
                self._shown.append(name)

    def shorten(self, message: str) -> str:
        """Return a message with file names in place of paths in the job's folders."""
        for folder in (self.job.input_folder, self.job.output_folder):
            message = message.replace(folder + os.sep, "").replace(folder, "")
        return message

    def open_files(self, stack: ExitStack) -> List[Part]:
        """Open the files that the page shows: a test case's inputs, and the outputs.

        Args:
            stack: closes the files, possibly after their folder is removed.
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

    def _make_path(self, name: str) -> str:
        path = os.path.join(self.job.input_folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path


def _list_files(folder: str) -> Iterator[str]:
    """Return the paths of all files in a folder and below, relative to it."""
    return itertools.chain.from_iterable(
        (os.path.relpath(os.path.join(parent, name), folder) for name in names)
        for parent, _, names in os.walk(folder)
    )
