"""Test cases from folders of files, run in this process or over HTTP."""

import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, Callable, Iterator, List, Optional, Sequence, Tuple, Union

from ..client import Client
from ..model.base import BatchModelBase
from ..model.cases import (
    FOLDER_HINT,
    MESSAGE_FILENAME,
    REFUSALS,
    TODO_FILENAME,
    Case,
    check_filenames,
    check_findable,
    find_case_file,
    list_cases,
    list_cases_to_fill_in,
)
from ..model.comparison import TOLERANCE, find_output_difference
from ..model.loading import as_list, import_object, is_batch_model
from ..model.metadata import find_metadata
from ..model.spec import FileSpec, ModelSpec
from .app_case import AppTestCase, Data
from .live_server import LiveServer
from .memory import release_models

#: How to get the expected files.
RECORD_HINT = "python -m flask_psc_model.cli.record adds what the model writes"

#: Checks the response and the outputs of a case.
_Check = Callable[[Case, Tuple[Any, ...]], None]


class AutoAppTestCase(AppTestCase):
    """A test case that runs folders of files as jobs.

    Names in a case folder are compared without their extension: the model's file
    `input.txt` is the file `input.txt`, `input` or `input.md`, or the only file in a
    folder of such a name. A job lacks the input files that its case folder lacks.

    Attributes:
        text_encoding: of expected messages.
        error_message_filename: the file with the expected message of a case.
        tolerance: how much a number in a JSON output may differ: the difference itself
            if the expected number is below 1, else its share of that number.
        input_filenames: of the model; default: those of its class.
        output_filenames: of the model; default: those of its class.
    """

    text_encoding = "utf-8"
    error_message_filename = MESSAGE_FILENAME
    tolerance = TOLERANCE
    input_filenames: Union[str, List[str], None] = None
    output_filenames: Union[str, List[str], None] = None

    # the tests of existing models use both signatures
    def run_test_job(self, *inputs: Data) -> Any:  # type: ignore[override]
        """Run one job in temporary folders.

        Args:
            inputs: the content of each input file, in the order of the model's
                `input_filenames`; None means no file.

        Returns:
            The response, then the content of each output file in the order of the
            model's `output_filenames`; None means no file.
        """
        names = self._get_filenames("input_filenames")
        if len(inputs) > len(names):
            raise ValueError(
                f"got {len(inputs)} inputs, but the model has {len(names)}:"
                f" {', '.join(names)}"
            )
        response, results = super().run_test_job(dict(zip(names, inputs)))
        outputs = self._get_filenames("output_filenames")
        return (response,) + tuple(results.get(name) for name in outputs)

    def check_example_cases(self, folder: str) -> None:
        """Check that every case in a folder runs and writes its expected outputs.

        Each case runs alone. The cases of a batch model then run as one batch, with
        those of the folder `validation-error` beside this one among them: no case may
        change the outputs of another.

        Args:
            folder: holds a folder for each case, with its input and output files.
        """
        check_findable(self._list_filenames())
        cases = self._find_cases(folder)
        self._check_alone(cases, self._check_example)
        if cases and self._is_batch_model():
            self._check_batches(folder, cases)

    def check_results(self, *results: Any) -> None:
        """Check the outputs of one case; override it to compare them otherwise.

        JSON files are compared as JSON, whose numbers may differ by `tolerance` unless
        both are whole, and all others byte by byte.

        Args:
            results: the bytes of each actual output file, then of each expected one,
                both in the order of the model's `output_filenames`.
        """
        half = len(results) // 2
        names = self._get_filenames("output_filenames")
        files = ModelSpec.of_model(self._find_factory() or "", strict=False).outputs
        for name, actual, expected in zip(names, results[:half], results[half:]):
            self.assertIsNotNone(actual, f"{name} is not a file: {FOLDER_HINT}")
            file = files.get(name, FileSpec(name))
            difference = find_output_difference(file, actual, expected, self.tolerance)
            if difference:
                self.fail(f"{name} differs from the expected file: {difference}")

    def check_validation_error_cases(self, folder: str) -> None:
        """Check that the model rejects every case in a folder with its message.

        Args:
            folder: holds a folder for each case, with its input files and the file
                `error_message_filename`.
        """
        self._check_alone(self._find_cases(folder), self._check_refusal)

    def check_validation_error_message(self, actual: str, expected: str) -> None:
        """Check that a message contains the expected text, ignoring letter case."""
        self.assertTrue(
            expected, "the expected message is blank: any message contains it"
        )
        self.assertIn(expected.lower(), actual.lower())

    def _check_alone(self, cases: List[Case], check: _Check) -> None:
        for case in cases:
            with self.subTest(case=case.folder):
                check(case, self._run_case(case))

    def _check_batches(self, folder: str, examples: List[Case]) -> None:
        """Check all cases in batches, as large as the model allows."""
        refusals = os.path.join(os.path.dirname(os.path.abspath(folder)), REFUSALS)
        checks = [(case, self._check_example) for case in examples]
        if os.path.isdir(refusals):
            checks += [(case, self._check_refusal) for case in list_cases(refusals)]
        # by name: the refused ones among the good
        checks.sort(key=lambda pair: pair[0].name)
        size = getattr(self._find_factory(), "max_batch_size", None)
        if not isinstance(size, int):
            size = BatchModelBase.max_batch_size
        for start in range(0, len(checks), size):
            batch = checks[start : start + size]
            futures = self._run_at_once([case for case, _ in batch])
            for (case, check), future in zip(batch, futures):
                with self.subTest(case=case.folder, batch=len(batch)):
                    check(case, future.result())

    def _run_at_once(self, cases: Sequence[Case]) -> List["Future[Any]"]:
        """Run cases as one batch; a server elsewhere makes its own batches of them."""
        runner = self._find_runner()
        with ThreadPoolExecutor(len(cases)) as threads, ExitStack() as stack:
            if runner:
                stack.enter_context(runner.hold())
            futures = [threads.submit(self._run_case, case) for case in cases]
            # those that the model refuses early never wait
            while runner and (
                runner.count_waiting() + sum(map(Future.done, futures)) < len(cases)
            ):
                time.sleep(0.002)
        return futures

    def _find_runner(self) -> Any:
        """Return what runs the app's jobs; None without an app."""
        try:
            return self.app.extensions["psc_model"]
        except NotImplementedError:
            return None

    def _run_case(self, case: Case) -> Any:
        return self.run_test_job(*self._read_inputs(case))

    def _check_example(self, case: Case, answer: Tuple[Any, ...]) -> None:
        response, *actual = answer
        with self._blaming_missing_inputs(case):
            self.assertSuccessResponse(response)
        expected = [
            self._read_expected_output(case, name, data)
            for name, data in zip(self._get_filenames("output_filenames"), actual)
        ]
        self.check_results(*actual + expected)

    def _check_refusal(self, case: Case, answer: Tuple[Any, ...]) -> None:
        response = answer[0]
        with self._blaming_missing_inputs(case):
            self.assertValidationErrorResponse(response)
        expected = self._read_expected(case, self.error_message_filename)
        self.check_validation_error_message(
            response.get_json()["message"],
            expected.decode(self.text_encoding).strip(),
        )

    @contextmanager
    def _blaming_missing_inputs(self, case: Case) -> Iterator[None]:
        """Add the inputs that a case lacks, on purpose or not, to the failure within."""
        try:
            yield
        except self.failureException as error:
            names = self._get_filenames("input_filenames")
            missing = [name for name in names if not find_case_file(case.folder, name)]
            if not missing:
                raise
            lines = [str(error)] + [case.describe_missing(name) for name in missing]
            raise self.failureException("\n".join(lines)) from None

    def _find_cases(self, folder: str) -> List[Case]:
        check_filenames(self._list_filenames(), self.error_message_filename)
        cases = list_cases(folder)
        unfilled = list_cases_to_fill_in(folder)
        self.assertTrue(cases + unfilled, f"there are no case folders in {folder}")
        for case in unfilled:
            with self.subTest(case=case.folder):
                self.skipTest(
                    f"the case is to be filled in; see {TODO_FILENAME} in {case.folder}"
                )
        return cases

    def _read_inputs(self, case: Case) -> List[Optional[bytes]]:
        names = self._get_filenames("input_filenames")
        inputs = case.read_inputs(names)
        return [inputs[name] for name in names]

    def _read_expected_output(
        self, case: Case, name: str, actual: Optional[bytes]
    ) -> bytes:
        try:
            return self._read_expected(case, name)
        except (self.failureException, ValueError):
            if actual is not None:
                raise
        # the case may have a folder, too, or nothing
        raise self.failureException(f"{name} is not a file: {FOLDER_HINT}")

    def _read_expected(self, case: Case, name: str) -> bytes:
        try:
            return case.read_expected(name)
        except FileNotFoundError as error:
            raise self.failureException(f"{error}; {RECORD_HINT}") from None

    def _list_filenames(self) -> List[str]:
        names = ("input_filenames", "output_filenames")
        return [name for each in names for name in self._get_filenames(each)]

    def _get_filenames(self, attribute: str) -> List[str]:
        names = getattr(self, attribute)
        if names is None:
            names = getattr(self._find_factory(), attribute, None)
        if not isinstance(names, (str, list, tuple)):
            raise ValueError(
                f"the class of the model does not define {attribute}: set {attribute}"
                f" in {type(self).__name__}"
            )
        return as_list(names)

    def _find_factory(self) -> Any:
        """Return the app's model factory; None without an app."""
        try:
            factory = self.app.config["PSC_MODEL_FACTORY"]
        except NotImplementedError:
            return None
        return import_object(factory) if isinstance(factory, str) else factory

    def _is_batch_model(self) -> bool:
        factory = self._find_factory()
        # what is no class may make either, and a plain model comes to no harm
        return not isinstance(factory, type) or is_batch_model(factory)


