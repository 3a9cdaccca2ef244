"""Test cases for a model's app: in this process, or behind its real server."""

import os
import tempfile
import unittest
from typing import Any, Dict, Iterator, List, Optional, Tuple, Union
from unittest import mock

from werkzeug.http import HTTP_STATUS_CODES

from .cases import (  # noqa: F401 - tests of models import find_case_file from here
    MESSAGE_FILENAME,
    Case,
    check_filenames,
    find_case_file,
    list_cases,
)
from .client import Client
from .live_server import LiveServer
from .loading import as_list, import_object
from .metadata import find_metadata

Data = Union[bytes, str, None]


class AppTestCase(unittest.TestCase):
    """A test case with the model's app and a client of it.

    Attributes:
        app: the app under test, made by `create_app` when first used.
        client: sends it requests.
    """

    def create_app(self) -> Any:
        """Return the Flask app to test; override it."""
        raise NotImplementedError(
            "{} should define create_app and return the app".format(type(self).__name__)
        )

    @property
    def app(self) -> Any:
        """The app under test."""
        if "_app" not in self.__dict__:
            self._app = self.create_app()
        return self._app

    @property
    def client(self) -> Any:
        """A client of the app."""
        return self.app.test_client()

    def run_test_job(self, inputs: Dict[str, Data]) -> Tuple[Any, Dict[str, bytes]]:
        """Run one job in temporary folders.

        Args:
            inputs: the content of each input file by its name; text is written in
                UTF-8, and a file of content None is left out.

        Returns:
            The response, and the content of each output file by its name.
        """
        self.assertSuccessResponse(self.client.get("/status"))
        with tempfile.TemporaryDirectory() as folder:
            input_folder = os.path.join(folder, "input")
            output_folder = os.path.join(folder, "output")
            for path in (input_folder, output_folder):
                os.mkdir(path)
            for name, data in inputs.items():
                if data is not None:
                    _write(os.path.join(input_folder, name), data)
            job = {"type": "file", "input": input_folder, "output": output_folder}
            response = self.client.post("/run", json=job)
            return response, _read_folder(output_folder)

    def assertResponse(
        self,
        response: Any,
        status_code: int,
        status: Any = None,
        message: Any = None,
    ) -> None:
        """Assert that a response is the specification's response object.

        Args:
            response: what a client returned.
            status_code: the HTTP status.
            status: the status text, or a function that is true of it; the standard
                phrase by default.
            message: the message, or a function that is true of it; any by default.
        """
        shown = "the server answered {}: {}".format(
            response.status_code, response.get_json()
        )
        self.assertEqual(response.status_code, status_code, shown)
        self.assertEqual(response.content_type.split(";")[0], "application/json", shown)
        body = response.get_json()
        self.assertIsInstance(body, dict, shown)
        self.assertEqual(body.get("statusCode"), status_code, shown)
        if status is None:
            status = HTTP_STATUS_CODES.get(status_code)
        self._assert_text("status", body.get("status"), status)
        self._assert_text("message", body.get("message"), message)

    def assertSuccessResponse(self, response: Any) -> None:
        """Assert that what was asked for was done: 200."""
        self.assertResponse(response, 200)

    def assertAcceptedResponse(self, response: Any) -> None:
        """Assert that the server will do what was asked for: 202."""
        self.assertResponse(response, 202)

    def assertClientErrorResponse(self, response: Any, message: Any = None) -> None:
        """Assert that the job is invalid: 400."""
        self.assertResponse(response, 400, message=message)

    def assertMediaTypeErrorResponse(self, response: Any, message: Any = None) -> None:
        """Assert that the body of the request is not JSON: 415."""
        self.assertResponse(response, 415, message=message)

    def assertValidationErrorResponse(self, response: Any, message: Any = None) -> None:
        """Assert that the model refused the content of an input: 422."""
        self.assertResponse(response, 422, message=message)

    def check_sanity(self) -> None:
        """Check `/status`, what `/run` answers to malformed jobs, and `/shutdown`."""
        self.assertSuccessResponse(self.client.get("/status"))
        self._check_malformed_jobs()
        self._check_shutdown()

    def _check_malformed_jobs(self) -> None:
        no_folder = {"type": "file", "input": os.devnull, "output": os.devnull}
        post = self.client.post
        self.assertClientErrorResponse(post("/run", content_type="application/json"))
        self.assertClientErrorResponse(
            post("/run", data="cats and dogs", content_type="application/json")
        )
        self.assertMediaTypeErrorResponse(
            post("/run", data="cats and dogs", content_type="text/plain")
        )
        self.assertClientErrorResponse(post("/run", json={"cat": "dog"}))
        self.assertClientErrorResponse(
            post("/run", json=no_folder, content_type="text/plain")
        )

    def _check_shutdown(self) -> None:
        function = mock.Mock()
        with mock.patch.dict(self.app.config, PSC_SHUTDOWN_FUNCTION=function):
            self.assertAcceptedResponse(self.client.post("/shutdown"))
        self.assertTrue(function.called, "/shutdown did not stop the server")

    def _assert_text(self, name: str, actual: Any, expected: Any) -> None:
        self.assertIsInstance(actual, str, '"{}" should be a text'.format(name))
        self.assertTrue(actual.strip(), '"{}" should not be blank'.format(name))
        if callable(expected):
            verdict = expected(actual)
            self.assertTrue(
                verdict is None or verdict, '"{}" is {!r}'.format(name, actual)
            )
        elif expected is not None:
            self.assertEqual(actual, expected, '"{}" does not match'.format(name))


