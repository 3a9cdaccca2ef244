"""What several commands share: options, and those that need the code of `tools`."""

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
