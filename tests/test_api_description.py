"""The real server does what `/openapi.json` says of it, whatever Schemathesis sends."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from commands import CommandFailed, run
from environment import Environment
from repository import Repository
from server import Server

# a job may be well formed and name a folder that is not there
SETTINGS = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 400]
"""


def test_schemathesis_finds_nothing(defaults: Repository, tmp_path: Path) -> None:
    settings, report = tmp_path / "schemathesis.toml", tmp_path / "report.json"
    settings.write_text(SETTINGS, encoding="utf-8")
    # what the server needs is installed beside Schemathesis; its own `/shutdown` would end the run
    variables = Environment(Path(sys.prefix)).variables(PSC_SHUTDOWN_FUNCTION="time.time", PYTHONDONTWRITEBYTECODE="1")
    with Server(defaults.path, variables) as server:
        server.wait_until_ready()
        options = ["--checks=all", "--generation-deterministic", "--max-examples=100", "--no-color"]
        reports = ["--report=json", f"--report-json-path={report}"]
        command = ["schemathesis", f"--config-file={settings}", "run", *options, *reports]
        try:
            run([*command, f"{server.url}/openapi.json"], folder=tmp_path, environment=variables)
        except CommandFailed as error:
            pytest.fail(f"{error}\n\nThe server's log:\n{server.read_log()[-20000:]}", pytrace=False)
        # it is still there, and as well as before
        assert server.get("/status")[0] == 200
    operations = json.loads(report.read_text(encoding="utf-8"))["operations"]
    assert (operations["total"], operations["tested"]) == (3, 3)
