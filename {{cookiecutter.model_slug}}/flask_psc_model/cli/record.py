"""Record the expected files of the test cases."""

import sys
from typing import Optional, Sequence

import click

from ..model.comparison import TOLERANCE
from . import exit_with_error
from ._options import ToolCommand, data_option, tolerance_option


@click.command(cls=ToolCommand)
@click.argument("cases", nargs=-1, metavar="[CASE]...")
@click.option("--yes", is_flag=True, help="Overwrite expected files without asking.")
@tolerance_option(TOLERANCE)
@data_option
def main(
    cases: Sequence[str], yes: bool, tolerance: float, data_folder: Optional[str]
) -> None:
    """Record the expected files of the test cases.

    Runs each CASE, by default all, on the repository's own server, and shows how its
    outputs, or the message of its refusal, differ from the expected files. Missing files
    are added; existing ones are overwritten if you confirm it. Read what it shows: the
    tests will expect exactly this. Run it in the repository.

    An output is unchanged if it passes the default comparison of the tests, with
    --tolerance. An edited tests/test_app.py makes no difference.

    The exit status is 0 if all expected files are up to date, 1 if a case cannot be
    recorded or a file was not overwritten, and 2 for a wrong option.

    \b
    Examples:
      python -m flask_psc_model.cli.record
      python -m flask_psc_model.cli.record black examples/white
    """
    from ..tools.containers.shared_folder import FolderFailed
    from ..tools.interrupts import end_on_signals
    from ..tools.measurement.subject import MeasurementFailed
    from ..tools.record.session import record_cases

    end_on_signals()
    try:
        is_fine = record_cases(cases, data_folder, tolerance, yes)
    except (FolderFailed, MeasurementFailed, OSError, ValueError) as error:
        exit_with_error(error)
    sys.exit(0 if is_fine else 1)


if __name__ == "__main__":
    main()
