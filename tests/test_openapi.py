"""The real server behaves as `/openapi.json` describes, whatever Schemathesis sends."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from commands import CommandFailed, run
from environment import Environment
from repository import ROOT, Repository
from server import Server

pytestmark = [pytest.mark.server, pytest.mark.slow]

OPTIONS = ["--checks=all", "--generation-deterministic", "--max-examples=100", "--no-color"]


def test_schemathesis_finds_nothing(defaults: Repository, tmp_path: Path) -> None:
    example = defaults.path / "tests" / "data" / "examples" / "black"
    report = tmp_path / "report.json"
    variables = Environment(Path(sys.prefix)).variables(
        # what the server needs is installed beside Schemathesis; its own `/shutdown` would end the run
        PSC_SHUTDOWN_FUNCTION="time.time",
        PYTHONDONTWRITEBYTECODE="1",
        SCHEMATHESIS_HOOKS="tests.existing_folders",
        PYTHONPATH=str(ROOT),
        JOB_INPUT=str(example),
        JOB_OUTPUT=str(tmp_path / "output"),
    )
    with Server(defaults.path, variables) as server:
        server.wait_until_ready()
        command = ["schemathesis", "run", *OPTIONS, "--report=json", f"--report-json-path={report}"]
        try:
            run(
                [*command, f"{server.url}/openapi.json"],
                folder=tmp_path,
                environment={**variables, "PYTHONPATH": str(ROOT)},
            )
        except CommandFailed as error:
            pytest.fail(f"{error}\n\nThe server's log:\n{server.read_log()[-20000:]}", pytrace=False)
        # it is still there, and as well as before
        assert server.get("/status")[0] == 200
    operations = json.loads(report.read_text(encoding="utf-8"))["operations"]
    assert (operations["total"], operations["tested"]) == (3, 3)
    # some of the jobs were valid, and have run
    assert (tmp_path / "output" / "results.json").exists()
