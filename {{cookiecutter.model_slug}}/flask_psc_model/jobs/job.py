"""One inference job: which files it reads and where it writes."""

import os
from typing import List, Sequence

from ..errors import InvalidJob


class Job:
    """The folders of a job.

    Attributes:
        input_folder: absolute path of the folder that holds the input files.
        output_folder: absolute path of the folder for the output files.
    """

    def __init__(self, input_folder: str, output_folder: str) -> None:
        self.input_folder = os.path.abspath(input_folder)
        self.output_folder = os.path.abspath(output_folder)

    def find_inputs(self, filenames: Sequence[str]) -> List[str]:
        """Return the paths of the input files, after checking that they can be read.

        Raises:
            InvalidJob: the folder or a file is missing or cannot be read.
        """
        paths = [os.path.join(self.input_folder, name) for name in filenames]
        if paths and all(os.access(path, os.R_OK) for path in paths):
            return paths
        if not os.path.lexists(self.input_folder):
            raise InvalidJob(
                f"the input folder {self.input_folder} does not exist; if the server runs"
                " in a container, mount the folder there and give its path inside the"
                " container"
            )
        if not os.path.isdir(self.input_folder):
            raise InvalidJob(f"the input folder {self.input_folder} is not a folder")
        for path in paths:
            if not os.path.exists(path):
                raise InvalidJob(f"the input file {path} does not exist")
            if not os.access(path, os.R_OK):
                raise InvalidJob(f"the input file {path} cannot be read")
        return paths
