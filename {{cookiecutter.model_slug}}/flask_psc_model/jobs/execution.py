"""Running a model on one job, in whichever process the model lives."""

import logging
import os
import re
import stat
from typing import Any, Callable, List, Optional, Sequence

from ..errors import (
    DONE,
    ApiError,
    InvalidInput,
    InvalidJob,
    ModelFailed,
    get_message,
)
from ..model.loading import as_list, call_model, describe, explain
from ..model.spec import FileSpec, ModelSpec
from .job import Job
from .outputs import Staging
from .result import JobResult, failed

#: An input with so many bytes more than twice its `maxSize` is not even read.
MARGIN = 1024 * 1024

#: Errors after which CUDA, cuDNN and cuBLAS work no more in a process; out of memory is
#: none of them. See "Error Handling" in the CUDA Runtime API's documentation.
_CONDEMNING = re.compile(
    r"CUDA (driver )?error|CUDA_ERROR_|cudaError|CUDNN_STATUS_|cuDNN error"
    r"|CUBLAS_STATUS_|device-side assert"
)
_OUT_OF_MEMORY = re.compile(
    r"out of memory|OUT_OF_MEMORY|ALLOC_FAILED|ResourceExhausted"
)

log = logging.getLogger(__name__)


class Execution:
    """One job on its way through a model, up to its staged outputs.

    A step raises an `ApiError` that says what is wrong with the job, or whatever else
    goes wrong; `explain` returns the result of either.
    """

    def __init__(self, model: Any, job: Job, spec: ModelSpec, staging: str) -> None:
        """Choose the job, without touching its folders.

        Args:
            model: to run.
            job: to run it on.
            spec: of the model.
            staging: name of the staging folder to make.
        """
        self.model = model
        self._job = job
        self._spec = spec
        self._staging_name = staging
        self._inputs: List[str] = []
        self._outputs: List[str] = []
        self._staging: Optional[Staging] = None
        self._excess: List[str] = []

    def run(self) -> JobResult:
        """Run a model that does all in one step."""
        self._open()
        self._call(self.model.run, *self._inputs + self._outputs)
        return self._close()

    def preprocess(self) -> Any:
        """Return what `predict` of a batch model needs of this job."""
        self._open()
        return self._call(self.model.preprocess, *self._inputs)

    def postprocess(self, result: Any) -> JobResult:
        """Have a batch model write what `predict` returned for this job."""
        self._call(self.model.postprocess, result, *self._outputs)
        return self._close()

    def explain(self, error: BaseException) -> JobResult:
        """Return the result of the job after an error of a step.

        The message is in the result, the traceback in the log.
        """
        if isinstance(error, ModelFailed):
            cause = error.__cause__ or error
            log.error("the job failed", exc_info=cause)
            return JobResult.of(error)._replace(condemns=condemns(cause))
        if isinstance(error, ApiError):
            return JobResult.of(error)
        log.error("the job failed", exc_info=error)
        return failed(f"unexpected error: {describe(error)}")

    def blame(self, error: BaseException) -> ApiError:
        """Return the failure of this job that an error of the model stands for."""
        failure = self._translate(error)
        if self._staging:
            # the client knows its own output folder, not where the model wrote
            for path in (os.path.realpath(self._staging.path), self._staging.path):
                failure.message = failure.message.replace(path, self._job.output_folder)
        failure.__cause__ = error
        return failure

    def _open(self) -> None:
        """Find the inputs, and make the staging folder."""
        names = as_list(self.model.input_filenames)
        self._inputs = self._job.find_inputs(names)
        self._excess = [
            _check_size("inputs", self._spec.inputs.get(name), path)
            for name, path in zip(names, self._inputs)
        ]
        names = as_list(self.model.output_filenames)
        self._staging = Staging(self._job.output_folder, self._staging_name, names)
        self._outputs = self._staging.output_paths

    def _call(self, function: Callable[..., Any], *args: Any) -> Any:
        try:
            return call_model(function, *args)
        except BaseException as error:
            raise self.blame(error) from error

    def _close(self) -> JobResult:
        """Check what the model was given and what it wrote."""
        assert self._staging
        # only now: a model may have a check of its own, with a better message
        for problem in filter(None, self._excess):
            raise InvalidInput(problem)
        staged = self._staging.settle()
        for name, path in zip(as_list(self.model.output_filenames), self._outputs):
            problem = _check_size("outputs", self._spec.outputs.get(name), path)
            if problem:
                log.warning("the output %s", problem)
        return JobResult(DONE, f"the outputs are in {self._job.output_folder}", staged)

    def _translate(self, error: BaseException) -> ApiError:
        model = self.model
        if isinstance(error, model.validation_exception_class):
            return InvalidInput(get_message(error) or "the model refused the input")
        if isinstance(error, model.io_exception_class):
            if _is_about(error, self._inputs + self._outputs):
                return InvalidJob(describe(error))
        return ModelFailed(f"the model failed: {explain(error)}")


def condemns(error: BaseException) -> bool:
    """Return whether a process can run no other job after an error of the model."""
    text = describe(error)
    return bool(_CONDEMNING.search(text)) and not _OUT_OF_MEMORY.search(text)


def _is_about(error: BaseException, paths: Sequence[str]) -> bool:
    named = (getattr(error, "filename", None), getattr(error, "filename2", None))
    wanted = {os.path.realpath(path) for path in paths}
    return any(
        os.path.realpath(name) in wanted
        for name in named
        if isinstance(name, (str, os.PathLike))
    )


def _check_size(kind: str, file: Optional[FileSpec], path: str) -> str:
    """Return what is wrong with the size of a file; nothing where all is well.

    Raises:
        InvalidInput: the model should not even read it.
    """
    if file is None or file.max_size is None:
        return ""
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode) or status.st_size <= file.max_size:
        return ""
    problem = (
        f"{file.name} has {status.st_size} bytes, and model.yaml allows at most"
        f" {file.max_size} ({kind}.{file.name}.maxSize)"
    )
    if kind == "inputs" and status.st_size > 2 * file.max_size + MARGIN:
        raise InvalidInput(problem)
    return problem
