"""Replace the example with the skeleton of a new model."""

from typing import Sequence

import click

from . import exit_with_error
from ._options import ToolCommand

FORM = "NAME[:MEDIA_TYPE[:MAX_SIZE]]"


@click.command(cls=ToolCommand)
@click.option(
    "--input",
    "-i",
    "inputs",
    multiple=True,
    metavar=FORM,
    help="An input file of the model; repeat it for each file. A media type that is not"
    " given is guessed from the name; without a size there is no limit.",
)
@click.option(
    "--output",
    "-o",
    "outputs",
    multiple=True,
    metavar=FORM,
    help="An output file of the model, likewise.",
)
def main(inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Replace the example with the skeleton of a new model.

    Writes the files into model.yaml, a skeleton of model_lib/model.py with an argument
    for each, and test cases to fill in, and removes what belongs to the example. Asks
    for what the options do not tell. Files that were edited are kept; if the model itself
    was, nothing is changed. Run it in the repository.

    \b
    Example:
      python -m flask_psc_model.cli.new_model --input photo.png:image/png:10M \\
          --input config.json --output labels.json
    """
    from ..tools.new_model.session import create_model

    try:
        create_model(inputs, outputs)
    except (OSError, ValueError) as error:
        exit_with_error(error)


if __name__ == "__main__":
    main()
