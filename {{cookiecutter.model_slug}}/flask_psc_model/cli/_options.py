"""What several commands share: their options and exit statuses."""

import codecs
import locale
import math
import signal
import sys
from importlib.util import find_spec
from typing import Any, Callable, List, NoReturn, Optional

import click

from . import exit_with_error
from ._output import checked_output

#: The code of `ToolCommand`.
TOOLS = "flask_psc_model.tools"

engine_option = click.option(
    "--engine",
    type=click.Choice(["docker", "podman"]),
    default="docker",
    show_default=True,
    help="Container engine to use.",
)

data_option = click.option(
    "--data",
    "data_folder",
    show_default="tests/data beside model.yaml",
    help="Folder of the test cases.",
)


def _check_tolerance(
    context: click.Context, parameter: click.Parameter, value: float
) -> float:
    # a range of click's includes what is not a number
    if not 0 <= value < math.inf:
        raise click.BadParameter(f"{value} is not a finite number of 0 or more")
    return value


def tolerance_option(default: float) -> Callable[[Any], Any]:
    """Return the option for the tolerance of numbers."""
    return click.option(
        "--tolerance",
        type=float,
        callback=_check_tolerance,
        default=default,
        show_default=True,
        help="How much a number in a JSON output may differ; for numbers of 1 or more,"
        " as a share of the expected number.",
    )


class Command(click.Command):
    """A command that its output cannot end, and whose exit status is 130 after Ctrl-C."""

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the command as a program."""
        _check_locale()
        with checked_output():
            return super().main(*args, **options)

    def make_context(
        self,
        info_name: Optional[str],
        args: List[str],
        parent: Optional[click.Context] = None,
        **extra: Any,
    ) -> click.Context:
        """Parse the command line, and prompt for what is missing."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.Abort as error:
            # else it is the end of standard input
            if isinstance(error.__context__, KeyboardInterrupt):
                _exit_interrupted()
            raise

    def invoke(self, context: click.Context) -> Any:
        """Run the command's function."""
        try:
            return super().invoke(context)
        except KeyboardInterrupt:
            _exit_interrupted()


def _check_locale() -> None:
    # from Python 3.7 on, the locale C means UTF-8
    encoding = codecs.lookup(locale.getpreferredencoding()).name
    if sys.version_info < (3, 7) and encoding == "ascii":
        exit_with_error(
            "Python 3.6 needs a UTF-8 locale: run `export LC_ALL=C.UTF-8` first", 2
        )


def _exit_interrupted() -> NoReturn:
    click.echo("interrupted", err=True)
    sys.exit(128 + signal.SIGINT)


class ToolsMissing(click.ClickException):
    """This machine does not have the code of a command."""

    exit_code = 2


class ToolCommand(Command):
    """A command for a developer's machine; a vendored image does not have its code."""

    def make_context(
        self,
        info_name: Optional[str],
        args: List[str],
        parent: Optional[click.Context] = None,
        **extra: Any,
    ) -> click.Context:
        """Parse the command line.

        Raises:
            ToolsMissing: this machine does not have the command's code.
        """
        if not has_tools():
            raise ToolsMissing(
                f"there is no {TOOLS} here: run this command on a developer's"
                " machine, in the repository"
            )
        return super().make_context(info_name, args, parent, **extra)


def has_tools() -> bool:
    """Return whether this machine has the code of a `ToolCommand`."""
    return find_spec(TOOLS) is not None
