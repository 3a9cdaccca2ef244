"""The interface between a model and the server."""

from abc import ABC, abstractmethod
from typing import Any, List, Type, Union

INTERFACE = (
    "input_filenames",
    "output_filenames",
    "run",
    "validation_exception_class",
    "io_exception_class",
)


class ModelBase(ABC):
    """What the server calls: derive your model from this class.

    Load weights in `__init__`, which is called once without arguments, and do one
    job in `run`. A class that has all five attributes of `ModelBase` counts as a
    subclass even where it does not inherit from it.
    """

    @property
    @abstractmethod
    def input_filenames(self) -> Union[str, List[str]]:
        """The name of the input file, or the list of the names of several."""

    @property
    @abstractmethod
    def output_filenames(self) -> Union[str, List[str]]:
        """The name of the output file, or the list of the names of several."""

    @abstractmethod
    def run(self, *paths: Any) -> None:
        """Read the input files and write the output files of one job.

        Args:
            paths: absolute paths as `str`, first of the input files in the order
                of `input_filenames`, then of the output files in the order of
                `output_filenames`.

        Raises:
            validation_exception_class: the input cannot be processed; the message
                is answered with status 422 and should say what a valid input is.
            io_exception_class: an input cannot be read or an output not written;
                answered with status 400 when its `filename` is one of `paths`.
            Exception: anything else is answered with status 500.
        """

    @property
    def validation_exception_class(self) -> Type[Exception]:
        """The exception by which `run` refuses an input."""
        return ValueError

    @property
    def io_exception_class(self) -> Type[Exception]:
        """The exception by which `run` tells of an unreadable or unwritable file."""
        return OSError

    @classmethod
    def __subclasshook__(cls, subclass: type) -> Any:
        if cls is ModelBase and all(hasattr(subclass, name) for name in INTERFACE):
            return True
        return NotImplemented
