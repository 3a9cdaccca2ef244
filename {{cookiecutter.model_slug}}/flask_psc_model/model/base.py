"""The interfaces of a model: for one job at a time, and for batches of jobs."""

from abc import ABC, abstractmethod
from typing import Any, List, Type, Union

INTERFACE = (
    "input_filenames",
    "output_filenames",
    "run",
    "validation_exception_class",
    "io_exception_class",
)

#: The methods of a batch model, in the order in which a job passes through them.
STEPS = ("preprocess", "predict", "postprocess")


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


class BatchModelBase(ModelBase):
    """The base class of a model that computes many jobs at once.

    A job passes through three steps. The server runs `preprocess` and `postprocess` of
    several jobs at once, in threads, and `predict` of one batch at a time, on the main
    thread. All three may run more than once for a job. A class with all three methods
    counts as a subclass even if it does not inherit from it; one that derives from
    `ModelBase` does not, since its `run` already says how it runs.

    Attributes:
        max_batch_size: the largest number of jobs in a batch.
        max_batch_delay: seconds to wait for more jobs while a batch is not full; 0
            computes whatever is ready.
    """

    max_batch_size: int = 32
    max_batch_delay: float = 0.0

    @abstractmethod
    def preprocess(self, *input_paths: Any) -> Any:
        """Read and check the input files of one job; it must be safe for threads.

        Args:
            input_paths: absolute paths as `str`, in the order of `input_filenames`.

        Returns:
            What `predict` needs of this job.

        Raises:
            Exception: as for `run`; it fails this job only.
        """

    @abstractmethod
    def predict(self, batch: List[Any]) -> Any:
        """Compute a batch of jobs.

        Args:
            batch: what `preprocess` returned for each job, at least one.

        Returns:
            A list, or another sequence, of one result per job, in the same order.

        Raises:
            Exception: any failure. The server runs the batch again in halves, so that
                it fails only the job that causes it.
        """

    @abstractmethod
    def postprocess(self, result: Any, *output_paths: Any) -> None:
        """Write the output files of one job; it must be safe for threads.

        Args:
            result: of this job, from `predict`.
            output_paths: absolute paths as `str`, in the order of `output_filenames`.

        Raises:
            Exception: as for `run`; it fails this job only.
        """

    def run(self, *paths: Any) -> None:
        """Run one job alone: its three steps, one after the other.

        Raises:
            WrongResults: `predict` does not return one result.
            Exception: what a step raises.
        """
        names = self.input_filenames
        count = 1 if isinstance(names, str) else len(names)
        prepared = self.preprocess(*paths[:count])
        (result,) = predict_batch(self, [prepared])
        self.postprocess(result, *paths[count:])

    @classmethod
    def __subclasshook__(cls, subclass: type) -> Any:
        names = INTERFACE[:2] + STEPS
        if (
            cls is BatchModelBase
            and ModelBase not in subclass.__mro__
            and all(hasattr(subclass, name) for name in names)
        ):
            return True
        return NotImplemented


class WrongResults(TypeError):
    """`predict` of a batch model did not return one result per job."""


def predict_batch(model: Any, batch: List[Any]) -> List[Any]:
    """Return what `predict` of a batch model returns for a batch, as a list.

    Raises:
        WrongResults: that is not one result per job.
        Exception: what `predict` raises.
    """
    results = model.predict(batch)
    if isinstance(results, (str, bytes, dict)) or not hasattr(results, "__iter__"):
        got = f"an object of type {type(results).__name__}"
    else:
        results = list(results)
        if len(results) == len(batch):
            return results
        got = f"{len(results)} result{'' if len(results) == 1 else 's'}"
    raise WrongResults(
        f"predict() returned {got} for a batch of {len(batch)}: return a list with one"
        " result per job, in the order of the batch"
    )
