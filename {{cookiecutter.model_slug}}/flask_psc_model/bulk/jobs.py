"""The jobs of a bulk run: one for each folder in INPUTS."""

import os
from typing import Iterable, List, NamedTuple

from ..jobs.outputs import RESERVED_PREFIX


class FolderJob(NamedTuple):
    """One job.

    Attributes:
        name: of its input folder and its output folder.
        input_folder: absolute path.
        output_folder: absolute path; the folder may not exist yet.
    """

    name: str
    input_folder: str
    output_folder: str

    def is_done(self, filenames: Iterable[str]) -> bool:
        """Return whether its result is complete.

        A staging folder left behind may mean that only some files have been moved into
        place.

        Args:
            filenames: of the declared outputs.
        """
        try:
            found = os.listdir(self.output_folder)
        except OSError:
            return False
        return not any(name.startswith(RESERVED_PREFIX) for name in found) and all(
            os.path.exists(os.path.join(self.output_folder, name)) for name in filenames
        )


def list_jobs(inputs: str, outputs: str) -> List[FolderJob]:
    """List the jobs by name; hidden folders are skipped.

    Args:
        inputs: holds the input folders.
        outputs: holds the output folders.

    Raises:
        OSError: the inputs cannot be listed.
        ValueError: there is no job, or the outputs are inside the inputs.
    """
    inputs, outputs = os.path.abspath(inputs), os.path.abspath(outputs)
    if _end_with_slash(outputs).startswith(_end_with_slash(inputs)):
        raise ValueError(
            f"OUTPUTS {outputs} is in INPUTS {inputs}, where every folder is a job:"
            " choose a folder outside it"
        )
    with os.scandir(inputs) as entries:
        names = [
            entry.name
            for entry in entries
            if entry.is_dir() and not entry.name.startswith(".")
        ]
    if not names:
        raise ValueError(
            f"there is no folder in INPUTS {inputs}: create one for each job, with its"
            " input files"
        )
    return [
        FolderJob(name, os.path.join(inputs, name), os.path.join(outputs, name))
        for name in sorted(names)
    ]


def _end_with_slash(folder: str) -> str:
    return os.path.join(os.path.realpath(folder), "")
