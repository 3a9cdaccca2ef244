"""The alert rules, as promtool runs them: each fires for its fault, and none while all is well."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
import yaml
from rendering import render_typed

ALERTS = "docs/server/alerts.yaml"
ALL_WELL = {
    "up": "1+0x2000",
    "psc_model_info{version='1'}": "1+0x2000",
    "psc_model_ready_workers": "1+0x2000",
    "psc_model_jobs_total{code='200', reason=''}": "0+99x2000",
    "psc_model_jobs_total{code='422', reason='invalid_input'}": "0+50x2000",
    "psc_model_jobs_total{code='500', reason='model_error'}": "0+1x2000",
    "psc_model_jobs_total{code='503', reason='busy'}": "0+0x2000",
    "psc_model_restarts_total{reason='max_jobs'}": "0+9x2000",
    "psc_model_restarts_total{reason='killed'}": "1+0x2000",
    "psc_model_restarts_total{reason='gpu_error'}": "0+0x2000",
    "psc_model_wait_seconds_sum": "0+100x2000",
    "psc_model_run_seconds_sum": "0+100x2000",
    "psc_model_resident_memory_bytes{process='0'}": "1000+0.1x2000",
    "psc_model_dropped_log_lines_total": "3+0x2000",
}


class Fault(NamedTuple):
    """A fault, as the series of a server show it.

    Attributes:
        series: values, one each minute, which replace those of `ALL_WELL`.
        labels: of the alert, beside those of the server.
        hours: when the alert fires.
    """

    series: dict[str, str]
    labels: Mapping[str, str] = MappingProxyType({})
    hours: float = 10


FAULTS = {
    "ModelServerDown": Fault({"up": "1+0x30 0+0x1970", "psc_model_info{version='1'}": "1+0x30 _x1970"}),
    "ModelNotReady": Fault({"psc_model_ready_workers": "0+0x2000"}),
    "ModelJobsFail": Fault({"psc_model_jobs_total{code='500', reason='model_error'}": "0+20x2000"}),
    "ModelRestarts": Fault({"psc_model_restarts_total{reason='killed'}": "1+3x2000"}),
    "ModelGpuErrors": Fault(
        {"psc_model_restarts_total{reason='gpu_error'}": "0+0x590 1+0x1400"}, {"reason": "gpu_error"}
    ),
    "ModelBusy": Fault(
        {"psc_model_jobs_total{code='503', reason='busy'}": "0+1x2000"}, {"code": "503", "reason": "busy"}
    ),
    "ModelJobsWait": Fault({"psc_model_wait_seconds_sum": "0+600x2000"}),
    "ModelMemoryGrows": Fault(
        {"psc_model_resident_memory_bytes{process='0'}": "1000+0x1560 2000+0x440"}, {"process": "0"}, hours=30
    ),
    "ModelLogLost": Fault({"psc_model_dropped_log_lines_total": "3+1x2000"}),
}

pytestmark = [
    pytest.mark.command,
    pytest.mark.skipif(not shutil.which("promtool"), reason="there is no promtool here: install Debian's prometheus"),
]


@pytest.fixture
def rules(tmp_path: Path) -> list[dict[str, Any]]:
    """Return the rules, which are in the folder of the test."""
    content = render_typed()[ALERTS]
    (tmp_path / "alerts.yaml").write_bytes(content)
    (group,) = yaml.safe_load(content)["groups"]
    return list(group["rules"])


def test_promtool_accepts_the_rules(rules: list[dict[str, Any]], tmp_path: Path) -> None:
    ended = run_promtool(tmp_path, "check", "rules", "alerts.yaml")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"SUCCESS: {len(rules)} rules found" in ended.stdout


def test_each_alert_fires_for_its_fault_alone(rules: list[dict[str, Any]], tmp_path: Path) -> None:
    tests = [make_test(rules, name, fault) for name, fault in FAULTS.items()]
    tests += [make_test(rules, "", Fault({}, hours=hours)) for hours in (0.5, 10, 30)]
    assert check(tests, tmp_path) == ""


def test_servers_of_two_versions_are_noticed(rules: list[dict[str, Any]], tmp_path: Path) -> None:
    test = make_test(rules, "ModelVersionsMixed", Fault({}))
    test["input_series"].append(make_series("psc_model_info{version='2'}", "1+0x2000", instance="b"))
    for each in test["alert_rule_test"]:
        for alert in each["exp_alerts"]:
            del alert["exp_labels"]["instance"]
    assert check([test], tmp_path) == ""


def test_every_alert_has_a_test(rules: list[dict[str, Any]]) -> None:
    assert {rule["alert"] for rule in rules} == {*FAULTS, "ModelVersionsMixed"}


def test_a_target_that_was_never_a_server_is_none_of_ours(rules: list[dict[str, Any]], tmp_path: Path) -> None:
    test = make_test(rules, "", Fault({}))
    test["input_series"].append({"series": "up{job='node', instance='c'}", "values": "0+0x2000"})
    assert check([test], tmp_path) == ""


def test_an_alert_that_does_not_fire_would_be_noticed(rules: list[dict[str, Any]], tmp_path: Path) -> None:
    assert "exp:" in check([make_test(rules, "ModelBusy", Fault({}))], tmp_path)


def make_test(rules: list[dict[str, Any]], name: str, fault: Fault) -> dict[str, Any]:
    """Return a test of promtool: at that time one alert fires, or none, and no other."""
    expected = []
    for rule in rules:
        labels = {**rule["labels"], "job": "model", "instance": "a", **fault.labels}
        alert = {"exp_labels": labels, "exp_annotations": rule["annotations"]}
        expected.append((rule["alert"], [alert] if rule["alert"] == name else []))
    return {
        "interval": "1m",
        "input_series": [make_series(series, values) for series, values in {**ALL_WELL, **fault.series}.items()],
        "alert_rule_test": [
            {"eval_time": f"{fault.hours * 60:.0f}m", "alertname": alert, "exp_alerts": alerts}
            for alert, alerts in expected
        ],
    }


def make_series(series: str, values: str, instance: str = "a") -> dict[str, str]:
    """Return a series of a server."""
    name, _, labels = series.rstrip("}").partition("{")
    own = ", ".join(filter(None, ["job='model'", f"instance='{instance}'", labels]))
    return {"series": f"{name}{{{own}}}", "values": values}


def check(tests: list[dict[str, Any]], folder: Path) -> str:
    """Return what promtool finds wrong."""
    content = {"rule_files": ["alerts.yaml"], "evaluation_interval": "1m", "tests": tests}
    (folder / "tests.yaml").write_text(json.dumps(content), encoding="utf-8")
    ended = run_promtool(folder, "test", "rules", "tests.yaml")
    return "" if ended.returncode == 0 else ended.stdout + ended.stderr


def run_promtool(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run promtool in a folder."""
    return subprocess.run(["promtool", *args], cwd=folder, capture_output=True, text=True, timeout=120)
