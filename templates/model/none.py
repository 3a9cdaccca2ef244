"""The model: replace the class in this file with your own."""

import json
import math
from typing import Dict, List, Union

from flask_psc_model import ModelBase, load_metadata

from .colors import CSS_COLORS, Color, parse_color

METADATA = load_metadata(__file__)

#: The number of names in a result.
NAMES = 5

#: The distance between black and white, the two colours farthest apart.
MAX_DISTANCE = math.sqrt(3 * 255**2)


class {{ cookiecutter.__model_class }}(ModelBase):
    {{ cookiecutter.description | docstring }}

    input_filenames = list(METADATA.inputs)
    output_filenames = list(METADATA.outputs)

    def __init__(self) -> None:
        """Load what every job needs; called once, at the start of the server."""
        self.colors = {name: parse_color(text) for name, text in CSS_COLORS.items()}

    def run(self, input_path: str, output_path: str) -> None:
        """Read a colour from the input file and write its nearest names as JSON."""
        with open(input_path, encoding="utf-8") as file:
            try:
                color = parse_color(file.read())
            except UnicodeDecodeError:
                raise ValueError("expected a text such as ffaa00, in UTF-8") from None
        with open(output_path, "w", encoding="utf-8") as file:
            json.dump({"predictions": self.predict(color)}, file, indent=2)
            file.write("\n")

    def predict(self, color: Color) -> List[Dict[str, Union[str, float]]]:
        """Return the names of the nearest colours.

        Args:
            color: red, green and blue, each from 0 to 255.

        Returns:
            Names and their scores, nearest first; a score is 1 for the same colour
            and 0 for the distance from black to white.
        """
        scores = {
            name: round(1 - distance(color, other) / MAX_DISTANCE, 4)
            for name, other in self.colors.items()
        }
        nearest = sorted(scores, key=lambda name: (-scores[name], name))[:NAMES]
        return [{"name": name, "score": scores[name]} for name in nearest]


def distance(one: Color, other: Color) -> float:
    """Return the Euclidean distance between two colours in RGB."""
    return math.sqrt(sum((a - b) ** 2 for a, b in zip(one, other)))


if __name__ == "__main__":
    from flask_psc_model.cli import run_model

    run_model.main({{ cookiecutter.__model_class }})
