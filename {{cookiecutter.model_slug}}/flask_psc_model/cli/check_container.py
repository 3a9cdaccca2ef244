"""Check that an image keeps the container specification."""

import os
import signal
import sys
from typing import Any, Optional, Sequence

import click

from ..model.spec import ModelSpec
from . import ToolCommand, engine_option

#: The exit status where nothing could be checked.
NOT_CHECKED = 2


class CheckContainer(ToolCommand):
    """A command whose help lists the checks."""

    def format_epilog(self, context: click.Context, formatter: Any) -> None:
        """Write the name of each check, and what it checks."""
        from ..tools.conformance.checks import CHECKS

        rows = [
            (check.name, check.summary + " (advice)" * check.is_advice)
            for check in CHECKS
        ]
        with formatter.section("The checks"):
            formatter.write_dl(rows)


@click.command(cls=CheckContainer)
@click.argument("image", required=False)
@engine_option
@click.option(
    "--metadata",
    "metadata_path",
    default=".",
    help="The model.yaml, or a folder at or below it; the working directory by default.",
)
@click.option(
    "--data",
    "data_folder",
    help="The folder of the cases; tests/data beside model.yaml by default.",
)
@click.option(
    "--only",
    "names",
    multiple=True,
    metavar="CHECKS",
    help="Make these checks only, named with commas between them.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=0.0,
    help="By how much a number in a JSON output may differ: by itself below 1, as a"
    " share of the expected number above.",
)
@click.option(
    "--gpus",
    type=click.IntRange(min=0),
    help="The GPUs of the container, in place of what model.yaml asks for.",
)
@click.option(
    "--url",
    help="Check a server of this machine that runs already, in place of an image; it is"
    " left running. It has to see the temporary folder of this command, which TMPDIR"
    " chooses.",
)
@click.option("--report", "junit_path", help="Write JUnit XML to this file, too.")
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
    """Check that IMAGE keeps the container specification.

    It is checked from outside, so any image will do that claims it, in whatever
    language. It is started as the platform starts it: with the resources of model.yaml,
    another port, and no command. The cases in tests/data are run on it.

    What breaks the specification is a failure. What the specification does not ask for,
    and a good server does all the same, is advice. The exit status is 0 without
    failures, 1 with failures, and 2 where nothing could be checked.

    \b
    Examples:
      python -m flask_psc_model.cli.check_container my-model:latest
      python -m flask_psc_model.cli.check_container my-model --only examples,shutdown
      python -m flask_psc_model.cli.check_container --url http://localhost:8080
    """
    from ..tools.conformance.checks import choose_checks
    from ..tools.conformance.report import Report, write_junit
    from ..tools.conformance.runner import Inspection
    from ..tools.conformance.server_under_test import ModelCases
    from ..tools.containers.container import ServerUnreachable
    from ..tools.containers.engine import Engine, EngineError

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _exit_on_signal)
    try:
        if (image is None) == (url is None):
            raise ValueError("name an image, or a running server with --url")
        checks = choose_checks(_split(names))
        spec = ModelSpec.load(metadata_path)
        limits = spec.limits if gpus is None else spec.limits._replace(gpus=gpus)
        parent = os.path.dirname(spec.path)
        data = ModelCases(data_folder or os.path.join(parent, "tests", "data"), spec)
        report = Report(image or url or "", as_json)
        inspection = Inspection(checks, data, limits, report, tolerance)
        if url:
            inspection.inspect_server(url)
        else:
            container_engine = Engine(engine)
            container_engine.check()
            inspection.inspect_image(container_engine, image or "")
        report.conclude()
        if junit_path:
            write_junit(report, junit_path)
        if as_json:
            click.echo(report.to_json())
    except (OSError, ValueError, EngineError, ServerUnreachable) as error:
        click.echo("error: {}".format(" ".join(str(error).split())), err=True)
        sys.exit(NOT_CHECKED)
    except KeyboardInterrupt:
        click.echo("interrupted: what was started is removed", err=True)
        sys.exit(128 + signal.SIGINT)
    sys.exit(1 if report.has_failed() else 0)


def _split(names: Sequence[str]) -> Sequence[str]:
    return [each.strip() for name in names for each in name.split(",") if each.strip()]


def _exit_on_signal(number: int, frame: Any) -> None:
    # as an exception, so that everything is cleaned up on the way out
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
