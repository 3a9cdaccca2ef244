"""Running a model on one job, in whichever process the model lives."""

import os
from typing import Any, List

from .errors import ApiError, InvalidInput, InvalidJob, ModelFailed
from .job import Job
from .loading import as_list, describe
from .outputs import Outputs


def execute(model: Any, job: Job) -> None:
    """Check the inputs, run the model and publish its outputs.

    Raises:
        InvalidJob: a file cannot be found, read or written.
        InvalidInput: the model refused the input.
        ModelFailed: the model broke, or left an output unwritten.
    """
    inputs = job.find_inputs(as_list(model.input_filenames))
    with Outputs(job.output_folder, as_list(model.output_filenames)) as outputs:
        try:
            model.run(*inputs + outputs.paths)
        except (Exception, SystemExit) as error:
            failure = _translate(error, model, inputs + outputs.paths)
            # the client knows its own output folder, not where the model wrote
            failure.message = failure.message.replace(
                outputs.staging_folder, outputs.folder
            )
            raise failure from error
        outputs.publish()


def _translate(error: BaseException, model: Any, paths: List[str]) -> ApiError:
    if isinstance(error, model.validation_exception_class):
        return InvalidInput(str(error).strip() or "the model refused the input")
    if isinstance(error, model.io_exception_class) and _is_about(error, paths):
        return InvalidJob(describe(error))
    return ModelFailed("the model failed: {}".format(describe(error)))


def _is_about(error: BaseException, paths: List[str]) -> bool:
    named = (getattr(error, "filename", None), getattr(error, "filename2", None))
    wanted = {os.path.realpath(path) for path in paths}
    return any(
        os.path.realpath(name) in wanted
        for name in named
        if isinstance(name, (str, os.PathLike))
    )
