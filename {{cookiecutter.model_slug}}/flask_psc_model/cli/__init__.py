"""The commands, a module each: `python -m flask_psc_model` lists them."""

from importlib.util import find_spec
from typing import Any, List, Optional

import click

#: The code of `ToolCommand`.
TOOLS = "flask_psc_model.tools"

engine_option = click.option(
    "--engine",
    type=click.Choice(["docker", "podman"]),
    default="docker",
    show_default=True,
    help="The container engine of this machine.",
)


class ToolsMissing(click.ClickException):
    """The code of a command is not on this machine."""

    exit_code = 2


class ToolCommand(click.Command):
    """A command of a developer's machine, whose code a vendored image leaves out."""

    def make_context(
        self,
        info_name: Optional[str],
        args: List[str],
        parent: Optional[click.Context] = None,
        **extra: Any,
    ) -> click.Context:
        """Parse the command line.

        Raises:
            ToolsMissing: the command's code is not here.
        """
        if not has_tools():
            raise ToolsMissing(
                "this command runs on a developer's machine, in the folder of the"
                f" repository: {TOOLS} is not here"
            )
        return super().make_context(info_name, args, parent, **extra)


def has_tools() -> bool:
    """Return whether the code of the `ToolCommand` classes is here."""
    return find_spec(TOOLS) is not None
