"""The interface of a model."""

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
    """The base class of a model.

    `__init__` loads the weights; it is called once, without arguments. `run` runs one
    job. A method `close` without arguments, if there is one, is called at an orderly end
    of the process, and has 10 seconds; after a crash or a time limit it is not. A class
    with all five attributes of `ModelBase` counts as a subclass even if it does not
    inherit from it.
    """

    @property
    @abstractmethod
    def input_filenames(self) -> Union[str, List[str]]:
        """The name of the input file, or a list of names."""

    @property
    @abstractmethod
    def output_filenames(self) -> Union[str, List[str]]:
        """The name of the output file, or a list of names."""

    @abstractmethod
    def run(self, *paths: Any) -> None:
        """Read the input files and write the output files of one job.

        It is a plain function, neither async nor a generator, with one parameter for
        each file, or with `*paths`. Otherwise the model is not loaded.

        Args:
            paths: absolute paths as `str`: the input files in the order of
                `input_filenames`, then the output files in the order of
                `output_filenames`.

        Raises:
            validation_exception_class: an input is invalid: status 422. The message
                should say what a valid input is.
            io_exception_class: a file cannot be read or written: status 400 if the
                exception's `filename` is one of `paths`, otherwise 500.
            Exception: any other failure: status 500.
        """

    @property
    def validation_exception_class(self) -> Type[Exception]:
        """The exception that `run` raises for an invalid input."""
        return ValueError

    @property
    def io_exception_class(self) -> Type[Exception]:
        """The exception that `run` raises for an unreadable or unwritable file."""
        return OSError

    @classmethod
    def __subclasshook__(cls, subclass: type) -> Any:
        if cls is ModelBase and all(hasattr(subclass, name) for name in INTERFACE):
            return True
        return NotImplemented
