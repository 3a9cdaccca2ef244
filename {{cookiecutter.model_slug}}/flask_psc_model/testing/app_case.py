"""A test case that runs the model's app in this process."""

import os
import tempfile
import unittest
from typing import Any, Dict, Iterator, Optional, Tuple, Union
from unittest import mock

from werkzeug.http import HTTP_STATUS_CODES

from .failures import FirstFailures
from .memory import watch_models

Data = Union[bytes, str, None]


class AppTestCase(unittest.TestCase):
    """A test case with the model's app and a client for it.

    Attributes:
        app: the app under test, created by `create_app` on first use.
        client: sends requests to the app.
    """

    def create_app(self) -> Any:
        """Return the Flask app to test; override it."""
        raise NotImplementedError(
            f"{type(self).__name__} does not define create_app: define it and return"
            " the app"
        )

    @property
    def app(self) -> Any:
        """The app under test."""
        if "_app" not in self.__dict__:
            self._app = self.create_app()
            watch_models(self._app)
        return self._app

    @property
    def client(self) -> Any:
        """A client for the app."""
        return self.app.test_client()

    def run(
        self, result: Optional[unittest.TestResult] = None
    ) -> Optional[unittest.TestResult]:
        """Run the test; a failure that another class has had in it is a skip."""
        if result is None:
            return super().run()
        super().run(FirstFailures(result))  # type: ignore[arg-type]
        return result

    def run_test_job(self, inputs: Dict[str, Data]) -> Tuple[Any, Dict[str, bytes]]:
        """Run one job in temporary folders.

        Args:
            inputs: the content of each input file by name; text is written in UTF-8,
                None means no file.

        Returns:
            The response, and the content of each output file by name.
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
            response: from a client.
            status_code: the expected HTTP status.
            status: the expected status text, or a function that accepts it; default:
                the reason phrase of the status code.
            message: the expected message, or a function that accepts it; default: any.
        """
        shown = f"the server answered {response.status_code}: {response.get_json()}"
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
        """Assert that the request has succeeded: 200."""
        self.assertResponse(response, 200)

    def assertAcceptedResponse(self, response: Any) -> None:
        """Assert that the request was accepted: 202."""
        self.assertResponse(response, 202)

    def assertClientErrorResponse(self, response: Any, message: Any = None) -> None:
        """Assert that the job is invalid: 400."""
        self.assertResponse(response, 400, message=message)

    def assertMediaTypeErrorResponse(self, response: Any, message: Any = None) -> None:
        """Assert that the body of the request is not JSON: 415."""
        self.assertResponse(response, 415, message=message)

    def assertValidationErrorResponse(self, response: Any, message: Any = None) -> None:
        """Assert that the model rejected an input: 422."""
        self.assertResponse(response, 422, message=message)

    def check_sanity(self) -> None:
        """Check `/status`, `/run` with malformed jobs, and `/shutdown`."""
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
        self.assertIsInstance(actual, str, f'"{name}" should be a string')
        self.assertTrue(actual.strip(), f'"{name}" should not be blank')
        if callable(expected):
            verdict = expected(actual)
            self.assertTrue(verdict is None or verdict, f'"{name}" is {actual!r}')
        elif expected is not None:
            self.assertEqual(actual, expected, f'"{name}" does not match')


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
