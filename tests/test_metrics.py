"""`/metrics` of the real server, as Prometheus reads it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote
from urllib.request import ProxyHandler, build_opener

import pytest
from environment import Environment
from repository import Repository
from server import HOST, Server, find_free_port

pytestmark = [
    pytest.mark.server,
    pytest.mark.xdist_group("metrics"),
    pytest.mark.skipif(not shutil.which("promtool"), reason="there is no promtool here: install Debian's prometheus"),
]

#: Seconds for Prometheus to see what it should.
PATIENCE = 30

#: Of a first failure nothing is seen where its series begins with 1.
QUERIES = {
    'sum by (code, reason) (increase(psc_model_jobs_total{code="400"}[1m])) > 0': {
        "code": "400",
        "reason": "invalid_job",
    },
    "psc_model_ready_workers == 1": {"job": "model"},
    "psc_model_info == 1": {"version": "0.1.0"},
}

opener = build_opener(ProxyHandler({}))


@pytest.fixture(scope="module")
def server(defaults: Repository) -> Iterator[Server]:
    """Return a running server."""
    variables = Environment(Path(sys.prefix)).variables(PYTHONDONTWRITEBYTECODE="1")
    with Server(defaults.path, variables) as server:
        server.wait_until_ready()
        yield server


@pytest.fixture
def prometheus(server: Server, tmp_path: Path) -> Iterator[str]:
    """Return the address of a Prometheus that reads the metrics of the server twice a second."""
    target = {"job_name": "model", "static_configs": [{"targets": [server.url.removeprefix("http://")]}]}
    config = {"global": {"scrape_interval": "500ms"}, "scrape_configs": [target]}
    (tmp_path / "prometheus.json").write_text(json.dumps(config))
    address = f"{HOST}:{find_free_port()}"
    command = ["prometheus", "--config.file=prometheus.json", f"--web.listen-address={address}"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        yield f"http://{address}"
    finally:
        process.kill()
        process.wait()


def test_promtool_finds_nothing(server: Server) -> None:
    with opener.open(f"{server.url}/metrics") as answer:
        ended = subprocess.run(["promtool", "check", "metrics"], input=answer.read(), capture_output=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")


@pytest.mark.parametrize("name", ["alerts.yaml", "fleets.md", "operations.md"])
def test_every_metric_that_a_page_names_is_there(server: Server, defaults: Repository, name: str) -> None:
    with opener.open(f"{server.url}/metrics") as answer:
        text = answer.read().decode()
    # a histogram is one metric in a page, and three series in a rule
    there = {*re.findall(r"^# TYPE (\S+)", text, re.MULTILINE), *re.findall(r"^(\w+)[ {]", text, re.MULTILINE)}
    page = defaults.read(f"docs/server/{name}")
    named = set(re.findall(r"\b(?:psc_model|process)_[a-z_]+\b", page))
    assert len(named) > 1
    assert named - there == set()


def test_every_reason_that_an_alert_or_the_runbook_names_is_there(server: Server, defaults: Repository) -> None:
    with opener.open(f"{server.url}/metrics") as answer:
        counted = set(re.findall(r'reason="(\w+)"', answer.read().decode()))
    page = defaults.read("docs/server/operations.md")
    explained = set(re.findall(r"^\| `(\w+)` \|", page.split("\n### Reasons\n")[1].split("\n### ")[0], re.MULTILINE))
    assert "server_error" in explained
    text = defaults.read("docs/server/alerts.yaml") + page
    named = set(re.findall(r'reason!?="(\w+)"', text))
    assert {"busy", "gpu_error"} <= named
    assert named - counted - explained == set()


def test_prometheus_sees_the_first_failure(server: Server, prometheus: str) -> None:
    wait_for(prometheus, "psc_model_jobs_total")
    assert server.post("/run", {"type": "text"})[0] == 400
    for query, labels in QUERIES.items():
        found = wait_for(prometheus, query)
        assert labels.items() <= found.items()


def wait_for(prometheus: str, query: str) -> dict[str, str]:
    """Return the labels of the first result of a query; fail where there is none in time."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            with opener.open(f"{prometheus}/api/v1/query?query={quote(query)}") as answer:
                results = json.load(answer)["data"]["result"]
        except OSError:
            results = []
        if results:
            return dict(results[0]["metric"])
        time.sleep(0.1)
    raise AssertionError(f"Prometheus does not find {query}")