class AutoAppTestCase(AppTestCase):
    """A test case whose cases are folders of files.

    In a case folder a file such as `input.txt` may stand as `input.txt`, as `input`,
    or as the one file in a folder of either name. An input file that is missing is
    left out of the job on purpose.

    Attributes:
        text_encoding: of the files that hold expected messages.
        error_message_filename: the file that holds an expected message.
        input_filenames: of the model; taken from its class by default.
        output_filenames: of the model; taken from its class by default.
    """

    text_encoding = "utf-8"
    error_message_filename = MESSAGE_FILENAME
    input_filenames: Union[str, List[str], None] = None
    output_filenames: Union[str, List[str], None] = None

    # the two signatures are those that the tests of existing models use
    def run_test_job(self, *inputs: Data) -> Any:  # type: ignore[override]
        """Run one job in temporary folders.

        Args:
            inputs: the content of each input file, in the order of the model's
                `input_filenames`; a file of content None is left out.

        Returns:
            The response, then the content of each output file in the order of the
            model's `output_filenames`, None where there is no such file.
        """
        names = self._get_filenames("input_filenames")
        if len(inputs) > len(names):
            raise ValueError(
                "there are {} inputs, and the model has {}: {}".format(
                    len(inputs), len(names), ", ".join(names)
                )
            )
        response, results = super().run_test_job(dict(zip(names, inputs)))
        outputs = self._get_filenames("output_filenames")
        return (response,) + tuple(results.get(name) for name in outputs)

    def check_example_cases(self, folder: str) -> None:
        """Check that every case below a folder runs and gives its expected outputs.

        Args:
            folder: holds one folder a case, with its input and output files.
        """
        for case in self._find_cases(folder):
            with self.subTest(case=case.folder):
                response, *actual = self.run_test_job(*self._read_inputs(case))
                self.assertSuccessResponse(response)
                expected = [
                    self._read_expected(case, name)
                    for name in self._get_filenames("output_filenames")
                ]
                self.check_results(*actual + expected)

    def check_results(self, *results: Any) -> None:
        """Check the outputs of one case; override it where equal bytes are too strict.

        Args:
            results: the content in bytes of each actual output file, then of each
                expected one, both in the order of the model's `output_filenames`.
        """
        half = len(results) // 2
        names = self._get_filenames("output_filenames")
        for name, actual, expected in zip(names, results[:half], results[half:]):
            self.assertEqual(actual, expected, "{} is not as expected".format(name))

    def check_validation_error_cases(self, folder: str) -> None:
        """Check that the model refuses every case below a folder with its message.

        Args:
            folder: holds one folder a case, with its input files and the file
                `error_message_filename`.
        """
        for case in self._find_cases(folder):
            with self.subTest(case=case.folder):
                expected = self._read_expected(case, self.error_message_filename)
                response = self.run_test_job(*self._read_inputs(case))[0]
                self.assertValidationErrorResponse(response)
                self.check_validation_error_message(
                    response.get_json()["message"],
                    expected.decode(self.text_encoding).strip(),
                )

    def check_validation_error_message(self, actual: str, expected: str) -> None:
        """Check that a message contains the expected text; letter case is ignored."""
        self.assertTrue(expected, "the expected message is blank, which anything has")
        self.assertIn(expected.lower(), actual.lower())

    def _find_cases(self, folder: str) -> List[Case]:
        names = self._get_filenames("input_filenames")
        names += self._get_filenames("output_filenames")
        check_filenames(names, self.error_message_filename)
        cases = list_cases(folder)
        self.assertTrue(cases, "there are no case folders in {}".format(folder))
        return cases

    def _read_inputs(self, case: Case) -> List[Optional[bytes]]:
        names = self._get_filenames("input_filenames")
        inputs = case.read_inputs(names)
        return [inputs[name] for name in names]

    def _read_expected(self, case: Case, name: str) -> bytes:
        try:
            return case.read_expected(name)
        except FileNotFoundError as error:
            raise self.failureException(str(error)) from None

    def _get_filenames(self, attribute: str) -> List[str]:
        names = getattr(self, attribute)
        if names is None:
            factory = self.app.config["PSC_MODEL_FACTORY"]
            if isinstance(factory, str):
                factory = import_object(factory)
            names = getattr(factory, attribute, None)
        if not isinstance(names, (str, list, tuple)):
            raise ValueError(
                "the model's {0} are not known before it is made: set {0} in {1}".format(
                    attribute, type(self).__name__
                )
            )
        return as_list(names)


class LiveAppTestCase(AutoAppTestCase):
    """A test case that talks to the model's real server over HTTP.

    The server of `entrypoint.sh` is started once for the class, on a free port.

    Attributes:
        server: the running server.
    """

    server: LiveServer

    @classmethod
    def setUpClass(cls) -> None:
        """Start the server."""
        super().setUpClass()
        cls.server = cls.make_server().__enter__()

    @classmethod
    def tearDownClass(cls) -> None:
        """Stop the server."""
        cls.server.stop()
        super().tearDownClass()

    @classmethod
    def make_server(cls) -> LiveServer:
        """Return the server to test; that of the working directory by default."""
        return LiveServer(os.path.dirname(find_metadata(os.getcwd())))

    @property
    def client(self) -> Client:
        """A client of the running server."""
        return self.server.client

    def _check_shutdown(self) -> None:
        with self.make_server() as server:
            self.assertAcceptedResponse(server.client.post("/shutdown"))
            self.assertEqual(server.wait(), 0, "the exit code should be 0")


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _write(path: str, data: Union[bytes, str]) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data.encode("utf-8") if isinstance(data, str) else data)


def _read_folder(folder: str) -> Dict[str, bytes]:
    return {os.path.relpath(path, folder): _read(path) for path in _walk_files(folder)}


def _walk_files(folder: str) -> Iterator[str]:
    for parent, _, names in os.walk(folder):
        for name in names:
            yield os.path.join(parent, name)
