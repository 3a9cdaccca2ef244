"""Run a model on files named on the command line, without a server."""

import sys
from typing import Any, List, Optional

import click

from ..model.loading import as_list, describe
from ._options import Command


def main(factory: Any, args: Optional[List[str]] = None) -> None:
    """Run a model on the files whose paths are on the command line.

    Args:
        factory: the model's class, with its file names as class attributes.
        args: the command line; by default that of the process.
    """
    names = as_list(factory.input_filenames) + as_list(factory.output_filenames)

    @click.command(cls=Command, help=_first_line(factory.__doc__))
    def command(**paths: str) -> None:
        model = factory()
        try:
            model.run(*paths.values())
        except (model.validation_exception_class, model.io_exception_class) as error:
            click.echo(f"error: {describe(error)}", err=True)
            sys.exit(1)

    for number, name in enumerate(names):
        argument = click.Argument([f"path_{number}"], metavar=name.upper())
        command.params.append(argument)
    command(args)


def _first_line(text: Optional[str]) -> str:
    return (text or "Run the model.").strip().split("\n")[0]


@click.command(cls=Command)
@click.pass_context
def explain(context: click.Context) -> None:
    """Run a model on files named on the command line.

    The module of the model calls this one, and knows the names of its files.

    \b
    Example:
      python -m model_lib.model input.txt results.json
    """
    click.echo(context.get_help())


if __name__ == "__main__":
    explain()
