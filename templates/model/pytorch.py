{% set version = cookiecutter | version %}
"""The model: replace the two classes in this file with your own."""

import json
import math
from pathlib import Path
from typing import List

import torch

from flask_psc_model import BatchModelBase, load_metadata

from .colors import CSS_COLORS, parse_color

METADATA = load_metadata(__file__)

#: The number of names in a result.
NAMES = 5

#: The distance between black and white, the two colours farthest apart.
MAX_DISTANCE = math.sqrt(3 * 255**2)

#: The network's `state_dict`; the example works without this file.
WEIGHTS = Path(__file__).resolve().parent / "weights" / "model.pt"


class ColorScorer(torch.nn.Module):
    """Scores every named colour by its distance to others.

    A score is 1 for the same colour and 0 for the distance from black to white.
    """

    table: torch.Tensor

    def __init__(self) -> None:
        """Create the table of named colours; it is saved and moved like weights."""
        super().__init__()
        colors = [parse_color(text) for text in CSS_COLORS.values()]
        self.register_buffer("table", torch.tensor(colors, dtype=torch.float32))

    def forward(self, colors: torch.Tensor) -> torch.Tensor:
        """Return a row of scores for each row of red, green and blue."""
        distances = (colors.unsqueeze(1) - self.table).norm(dim=2)
        return 1 - distances / MAX_DISTANCE


class {{ cookiecutter.__model_class }}(BatchModelBase):
    {{ cookiecutter.description | docstring }}

    input_filenames = list(METADATA.inputs)
    output_filenames = list(METADATA.outputs)

    def __init__(self) -> None:
        """Load what every job needs; called once, at the start of the server."""
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network = ColorScorer().to(self.device).eval()
        if WEIGHTS.exists():
{% if version >= (1, 13) %}
            weights = torch.load(WEIGHTS, map_location=self.device, weights_only=True)
{% else %}
            # this can run code from the file: load only your own files
            weights = torch.load(str(WEIGHTS), map_location=self.device)
{% endif %}
            self.network.load_state_dict(weights)

    def preprocess(self, input_path: str) -> torch.Tensor:
        """Read the colour of one job; runs in several threads, so it changes nothing."""
        with open(input_path, encoding="utf-8") as file:
            try:
                color = parse_color(file.read())
            except UnicodeDecodeError:
                raise ValueError("expected a text such as ffaa00, in UTF-8") from None
        return torch.tensor(color, dtype=torch.float32)

    @torch.{{ "inference_mode" if version >= (1, 9) else "no_grad" }}()
    def predict(self, batch: List[torch.Tensor]) -> List[torch.Tensor]:
        """Return a row of scores, one for each named colour, for each job of a batch."""
        # one tensor for the batch: one copy to the device, one call, one copy back
        colors = torch.stack(batch).to(self.device)
        return list(self.network(colors).cpu())

    def postprocess(self, result: torch.Tensor, output_path: str) -> None:
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
