{% set version = cookiecutter | version %}
"""The model: replace the two classes in this file with your own."""

import json
import math
from pathlib import Path
from typing import List

{% if version >= (2, 16) %}
import keras
import numpy as np
{% else %}
import numpy as np
import tensorflow as tf
from tensorflow import keras
{% endif %}

from flask_psc_model import BatchModelBase, load_metadata

from .colors import CSS_COLORS, parse_color

METADATA = load_metadata(__file__)

#: The number of names in a result.
NAMES = 5

#: The distance between black and white, the two colours farthest apart.
MAX_DISTANCE = math.sqrt(3 * 255**2)

#: The saved network; the example works without this file.
WEIGHTS = Path(__file__).resolve().parent / "weights" / "model.{{ "keras" if version >= (2, 13) else "h5" }}"


@keras.utils.register_keras_serializable("model_lib")
class ColorScorer(keras.layers.Layer):
    """Scores every named colour by its distance to others.

    A score is 1 for the same colour and 0 for the distance from black to white.
    """

    def build(self, input_shape) -> None:
        """Create the weight that holds the table of named colours."""
        self.table = self.add_weight(
            name="table", shape=(len(CSS_COLORS), 3), trainable=False
        )

    def call(self, colors):
        """Return a row of scores for each row of red, green and blue."""
{% if version >= (2, 16) %}
        distances = keras.ops.norm(colors[:, None] - self.table, axis=2)
{% else %}
        distances = tf.norm(colors[:, tf.newaxis] - self.table, axis=2)
{% endif %}
        return 1 - distances / MAX_DISTANCE


def build_network() -> keras.Model:
    """Return the network with its weights, the table of named colours."""
    colors = keras.Input(shape=(3,))
    network = keras.Model(colors, ColorScorer()(colors))
    table = [parse_color(text) for text in CSS_COLORS.values()]
    network.set_weights([np.array(table, "float32")])
    return network


class {{ cookiecutter.__model_class }}(BatchModelBase):
    {{ cookiecutter.description | docstring }}

    input_filenames = list(METADATA.inputs)
    output_filenames = list(METADATA.outputs)

    def __init__(self) -> None:
        """Load what every job needs; called once, at the start of the server.

        Keras uses the GPU if there is one.
        """
        if WEIGHTS.exists():
            self.network = keras.models.load_model(str(WEIGHTS), compile=False)
        else:
            self.network = build_network()

    def preprocess(self, input_path: str) -> np.ndarray:
        """Read the colour of one job; runs in several threads, so it changes nothing."""
        with open(input_path, encoding="utf-8") as file:
            try:
                color = parse_color(file.read())
            except UnicodeDecodeError:
                raise ValueError("expected a text such as ffaa00, in UTF-8") from None
        return np.array(color, "float32")

    def predict(self, batch: List[np.ndarray]) -> np.ndarray:
        """Return a row of scores, one for each named colour, for each job of a batch."""
        # one array for the batch: one copy to the device, one call, one copy back
        return self.network.predict_on_batch(np.stack(batch))

    def postprocess(self, result: np.ndarray, output_path: str) -> None:
        """Write the nearest names of one job as JSON."""
        scores = [round(score, 4) for score in result.tolist()]
        # sorting is stable: equal scores stay in the alphabetical order of the table
        ranking = sorted(zip(CSS_COLORS, scores), key=lambda pair: -pair[1])[:NAMES]
        predictions = [{"name": name, "score": score} for name, score in ranking]
        with open(output_path, "w", encoding="utf-8") as file:
            json.dump({"predictions": predictions}, file, indent=2)


if __name__ == "__main__":
    from flask_psc_model.cli import run_model

    run_model.main({{ cookiecutter.__model_class }})
