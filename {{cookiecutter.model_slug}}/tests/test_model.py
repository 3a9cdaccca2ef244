"""Tests of the model alone."""

import json
import os
import tempfile
import unittest

from model_lib.model import {{ cookiecutter.__model_class }}


class TestModel(unittest.TestCase):
    """The model names colours."""

    @classmethod
    def setUpClass(cls):
        """Load the model once."""
        cls.model = {{ cookiecutter.__model_class }}()

    def test_a_named_colour_is_its_own_nearest_colour(self):
        """Tomato is tomato, with the highest score."""
        nearest = self.predict("ff6347")[0]
        self.assertEqual(nearest["name"], "tomato")
        self.assertAlmostEqual(nearest["score"], 1, places=3)

    def test_scores_fall_with_the_distance(self):
        """The nearest name comes first."""
        scores = [prediction["score"] for prediction in self.predict("123456")]
        self.assertEqual(scores, sorted(scores, reverse=True))
        self.assertLess(scores[-1], scores[0])

    def test_a_text_that_is_no_colour_is_refused(self):
        """The message shows a valid colour."""
        with self.assertRaisesRegex(ValueError, "such as ffaa00"):
            self.predict("orange")

    def predict(self, text):
        """Run the model on a text and return its predictions."""
        with tempfile.TemporaryDirectory() as folder:
            input_path = os.path.join(folder, "input.txt")
            output_path = os.path.join(folder, "results.json")
            with open(input_path, "w", encoding="utf-8") as file:
                file.write(text)
            self.model.run(input_path, output_path)
            with open(output_path, encoding="utf-8") as file:
                return json.load(file)["predictions"]


if __name__ == "__main__":
    unittest.main()
