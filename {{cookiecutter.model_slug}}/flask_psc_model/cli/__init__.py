"""The commands, a module each; `python -m flask_psc_model` lists them."""

import signal
import sys
from importlib.util import find_spec
from typing import Any, List, NoReturn, Optional

import click

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


class ToolsMissing(click.ClickException):
    """This machine does not have the code of a command."""

    exit_code = 2


class ToolCommand(click.Command):
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


def exit_on_signals() -> None:
    """Let SIGTERM and SIGHUP end the process by `SystemExit`, which cleans up."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        # nohup ignores SIGHUP
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda number, frame: sys.exit(128 + number))


def exit_with_error(error: object, code: int = 1) -> NoReturn:
    """Print an error on one line, and exit.

    Args:
        error: what went wrong.
        code: the exit status.
    """
    click.echo("error: " + " ".join(str(error).split()), err=True)
    sys.exit(code)
