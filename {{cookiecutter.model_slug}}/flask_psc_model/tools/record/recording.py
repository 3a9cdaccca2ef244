"""Runs cases, and finds the expected files that they lack or that have changed."""

import os
from typing import Dict, Iterator, List, NamedTuple, Optional

from ...client import Response
from ...model.cases import EXAMPLES, MESSAGE_FILENAME, REFUSALS, Case, find_case_file
from ...model.comparison import find_output_difference
from ...model.spec import ModelSpec
from .. import to_line
from ..containers.shared_folder import SharedJob
from ..measurement.subject import Running
from .selection import Selected

#: The status that each kind of case should get.
WANTED_STATUS = {EXAMPLES: 200, REFUSALS: 422}


class Change(NamedTuple):
    """An expected file to write.

    Attributes:
        path: of the file.
        old: its content, None if there is none yet.
        new: what to write.
    """

    path: str
    old: Optional[bytes]
    new: bytes


class Recording(NamedTuple):
    """What became of one case.

    Attributes:
        changes: the expected files to write.
        problem: why there is nothing to record; empty if the case did what it should.
    """

    changes: List[Change] = []
    problem: str = ""


def record_case(
    running: Running, spec: ModelSpec, selected: Selected, tolerance: float
) -> Recording:
    """Run a case on a server, and compare what it does with the expected files.

    Args:
        running: the server.
        spec: names the input and output files.
        selected: the case.
        tolerance: of numbers in JSON outputs, as in the tests.

    Raises:
        FolderFailed: this machine cannot keep the files of the job.
        OSError: the server does not answer.
        ValueError: its response is not the response object.
    """
    case = selected.case
    try:
        inputs = case.read_inputs(list(spec.inputs))
    except (OSError, ValueError) as error:
        return Recording(problem=str(error))
    with running.folder.make_job(inputs) as job:
        response = job.run(running.client)
        message = response.message
        if response.status_code != WANTED_STATUS[selected.kind]:
            problem = _describe_response(response, selected.kind)
            missing = [name for name, data in inputs.items() if data is None]
            lines = [problem] + [case.describe_missing(name) for name in missing]
            return Recording(problem="; ".join(lines))
        try:
            if selected.kind == REFUSALS:
                return Recording(list(_compare_message(case, message, job)))
            outputs = {name: job.read_output(name) for name in spec.outputs}
            return Recording(list(_compare_outputs(case, spec, outputs, tolerance)))
        except (OSError, ValueError) as error:
            return Recording(problem=str(error))


def _compare_outputs(
    case: Case, spec: ModelSpec, outputs: Dict[str, bytes], tolerance: float
) -> Iterator[Change]:
    for name, new in outputs.items():
        path = find_case_file(case.folder, name)
        if path is None:
            yield Change(os.path.join(case.folder, name), None, new)
            continue
        old = case.read_expected(name)
        if find_output_difference(spec.outputs[name], new, old, tolerance):
            yield Change(path, old, new)


def _compare_message(case: Case, message: str, job: SharedJob) -> Iterator[Change]:
    # a path of this run is in no other one
    text = max(message.split(job.input_folder), key=len).strip()
    path = find_case_file(case.folder, MESSAGE_FILENAME)
    new = (text + "\n").encode("utf-8")
    if path is None:
        yield Change(os.path.join(case.folder, MESSAGE_FILENAME), None, new)
        return
    old = case.read_expected(MESSAGE_FILENAME)
    # as the tests compare it: a part of the message is enough
    expected = old.decode("utf-8", "replace").strip().lower()
    if not expected or expected not in message.lower():
        yield Change(path, old, new)


def _describe_response(response: Response, kind: str) -> str:
    text = f"{response.status_code}: {to_line(response.message)}"
    if kind == EXAMPLES and response.status_code == 422:
        return f"the model refuses it; correct it, or move it to {REFUSALS}: {text}"
    if kind == REFUSALS and response.status_code == 200:
        return f"the model does not refuse it; correct it, or move it to {EXAMPLES}"
    return text
