"""Tests of the model alone."""

import unittest

from model_lib.model import LanguageFinderModel


class TestModel(unittest.TestCase):
    """The model without the server."""

    @classmethod
    def setUpClass(cls):
        """Load the model once."""
        cls.model = LanguageFinderModel()

    def test_the_languages_of_a_job_do_not_limit_the_next(self):
        """The model is the same for all jobs."""
        text = "Where is the station, please?"
        self.assertEqual(self.model.predict(text, ["de", "fr"])["ranking"][2:], [])
        self.assertEqual(self.model.predict(text, [])["language"], "en")


if __name__ == "__main__":
    unittest.main()
