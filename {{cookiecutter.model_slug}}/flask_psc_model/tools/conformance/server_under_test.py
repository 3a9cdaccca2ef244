"""The server under test, and the cases that it has to pass."""

import os
import threading
from concurrent.futures import Future
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional

from ...client import Client, Response
from ...model.cases import (
    EXAMPLES,
    MESSAGE_FILENAME,
    REFUSALS,
    Case,
    check_filenames,
    check_findable,
    list_cases,
)
from ...model.comparison import find_difference
from ...model.spec import Limits, ModelSpec
from .. import show_name
from ..containers.container import Container
from ..containers.shared_folder import SharedFolder, SharedJob
from .check import Unexpected

#: The content of each input file by its name, None where the case has no such file.
Inputs = Dict[str, Optional[bytes]]
#: The content of each output file by its name.
Outputs = Dict[str, bytes]


class ExampleCase(NamedTuple):
    """A case that should run.

    Attributes:
        name: of the case.
        inputs: the content of each input file.
        outputs: the expected content of each output file.
    """

    name: str
    inputs: Inputs
    outputs: Outputs


class RefusalCase(NamedTuple):
    """A case that the model should reject.

    Attributes:
        name: of the case.
        inputs: the content of each input file.
        message: the text that the response has to contain.
    """

    name: str
    inputs: Inputs
    message: str


class ModelCases(NamedTuple):
    """The cases of a model.

    Attributes:
        examples: the cases that should run; there is at least one.
        refusals: the cases that the model should reject; there may be none.
    """

    examples: List[ExampleCase]
    refusals: List[RefusalCase]

    @classmethod
    def read(cls, folder: str, spec: ModelSpec) -> "ModelCases":
        """Read the cases.

        Args:
            folder: holds the folders `examples` and `validation-error`.
            spec: names the input and output files.

        Raises:
            OSError: a folder or a file is missing.
            ValueError: two files have the same name without their extension, or there
                is no case.
        """
        for key, files in (("inputs", spec.inputs), ("outputs", spec.outputs)):
            if not files:
                raise ValueError(f"{spec.path} names no {key}")
        inputs, outputs = list(spec.inputs), list(spec.outputs)
        check_filenames(inputs + outputs, MESSAGE_FILENAME)
        check_findable(inputs + outputs)
        if not os.path.isdir(folder):
            raise FileNotFoundError(f"there is no data folder {folder}")
        examples = [
            ExampleCase(
                case.name,
                case.read_inputs(inputs),
                {name: case.read_expected(name) for name in outputs},
            )
            for case in _list_cases(folder, EXAMPLES)
        ]
        if not examples:
            raise ValueError(f"there is no case in {os.path.join(folder, EXAMPLES)}")
        refusals = [
            RefusalCase(case.name, case.read_inputs(inputs), _read_message(case))
            for case in _list_cases(folder, REFUSALS)
        ]
        return cls(examples, refusals)


def _list_cases(folder: str, kind: str) -> List[Case]:
    path = os.path.join(folder, kind)
    return list_cases(path) if os.path.isdir(path) else []


def _read_message(case: Case) -> str:
    content = case.read_expected(MESSAGE_FILENAME)
    try:
        message = content.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"the {MESSAGE_FILENAME} of {show_name(case.folder)} is not UTF-8: {error}"
        ) from error
    if not message:
        raise ValueError(f"the {MESSAGE_FILENAME} of {show_name(case.folder)} is blank")
    return message


class ServerUnderTest(NamedTuple):
    """A running server, and what it takes to check it.

    Attributes:
        client: sends it requests.
        data: the cases.
        folder: holds the files of the jobs.
        limits: of `model.yaml`.
        tolerance: of numbers in outputs.
        container: of the server, None where only its URL is known.
        dockerfile_user: the USER of the Dockerfile beside `model.yaml`, if there is one.
    """

    client: Client
    data: ModelCases
    folder: SharedFolder
    limits: Limits
    tolerance: float = 0.0
    container: Optional[Container] = None
    dockerfile_user: str = ""

    def run_job(
        self, job: SharedJob, names: Iterable[str], client: Optional[Client] = None
    ) -> Outputs:
        """Run a job and return its outputs.

        Args:
            job: whose input files have been written.
            names: of the output files.
            client: sends the job in place of the server's own.

        Raises:
            Unexpected: the status is not 200, or an output cannot be read.
            OSError: the server did not answer.
        """
        expect_code(job.run(client or self.client), 200)
        outputs = {}
        for name in names:
            try:
                outputs[name] = job.read_output(name)
            except OSError as error:
                raise Unexpected(f"200, but {error}") from None
        return outputs

    def run_case(self, case: ExampleCase, client: Optional[Client] = None) -> Outputs:
        """Run an example case in folders of its own, and return its outputs.

        Raises:
            Unexpected: the status is not 200, or an output cannot be read.
            OSError: the server did not answer.
            FolderFailed: this machine has no space for the files.
        """
        self.folder.check_space(sum(map(len, case.outputs.values())))
        with self.folder.make_job(case.inputs) as job:
            return self.run_job(job, case.outputs, client)

    def compare(self, actual: Outputs, expected: Outputs) -> None:
        """Compare the outputs of a run with others.

        Raises:
            Unexpected: they differ.
        """
        for name, content in expected.items():
            difference = find_difference(actual[name], content, self.tolerance)
            if difference:
                raise Unexpected(f"200, but in {name} {difference}")


def start_call(function: Callable[..., Any], *args: Any) -> "Future[Any]":
    """Call a function in a thread of its own, and return the future of the call."""
    future: "Future[Any]" = Future()

    def run() -> None:
        try:
            future.set_result(function(*args))
        except Exception as error:
            future.set_exception(error)

    # an executor's thread would keep this process from ending at an interrupt
    threading.Thread(target=run, daemon=True).start()
    return future


def describe(response: Response) -> str:
    """Describe a response in words."""
    try:
        return f"{response.status_code}: {response.message}"
    except ValueError:
        return f"{response.status_code}: {response.data[:80]!r}"


def expect_code(response: Response, status_code: int) -> str:
    """Check the status of a response, and describe it.

    Raises:
        Unexpected: it is another status.
    """
    if response.status_code != status_code:
        raise Unexpected(describe(response))
    return describe(response)


def expect_response_object(response: Response) -> str:
    """Check that a body is the specification's response object, and describe it.

    Raises:
        Unexpected: it is not.
    """
    problem = _find_fault(response)
    if problem:
        raise Unexpected(f"{response.status_code}, and {problem}")
    return describe(response)


def _find_fault(response: Response) -> str:
    content_type = response.content_type.split(";")[0].strip().lower()
    if content_type != "application/json":
        return f"the content type {response.content_type!r}"
    content = response.get_json()
    if not isinstance(content, dict):
        return f"a body that is not a JSON object: {response.data[:80]!r}"
    code = content.get("statusCode")
    if code != response.status_code or isinstance(code, bool):
        return f'"statusCode" is {code!r}'
    for key in ("status", "message"):
        text = content.get(key)
        if not isinstance(text, str) or not text.strip():
            return f'"{key}" is {text!r}, not a text'
    return ""
