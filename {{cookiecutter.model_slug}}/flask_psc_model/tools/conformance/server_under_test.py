"""What is checked: a running server, and the cases that it has to pass."""

import os
import threading
from typing import Any, Callable, Dict, Iterable, List, Optional

from ...client import Answer, Client
from ...model.cases import MESSAGE_FILENAME, Case, check_filenames, list_cases
from ...model.spec import Limits, ModelSpec
from ..containers.container import Container
from ..containers.shared_folder import SharedFolder, SharedJob
from .comparison import find_difference
from .finding import Unexpected

#: The content of each output file by its name.
Outputs = Dict[str, bytes]

EXAMPLES = "examples"
REFUSALS = "validation-error"


class ExampleCase:
    """A case that should run.

    Attributes:
        name: of the case.
        inputs: the content of each input file by its name.
        outputs: the expected content of each output file by its name.
    """

    def __init__(self, case: Case, spec: ModelSpec) -> None:
        self.name = case.name
        self.inputs = case.read_inputs(list(spec.inputs))
        self.outputs = {name: case.read_expected(name) for name in spec.outputs}


class RefusalCase:
    """A case that the model should refuse.

    Attributes:
        name: of the case.
        inputs: the content of each input file by its name.
        message: the text that the answer has to contain.
    """

    def __init__(self, case: Case, spec: ModelSpec) -> None:
        self.name = case.name
        self.inputs = case.read_inputs(list(spec.inputs))
        self.message = case.read_expected(MESSAGE_FILENAME).decode("utf-8").strip()
        if not self.message:
            raise ValueError(f"the {MESSAGE_FILENAME} of {case.folder} is blank")


class ModelCases:
    """The cases of a model.

    Attributes:
        examples: the cases that should run; there is at least one.
        refusals: the cases that the model should refuse; there may be none.
    """

    def __init__(self, folder: str, spec: ModelSpec) -> None:
        """Read the cases.

        Args:
            folder: holds the folders `examples` and `validation-error`.
            spec: names the input and output files.

        Raises:
            OSError: a folder or a file is not there.
            ValueError: the files cannot be told apart, or there is no case.
        """
        for key, files in (("inputs", spec.inputs), ("outputs", spec.outputs)):
            if not files:
                raise ValueError(f"model.yaml names no {key}")
        names = list(spec.inputs) + list(spec.outputs)
        check_filenames(names, MESSAGE_FILENAME)
        if not os.path.isdir(folder):
            raise FileNotFoundError(f"there is no data folder {folder}")
        examples = os.path.join(folder, EXAMPLES)
        refusals = os.path.join(folder, REFUSALS)
        self.examples = [ExampleCase(each, spec) for each in _list_cases(examples)]
        self.refusals = [RefusalCase(each, spec) for each in _list_cases(refusals)]
        if not self.examples:
            raise ValueError(f"there is no case in {examples}")


class Target:
    """A running server, and what is needed to check it.

    Attributes:
        client: sends it requests.
        data: the cases.
        folder: holds the files of the jobs.
        limits: of `model.yaml`.
        tolerance: of numbers in outputs.
        container: of the server, None where only its URL is known.
    """

    def __init__(
        self,
        client: Client,
        data: ModelCases,
        folder: SharedFolder,
        limits: Limits,
        tolerance: float = 0.0,
        container: Optional[Container] = None,
    ) -> None:
        self.client = client
        self.data = data
        self.folder = folder
        self.limits = limits
        self.tolerance = tolerance
        self.container = container

    def run_job(
        self, job: SharedJob, names: Iterable[str], client: Optional[Client] = None
    ) -> Outputs:
        """Run a job and return its outputs.

        Args:
            job: its input files are there.
            names: of the output files.
            client: another than that of the target.

        Raises:
            Unexpected: the answer is not 200, or an output cannot be read.
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
            Unexpected: the answer is not 200, or an output cannot be read.
            OSError: the server did not answer.
        """
        return self.run_job(self.folder.make_job(case.inputs), case.outputs, client)

    def compare(self, actual: Outputs, expected: Outputs) -> None:
        """Compare the outputs of a run with others.

        Raises:
            Unexpected: they differ.
        """
        for name, content in expected.items():
            difference = find_difference(actual[name], content, self.tolerance)
            if difference:
                raise Unexpected(f"200, but in {name} {difference}")


class Background:
    """A call in a thread of its own."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        """Start the call."""
        self._outcome: Dict[str, Any] = {}
        self._call = lambda: function(*args)
        # whoever interrupts this process need not wait for it
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def is_running(self) -> bool:
        """Tell whether it has not ended yet."""
        return self._thread.is_alive()

    def wait(self) -> None:
        """Wait for the end, whatever it is."""
        self._thread.join()

    def join(self) -> Any:
        """Wait for the end, and return or raise what the call did."""
        self.wait()
        if "error" in self._outcome:
            raise self._outcome["error"]
        return self._outcome["value"]

    def _run(self) -> None:
        try:
            self._outcome["value"] = self._call()
        except Exception as error:
            self._outcome["error"] = error


def describe(answer: Answer) -> str:
    """Say what a server answered."""
    try:
        return f"{answer.status_code}: {answer.message}"
    except ValueError:
        return f"{answer.status_code}: {answer.data[:80]!r}"


def expect_code(answer: Answer, status_code: int) -> str:
    """Check the status of an answer.

    Returns:
        What the server answered.

    Raises:
        Unexpected: it is another status.
    """
    if answer.status_code != status_code:
        raise Unexpected(describe(answer))
    return describe(answer)


def expect_response_object(answer: Answer) -> str:
    """Check that the body of an answer is the specification's response object.

    Returns:
        What the server answered.

    Raises:
        Unexpected: it is not.
    """
    problem = _find_fault(answer)
    if problem:
        raise Unexpected(f"{answer.status_code}, and {problem}")
    return describe(answer)


def _find_fault(answer: Answer) -> str:
    content_type = answer.content_type.split(";")[0].strip().lower()
    if content_type != "application/json":
        return f"the content type {answer.content_type!r}"
    content = answer.get_json()
    if not isinstance(content, dict):
        return f"a body that is not a JSON object: {answer.data[:80]!r}"
    code = content.get("statusCode")
    if code != answer.status_code or isinstance(code, bool):
        return f'"statusCode" is {code!r}'
    for key in ("status", "message"):
        text = content.get(key)
        if not isinstance(text, str) or not text.strip():
            return f'"{key}" is {text!r}, not a text'
    return ""


def _list_cases(folder: str) -> List[Case]:
    return list_cases(folder) if os.path.isdir(folder) else []
