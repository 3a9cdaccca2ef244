"""The jobs of a bulk run: one for every folder below the inputs."""

import os
from typing import Iterable, List, NamedTuple

from ..jobs.outputs import STAGING_PREFIX


class FolderJob(NamedTuple):
    """One job.

    Attributes:
        name: of its input folder and of its output folder.
        input_folder: absolute path of its input folder.
        output_folder: absolute path of its output folder, which need not exist.
    """

    name: str
    input_folder: str
    output_folder: str

    def is_done(self, filenames: Iterable[str]) -> bool:
        """Tell whether its result is there, and whole.

        A staging folder that is left there may mean that only a part of the files has
        been moved into place.

        Args:
            filenames: of the declared outputs.
        """
        try:
            found = os.listdir(self.output_folder)
        except OSError:
            return False
        return not any(name.startswith(STAGING_PREFIX) for name in found) and all(
            os.path.exists(os.path.join(self.output_folder, name)) for name in filenames
        )


def list_jobs(inputs: str, outputs: str) -> List[FolderJob]:
    """List the jobs, in the order of their names; hidden folders are none.

    Args:
        inputs: the folder of their input folders.
        outputs: the folder for their output folders.

    Raises:
        OSError: the inputs cannot be listed.
        ValueError: there is no job, or the outputs would be one.
    """
    inputs, outputs = os.path.abspath(inputs), os.path.abspath(outputs)
    if _join_end(outputs).startswith(_join_end(inputs)):
        raise ValueError(
            f"OUTPUTS {outputs} is in INPUTS {inputs}, where every folder is a job: name a folder"
            " outside of it"
        )
    with os.scandir(inputs) as entries:
        names = [
            entry.name
            for entry in entries
            if entry.is_dir() and not entry.name.startswith(".")
        ]
    if not names:
        raise ValueError(
            f"there is no folder in INPUTS {inputs}: give each job one, with its input"
            " files"
        )
    return [
        FolderJob(name, os.path.join(inputs, name), os.path.join(outputs, name))
        for name in sorted(names)
    ]


def _join_end(folder: str) -> str:
    return os.path.join(os.path.realpath(folder), "")
