"""Tests of the app: runs the cases in `data/`, in this process and over HTTP."""

import json
import os
import unittest

from app import app
from flask_psc_model.testing import AutoAppTestCase, LiveAppTestCase

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")


class AppTests:
    """Tests for the app in this process and for the real server."""

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

    def check_results(self, actual, expected):
        """Compare the results of a case: equal names, nearly equal scores."""
        actual = json.loads(actual.decode("utf-8"))["predictions"]
        expected = json.loads(expected.decode("utf-8"))["predictions"]
        self.assertEqual(
            [prediction["name"] for prediction in actual],
            [prediction["name"] for prediction in expected],
        )
        for one, other in zip(actual, expected):
            self.assertAlmostEqual(one["score"], other["score"], places=3)


class TestApp(AppTests, AutoAppTestCase):
    """The app in this process, for debuggers and coverage."""


class TestServer(AppTests, LiveAppTestCase):
    """The app behind the same server as in the container."""


if __name__ == "__main__":
    unittest.main()
