"""Tests of the model alone."""

import io
import unittest

from PIL import Image

from model_lib.model import TextReaderModel


class TestModel(unittest.TestCase):
    """The model without the server."""

    @classmethod
    def setUpClass(cls):
        """Load the model once."""
        cls.model = TextReaderModel()

    def test_a_picture_without_text_has_no_lines(self):
        """The text is empty, too."""
        picture = io.BytesIO()
        Image.new("RGB", (200, 100), "white").save(picture, "png")
        self.assertEqual(
            self.model.predict(picture.getvalue()), {"text": "", "lines": []}
        )


if __name__ == "__main__":
    unittest.main()
