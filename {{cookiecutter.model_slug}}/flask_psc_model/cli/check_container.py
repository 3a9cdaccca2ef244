"""Check an image against the container specification."""

import os
import signal
import sys
from typing import Any, Optional, Sequence

import click

from ..model.spec import ModelSpec
from . import exit_with_error
from ._options import ToolCommand, data_option, engine_option, tolerance_option

#: The exit status if nothing could be checked.
NOT_CHECKED = 2


class CheckContainer(ToolCommand):
    """A command whose help lists the checks."""

    def format_epilog(self, context: click.Context, formatter: Any) -> None:
        """Write the name and the summary of each check."""
        from ..tools.conformance.checks import CHECKS

        rows = [
            (check.name, check.summary + " (recommendation)" * check.is_recommendation)
            for check in CHECKS
        ]
        with formatter.section("Checks"):
            formatter.write_dl(rows)


@click.command(cls=CheckContainer)
@click.argument("image", required=False)
@engine_option
@click.option(
    "--metadata",
    "metadata_path",
    default=".",
    show_default=True,
    help="Path of model.yaml, or of a folder: model.yaml is in it or in one of its parents.",
)
@data_option
@click.option(
    "--only",
    "names",
    multiple=True,
    metavar="CHECKS",
    help="Run only these checks, separated by commas.",
)
@tolerance_option(0.0)
@click.option(
    "--gpus",
    type=click.IntRange(min=0),
    show_default="that of model.yaml",
    help="Number of GPUs of the container.",
)
@click.option(
    "--url",
    help="Check a running server on this machine instead of an image, and leave it"
    " running. It needs access to this command's temporary folder, which TMPDIR sets.",
)
@click.option(
    "--report", "junit_path", help="Also write the report as JUnit XML to this file."
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def main(
    image: Optional[str],
    engine: str,
    metadata_path: str,
    data_folder: Optional[str],
    names: Sequence[str],
    tolerance: float,
    gpus: Optional[int],
    url: Optional[str],
    junit_path: Optional[str],
    as_json: bool,
) -> None:
    """Check IMAGE against the container specification.

    Starts the image as the platform does: with the resources of model.yaml, on a port
    other than its default, and without a command. Then runs the cases in tests/data on
    it, over HTTP, so the image may be written in any language.

    A check fails if the image breaks the specification; a check of best practice gives a
    recommendation instead. The exit status is 0 without failures, 1 with failures, and 2 if
    nothing could be checked.

    \b
    Examples:
      python -m flask_psc_model.cli.check_container my-model:latest
      python -m flask_psc_model.cli.check_container my-model --only examples,shutdown
      python -m flask_psc_model.cli.check_container --url http://localhost:8080
    """
    from ..tools.conformance.checks import choose_checks
    from ..tools.conformance.report import Report, prepare_folder, write_junit
    from ..tools.conformance.runner import CheckRunner
    from ..tools.conformance.server_under_test import ModelCases
    from ..tools.containers.container import ServerUnreachable
    from ..tools.containers.engine import Engine, EngineError
    from ..tools.containers.image_user import read_user
    from ..tools.containers.shared_folder import FolderFailed
    from ..tools.interrupts import end_on_signals

    end_on_signals()
    try:
        if bool(image) == bool(url):
            both = ", not both" if url else ""
            raise ValueError("name an image, or a running server with --url" + both)
        checks = choose_checks(_split(names))
        spec = ModelSpec.load(metadata_path)
        limits = spec.limits if gpus is None else spec.limits._replace(gpus=gpus)
        home = os.path.dirname(spec.path)
        folder = os.path.join(home, "tests", "data")
        data = ModelCases.read(data_folder or folder, spec)
        user = read_user(home) or ""
        if junit_path:
            prepare_folder(junit_path)
        report = Report(image or url or "", as_json)
        runner = CheckRunner(checks, data, limits, report, tolerance, user)
        if url:
            runner.check_server(url)
        else:
            container_engine = Engine(engine)
            container_engine.check()
            runner.check_image(container_engine, image or "")
        report.conclude()
        if as_json:
            click.echo(report.to_json())
        if junit_path:
            write_junit(report, junit_path)
    except (OSError, ValueError, EngineError, FolderFailed, ServerUnreachable) as error:
        exit_with_error(error, NOT_CHECKED)
    except KeyboardInterrupt:
        click.echo("interrupted: removed the containers", err=True)
        sys.exit(128 + signal.SIGINT)
    sys.exit(1 if report.has_failed() else 0)


def _split(names: Sequence[str]) -> Sequence[str]:
    return [each.strip() for name in names for each in name.split(",") if each.strip()]


if __name__ == "__main__":
    main()
