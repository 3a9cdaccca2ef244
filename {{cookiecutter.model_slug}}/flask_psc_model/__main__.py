"""The entry point: `python -m flask_psc_model` lists the commands and runs them."""

import pkgutil
from importlib import import_module
from typing import Callable, List, Optional, Tuple

import click

from . import cli
from .cli import check_status
from .cli._options import Command, ToolCommand, has_tools


class Commands(Command, click.Group):
    """The modules of `cli` whose `main` is a command, each imported on first use."""

    def list_commands(self, context: click.Context) -> List[str]:
        """Return the names of the commands that run here, in order."""
        return [name for name in _list_modules() if _runs_here(_import_command(name))]

    def get_command(self, context: click.Context, name: str) -> Optional[click.Command]:
        """Return the command of a name, None if there is none."""
        module = name.replace("-", "_")
        return _import_command(module) if module in _list_modules() else None


def _list_modules() -> List[str]:
    return sorted(module.name for module in pkgutil.iter_modules(cli.__path__))


def _runs_here(command: Optional[click.Command]) -> bool:
    if isinstance(command, ToolCommand):
        return has_tools()
    return command is not None


def _import_command(module: str) -> Optional[click.Command]:
    main = getattr(import_module(cli.__name__ + "." + module), "main", None)
    if main is check_status.main:
        return _make_command(check_status.main, check_status.DESCRIPTION)
    return main if isinstance(main, click.Command) else None


def _make_command(main: Callable[[List[str]], None], text: str) -> click.Command:
    """Return the command of a function that parses its arguments itself."""

    @click.command(
        help=text,
        add_help_option=False,
        context_settings={"ignore_unknown_options": True},
    )
    @click.argument("args", nargs=-1, type=click.UNPROCESSED)
    def command(args: Tuple[str, ...]) -> None:
        main(list(args))

    return command


@click.command(cls=Commands, invoke_without_command=True)
@click.pass_context
def main(context: click.Context) -> None:
    """Run, check and measure a model.

    The --help of each command shows an example. Each command is also a module: `run_job`
    is `python -m flask_psc_model.cli.run_job`.

    \b
    Example:
      python -m flask_psc_model run_job --help
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


if __name__ == "__main__":
    main(prog_name="python -m flask_psc_model")
