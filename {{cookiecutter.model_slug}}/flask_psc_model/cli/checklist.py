"""Check what is left to do before the model is ready."""

import os
import sys
from typing import TYPE_CHECKING

import click

from ..model.metadata import find_metadata
from . import ToolCommand

if TYPE_CHECKING:
    from ..tools.checklist.point import Point


@click.command(cls=ToolCommand)
def main() -> None:
    """Check what is left to do before the model is ready.

    Looks at the repository that it is run in, runs its tests, and says of each open
    point what to do and where. The exit status is 0 where all points are ticked, 1
    where some are open, and 2 where it could not look.

    \b
    Example:
      python -m flask_psc_model.cli.checklist
    """
    from ..tools.checklist.metadata import CannotValidate, import_jsonschema
    from ..tools.checklist.points import POINTS

    try:
        folder = os.path.dirname(find_metadata(os.getcwd()))
        import_jsonschema()
    except (CannotValidate, OSError) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    count = sum(not _tick(point, folder) for point in POINTS)
    if count:
        click.echo(f"\n{count} of {len(POINTS)} points are open.")
        sys.exit(1)
    click.echo("\nAll points are ticked.")


def _tick(point: "Point", folder: str) -> bool:
    if point.doing:
        click.echo(f"({point.doing})", err=True)
    problems = point.list_problems(folder)
    _say("[ ] " if problems else "[x] ", point.title, "yellow" if problems else "green")
    for problem in problems:
        click.echo(f"      {problem}")
    return not problems


def _say(box: str, title: str, colour: str) -> None:
    # None leaves it to click: colours on a terminal only
    wanted = False if os.environ.get("NO_COLOR") else None
    click.echo(click.style(box, fg=colour) + title, color=wanted)


if __name__ == "__main__":
    main()
