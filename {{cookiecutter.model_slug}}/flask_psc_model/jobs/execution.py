"""Running a model on one job, in whichever process the model lives."""

import logging
import os
import re
import stat
from typing import Any, Optional, Sequence

from ..errors import DONE, ApiError, InvalidInput, InvalidJob, ModelFailed
from ..model.loading import as_list, call_model, describe
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


def run_job(model: Any, job: Job, spec: ModelSpec, staging_name: str) -> JobResult:
    """Run a model on a job, up to its staged outputs.

    A failure's message is in the result, its traceback in the log.

    Raises:
        KeyboardInterrupt: somebody stopped this process.
    """
    try:
        return _run(model, job, spec, staging_name)
    except ModelFailed as error:
        cause = error.__cause__ or error
        log.error("the job failed", exc_info=cause)
        return JobResult.of(error)._replace(condemns=_condemns(cause))
    except ApiError as error:
        return JobResult.of(error)
    except Exception as error:
        log.exception("the job failed")
        return failed(f"unexpected error: {describe(error)}")


def _run(model: Any, job: Job, spec: ModelSpec, staging_name: str) -> JobResult:
    input_names = as_list(model.input_filenames)
    output_names = as_list(model.output_filenames)
    inputs = job.find_inputs(input_names)
    excess = [
        _check_size("inputs", spec.inputs.get(name), path)
        for name, path in zip(input_names, inputs)
    ]
    staging = Staging(job.output_folder, staging_name, output_names)
    try:
        call_model(model.run, *inputs + staging.output_paths)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        failure = _translate(error, model, inputs + staging.output_paths)
        # the client knows its own output folder, not where the model wrote
        for path in (os.path.realpath(staging.path), staging.path):
            failure.message = failure.message.replace(path, job.output_folder)
        raise failure from error
    # only now: a model may have a check of its own, with a better message
    for problem in filter(None, excess):
        raise InvalidInput(problem)
    staged = staging.settle()
    for name, path in zip(output_names, staging.output_paths):
        problem = _check_size("outputs", spec.outputs.get(name), path)
        if problem:
            log.warning("the output %s", problem)
    return JobResult(DONE, f"the outputs are in {job.output_folder}", staged)


def _translate(error: BaseException, model: Any, paths: Sequence[str]) -> ApiError:
    if isinstance(error, model.validation_exception_class):
        return InvalidInput(str(error).strip() or "the model refused the input")
    if isinstance(error, model.io_exception_class) and _is_about(error, paths):
        return InvalidJob(describe(error))
    return ModelFailed(f"the model failed: {describe(error)}")


def _condemns(error: BaseException) -> bool:
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
