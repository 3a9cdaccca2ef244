"""Tests of the app: runs the cases in `data/`, in this process and over HTTP."""

import os
import unittest

from app import app
from flask_psc_model.testing import AutoAppTestCase, LiveAppTestCase

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")


class AppTests:
    """Tests for the app in this process and for the real server.

    JSON outputs are compared with a tolerance, all others byte by byte. To compare them
    otherwise, define `check_results`; see docs/server/development.md.
    """

    #: How much a number in a JSON output may differ; for numbers of 1 or more, as a share
    #: of the expected number. Whole numbers have to be equal.
    tolerance = 0.01

    def create_app(self):
        """Return the app under test."""
        return app

    def test_sanity(self):
        """The routes follow the container specification."""
        self.check_sanity()

    def test_examples(self):
        """Every case in `data/examples` produces its expected results."""
        self.check_example_cases(os.path.join(DATA, "examples"))

    def test_validation_errors(self):
        """Every case in `data/validation-error` is rejected with its message."""
        self.check_validation_error_cases(os.path.join(DATA, "validation-error"))


class TestApp(AppTests, AutoAppTestCase):
    """The app in this process, for debuggers and coverage."""


class TestServer(AppTests, LiveAppTestCase):
    """The app behind the same server as in the container."""


if __name__ == "__main__":
    unittest.main()
