"""The model: replace the two classes in this file with your own."""

import json
import math
from pathlib import Path
from typing import List

import tensorflow as tf

from flask_psc_model import BatchModelBase, load_metadata

from .colors import CSS_COLORS, Color, parse_color

METADATA = load_metadata(__file__)

#: The number of names in a result.
NAMES = 5

#: The distance between black and white, the two colours farthest apart.
MAX_DISTANCE = math.sqrt(3 * 255**2)

#: The network as a SavedModel; the example works without this folder.
WEIGHTS = Path(__file__).resolve().parent / "weights" / "model"


class ColorScorer(tf.Module):
    """Scores every named colour by its distance to others.

    A score is 1 for the same colour and 0 for the distance from black to white.
    """

    def __init__(self) -> None:
        """Create the table of named colours; it is saved like weights."""
        super().__init__()
        colors = [parse_color(text) for text in CSS_COLORS.values()]
        self.table = tf.Variable(colors, trainable=False, dtype=tf.float32)

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32)])
    def __call__(self, colors: tf.Tensor) -> tf.Tensor:
        """Return a row of scores for each row of red, green and blue."""
        distances = tf.norm(colors[:, tf.newaxis] - self.table, axis=2)
        return 1 - distances / MAX_DISTANCE


class {{ cookiecutter.__model_class }}(BatchModelBase):
    {{ cookiecutter.description | docstring }}

    input_filenames = list(METADATA.inputs)
    output_filenames = list(METADATA.outputs)

    def __init__(self) -> None:
        """Load what every job needs; called once, at the start of the server.

        TensorFlow uses the GPU if there is one.
        """
        if WEIGHTS.exists():
            self.network = tf.saved_model.load(str(WEIGHTS))
        else:
            self.network = ColorScorer()

    def preprocess(self, input_path: str) -> Color:
        """Read the colour of one job; runs in several threads, so it changes nothing."""
        with open(input_path, encoding="utf-8") as file:
            try:
                return parse_color(file.read())
            except UnicodeDecodeError:
                raise ValueError("expected a text such as ffaa00, in UTF-8") from None

    def predict(self, batch: List[Color]) -> List[List[float]]:
        """Return a row of scores, one for each named colour, for each job of a batch."""
        # one tensor for the batch: one copy to the device, one call, one copy back
        return self.network(tf.constant(batch, tf.float32)).numpy().tolist()

    def postprocess(self, result: List[float], output_path: str) -> None:
        """Write the nearest names of one job as JSON."""
        scores = [round(score, 4) for score in result]
        # sorting is stable: equal scores stay in the alphabetical order of the table
        ranking = sorted(zip(CSS_COLORS, scores), key=lambda pair: -pair[1])[:NAMES]
        predictions = [{"name": name, "score": score} for name, score in ranking]
        with open(output_path, "w", encoding="utf-8") as file:
            json.dump({"predictions": predictions}, file, indent=2)


if __name__ == "__main__":
    from flask_psc_model.cli import run_model

    run_model.main({{ cookiecutter.__model_class }})
