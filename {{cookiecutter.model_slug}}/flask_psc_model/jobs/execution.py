"""Running a model on one job, in whichever process the model lives."""

import logging
import os
import stat
from typing import Any, List, Optional

from ..errors import DONE, FAILED, ApiError, InvalidInput, InvalidJob, ModelFailed
from ..model.loading import as_list, describe
from ..model.spec import FileSpec, ModelSpec
from .job import Job
from .outcome import Outcome
from .outputs import Outputs

log = logging.getLogger(__name__)


def answer_job(model: Any, job: Job, spec: ModelSpec) -> Outcome:
    """Run the model on a job and say what came of it.

    A failure's message is in the outcome, its traceback in the log.
    """
    try:
        execute(model, job, spec)
    except ApiError as error:
        if error.kind == FAILED:
            log.error("the job failed", exc_info=error.__cause__ or error)
        return Outcome.of(error)
    except Exception as error:
        log.exception("the job failed")
        return Outcome(FAILED, f"unexpected error: {describe(error)}")
    return Outcome(DONE, f"the outputs are in {job.output_folder}")


def execute(model: Any, job: Job, spec: ModelSpec) -> None:
    """Check the inputs, run the model and publish its outputs.

    Raises:
        InvalidJob: a file cannot be found, read or written.
        InvalidInput: the model refused the input, or the input is larger than
            `model.yaml` allows.
        ModelFailed: the model broke, or left an output unwritten.
    """
    input_names = as_list(model.input_filenames)
    inputs = job.find_inputs(input_names)
    output_names = as_list(model.output_filenames)
    with Outputs(job.output_folder, output_names) as outputs:
        try:
            model.run(*inputs + outputs.paths)
        except (Exception, SystemExit) as error:
            failure = _translate(error, model, inputs + outputs.paths)
            # the client knows its own output folder, not where the model wrote
            failure.message = failure.message.replace(
                outputs.staging_folder, outputs.folder
            )
            raise failure from error
        # only now: a model may have a check of its own, with a better message
        for name, path in zip(input_names, inputs):
            excess = _find_excess(path, spec.inputs.get(name))
            if excess:
                raise InvalidInput(f"{name} has {excess} (inputs.{name}.maxSize)")
        outputs.publish()
    for name in output_names:
        path = os.path.join(job.output_folder, name)
        excess = _find_excess(path, spec.outputs.get(name))
        if excess:
            log.warning("the output %s has %s (outputs.%s.maxSize)", name, excess, name)


def _translate(error: BaseException, model: Any, paths: List[str]) -> ApiError:
    if isinstance(error, model.validation_exception_class):
        return InvalidInput(str(error).strip() or "the model refused the input")
    if isinstance(error, model.io_exception_class) and _is_about(error, paths):
        return InvalidJob(describe(error))
    return ModelFailed(f"the model failed: {describe(error)}")


def _is_about(error: BaseException, paths: List[str]) -> bool:
    named = (getattr(error, "filename", None), getattr(error, "filename2", None))
    wanted = {os.path.realpath(path) for path in paths}
    return any(
        os.path.realpath(name) in wanted
        for name in named
        if isinstance(name, (str, os.PathLike))
    )


def _find_excess(path: str, file: Optional[FileSpec]) -> str:
    """Return the size of a file and its limit, if it is larger than that."""
    if file is None or file.max_size is None:
        return ""
    try:
        status = os.stat(path)
    except OSError:
        return ""
    if not stat.S_ISREG(status.st_mode) or status.st_size <= file.max_size:
        return ""
    return f"{status.st_size} bytes, and model.yaml allows at most {file.max_size}"
