"""Check a repository and print what is left to do."""

import os
import sys
from typing import TYPE_CHECKING

import click

from ..model.metadata import find_metadata
from . import exit_with_error
from ._options import ToolCommand

if TYPE_CHECKING:
    from ..tools.checklist.point import Point


@click.command(cls=ToolCommand)
@click.option(
    "--timeout",
    type=click.IntRange(1),
    default=1800,
    show_default=True,
    help="Seconds that the tests may take.",
)
def main(timeout: int) -> None:
    """Check a repository and print what is left to do.

    Run it in the repository. It runs the tests, too, and prints for each open point what
    to do and where. The exit status is 0 if every point is done, 1 if points are open,
    and 2 if the checklist could not run.

    \b
    Example:
      python -m flask_psc_model.cli.checklist
    """
    from ..tools.checklist.metadata import CannotValidate, import_jsonschema
    from ..tools.checklist.points import make_points
    from ..tools.interrupts import end_on_signals

    end_on_signals()
    points = make_points(timeout)
    try:
        folder = os.path.dirname(find_metadata(os.getcwd()))
        import_jsonschema()
    except (CannotValidate, OSError) as error:
        exit_with_error(error, 2)
    click.echo(f"(checking {folder})", err=True)
    count = sum(not _tick(point, folder) for point in points)
    if count:
        click.echo(f"\n{count} of {len(points)} points are open.")
        sys.exit(1)
    click.echo("\nAll points are done.")


def _tick(point: "Point", folder: str) -> bool:
    if point.doing:
        click.echo(f"({point.doing})", err=True)
    problems = point.list_problems(folder)
    box = (
        click.style("[ ]", fg="yellow") if problems else click.style("[x]", fg="green")
    )
    # None lets click decide: colours on a terminal only
    colour = False if os.environ.get("NO_COLOR") else None
    click.echo(f"{box} {point.title}", color=colour)
    for problem in problems:
        click.echo(f"      {problem}")
    return not problems


if __name__ == "__main__":
    main()