class LiveAppTestCase(AutoAppTestCase):
    """A test case that sends jobs to the model's real server over HTTP.

    The server, `entrypoint.sh`, starts once for the class and again after a shutdown, on
    a free port. Only its model is in memory then: those of other tests are released.

    Attributes:
        server: the running server.
    """

    server: LiveServer

    @classmethod
    def setUpClass(cls) -> None:
        """Start the server."""
        super().setUpClass()
        release_models()
        cls.server = cls.make_server().__enter__()

    @classmethod
    def tearDownClass(cls) -> None:
        """Stop the server."""
        cls.server.stop()
        super().tearDownClass()

    @classmethod
    def make_server(cls) -> LiveServer:
        """Return the server under test; by default that of the working directory."""
        return LiveServer(os.path.dirname(find_metadata(os.getcwd())))

    @property
    def client(self) -> Client:
        """A client for the running server."""
        return self.server.client

    def _find_runner(self) -> None:
        """Return None: the jobs run in the server's process."""

    def _check_shutdown(self) -> None:
        cls = type(self)
        try:
            self.assertAcceptedResponse(cls.server.client.post("/shutdown"))
            self.assertEqual(cls.server.wait(), 0, "the exit code should be 0")
        finally:
            # a second server beside the first would need the memory of two
            cls.server.stop()
            cls.server = cls.make_server().__enter__()
