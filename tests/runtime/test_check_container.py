"""The command `python -m flask_psc_model.cli.check_container`, without an engine.

`tests/containers` in this repository has the tests with one.
"""

import contextlib
import errno
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from flask_psc_model.client import Client
from flask_psc_model.model.spec import ModelSpec
from flask_psc_model.tools.conformance import container_checks
from flask_psc_model.tools.conformance.check import Finding, observe
from flask_psc_model.tools.conformance.checks import CHECKS, choose_checks
from flask_psc_model.tools.conformance.report import Report, make_result, write_junit
from flask_psc_model.tools.conformance.runner import CheckRunner
from flask_psc_model.tools.conformance.server_under_test import (
    ModelCases,
    ServerUnderTest,
)
from flask_psc_model.tools.containers import shared_folder
from flask_psc_model.tools.containers.shared_folder import FolderFailed

from .commands import run_python
from .fake_engines import FakeEngine
from .processes import wait_until
from .template import TEMPLATE
from .tiny_servers import TINY, serve_tiny
from .web_servers import answer_with

#: The checks that need no container.
SERVER_CHECKS = {check.name for check in CHECKS if not check.needs_container}


@pytest.fixture
def engine(tmp_path):
    """Return a fake engine."""
    return FakeEngine(tmp_path / "engine")


@pytest.fixture
def model(tmp_path):
    """Return a copy of the model's files, to change them."""
    return shutil.copytree(TINY, str(tmp_path / "model"))


def check_server(url, *names, folder=TINY, **options):
    """Run checks of a running server, and return the report."""
    spec = ModelSpec.load(folder)
    cases = ModelCases.read(os.path.join(folder, "tests", "data"), spec)
    report = Report(url, True)
    checks = choose_checks(names)
    CheckRunner(checks, cases, spec.limits, report, **options).check_server(url)
    return report


def checks_of(report, *verdicts):
    """Return the names of the checks with a verdict."""
    return {each.check for each in report.results if each.verdict in verdicts}


def check_container(*args, engine=None, model=TINY, **variables):
    """Run the command, to its end."""
    command = ("-m", "flask_psc_model.cli.check_container", "--metadata", model)
    variables.setdefault("PATH", engine.folder if engine else os.environ["PATH"])
    return run_python(*command + args, folder=TEMPLATE, **variables)


def check_error(ending, *texts):
    """Check that nothing could be checked, and that one line says why."""
    assert ending.code == 2, ending
    [line] = ending.errors.splitlines()
    assert line.startswith("error: ")
    for text in texts:
        assert text in line


# --- the checks of a running server ----------------------------------------------


def test_a_server_that_keeps_the_specification_passes_every_check():
    with serve_tiny() as url:
        report = check_server(url)
        assert Client(url).get("/status").status_code == 200
    assert {each.verdict for each in report.results} == {"passed"}
    assert checks_of(report, "passed") == SERVER_CHECKS
    subjects = [each.subject for each in report.results if each.check == "examples"]
    assert subjects == ["two-lines", "word"]


@pytest.mark.parametrize(
    "fault",
    [
        "status",
        "examples",
        "validation-errors",
        "validation-errors/message",
        "malformed-jobs",
        "media-type",
        "missing-input",
        "response-object",
        "response-object/code",
        "fresh-output",
        "same-job-twice",
    ],
)
def test_a_fault_is_caught_by_the_check_that_is_named_after_it(fault):
    check = fault.split("/")[0]
    with serve_tiny(fault) as url:
        report = check_server(url)
    assert report.has_failed()
    assert checks_of(report, "failed") == {check}
    assert checks_of(report, "recommendation") <= {check}


@pytest.mark.parametrize("check", ["parallel-jobs", "status-during-run"])
def test_a_fault_against_best_practice_is_a_recommendation(check, monkeypatch):
    monkeypatch.setattr(container_checks, "PROMPT_SECONDS", 0.2)
    with serve_tiny(check) as url:
        report = check_server(url, check)
    assert not report.has_failed()
    assert checks_of(report, "recommendation") == {check}


@pytest.mark.parametrize(
    ("user", "dockerfile_user", "passed"),
    [
        ("1000", "", True),
        ("1000", "root", True),
        ("", "", False),
        ("root", "1000:1000", False),
        ("0:1000", "", False),
        ("root", "root", True),
        ("root", "0:0", True),
    ],
)
def test_root_is_against_best_practice_unless_the_dockerfile_names_it(
    user, dockerfile_user, passed
):
    container = SimpleNamespace(image_config={"User": user})
    server = ServerUnderTest(None, None, None, None, 0.0, container, dockerfile_user)
    [finding] = container_checks.check_user.find(server)
    assert finding.passed is passed
    assert finding.got == (user or "root")


def test_a_status_that_is_not_good_skips_the_rest():
    with serve_tiny("status") as url:
        report = check_server(url, "examples", "media-type")
    assert [(each.check, each.verdict) for each in report.results] == [
        ("status", "failed"),
        ("examples", "skipped"),
        ("media-type", "skipped"),
    ]
    assert "500: no weights" in report.results[0].got


def test_a_model_without_a_refusal_is_not_checked_for_it(model):
    shutil.rmtree(os.path.join(model, "tests", "data", "validation-error"))
    with serve_tiny() as url:
        report = check_server(url, folder=model)
    assert checks_of(report, "skipped") == {"validation-errors"}
    assert not report.has_failed()


def test_numbers_may_differ_by_the_tolerance(model):
    path = os.path.join(model, "tests", "data", "examples", "word", "results.json")
    with open(path, "w") as file:
        json.dump({"text": "HELLO", "length": 5.01}, file)
    with serve_tiny() as url:
        assert check_server(url, "examples", folder=model).has_failed()
        report = check_server(url, "examples", folder=model, tolerance=0.01)
    assert not report.has_failed()


def test_a_run_that_cannot_be_held_up_is_not_checked():
    answers = {
        "GET /status": (200, "ready"),
        "POST /run": (400, "a pipe is no file"),
    }
    with answer_with(answers) as (url, _):
        report = check_server(url, "status-during-run")
    [result] = report.results
    assert result.verdict == "skipped"
    assert "it ended with 400: a pipe is no file" in result.got


def test_every_answer_that_is_not_the_response_object_is_reported_with_its_fault():
    def body(**changes):
        content = {"statusCode": 404, "status": "Not Found", "message": "gone"}
        return json.dumps(dict(content, **changes)).encode()

    good = {"GET /status": (200, "ready")}
    bad = {
        "GET /run": (404, body(statusCode="404")),
        "POST /run": (404, body(message=" ")),
        "POST /status": (404, body(status=7)),
        "GET /no-such-route": (404, b"[]"),
        "POST /no-such-route": (404, b"<h1>"),
    }
    with answer_with(dict(good, **bad)) as (url, _):
        report = check_server(url, "response-object")
    got = {each.subject: each.got for each in report.results}
    assert "\"statusCode\" is '404'" in got["GET /run"]
    assert "\"message\" is ' '" in got["POST /run"]
    assert '"status" is 7' in got["POST /status"]
    for subject in ("GET /no-such-route", "POST /no-such-route"):
        assert "not a JSON object" in got[subject]
    with answer_with(good, "text/plain") as (url, _):
        report = check_server(url, "response-object")
    assert "content type 'text/plain'" in report.results[0].got


# --- the command -----------------------------------------------------------------


def test_the_exit_status_and_a_line_show_each_result():
    with serve_tiny("media-type") as url:
        ending = check_container("--url", url, "--only", "media-type,examples")
    assert ending.code == 1
    lines = ending.output.splitlines()
    assert lines[0] == (
        "ok              examples/two-lines: expected 200, and results.json as in the"
        " case, got the same [docs/server/checking.md#examples]"
    )
    assert lines[2] == (
        "FAIL            media-type/text/plain: expected 415, got 400: expected JSON"
        " [docs/server/checking.md#media-type]"
    )
    assert lines[-1].endswith(": 2 passed, 2 failed, 0 recommendations, 0 skipped")
    assert "\x1b" not in ending.output


def test_checks_can_be_named_several_times():
    with serve_tiny("media-type") as url:
        args = ["--url", url, "--only", "missing-input", "--only", " status, examples"]
        ending = check_container(*args)
    assert ending.code == 0, ending
    assert "media-type" not in ending.output
    assert ending.output.count("missing-input/") == 2


def test_the_report_comes_as_json_and_as_junit_xml(tmp_path):
    path = str(tmp_path / "junit.xml")
    with serve_tiny("media-type") as url:
        args = ["--url", url, "--only", "media-type,status", "--json", "--report", path]
        ending = check_container(*args)
    report = json.loads(ending.output)
    assert not report["passed"]
    assert report["counts"] == {
        "passed": 1,
        "failed": 2,
        "recommendation": 0,
        "skipped": 0,
    }
    assert report["results"][1]["check"] == "media-type"
    assert report["results"][1]["got"] == "400: expected JSON"
    assert report["results"][1]["section"] == "HTTP API specification: run"
    assert report["results"][1]["docs"] == "docs/server/checking.md#media-type"
    [suite] = ElementTree.parse(path).getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("3", "2")
    messages = [failure.get("message") for failure in suite.iter("failure")]
    assert "expected 415, got 400: expected JSON" in messages[0]
    assert "FAIL" in ending.errors


def test_help_names_every_check():
    ending = check_container("--help")
    assert ending.code == 0
    for check in CHECKS:
        assert "  {} ".format(check.name) in ending.output


def test_every_check_is_explained_in_a_section_of_its_name():
    page, _, _ = CHECKS[0].docs.partition("#")
    with open(os.path.join(TEMPLATE, page), encoding="utf-8") as file:
        text = file.read().split("\n## The checks\n")[1].split("\n## ")[0]
    titles = re.findall(r"^### (.*)$", text, re.MULTILINE)
    assert titles == [check.name for check in CHECKS]
    assert [f"{page}#{title}" for title in titles] == [check.docs for check in CHECKS]


NOTHING = "error: name an image, or a running server with --url"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], NOTHING),
        (["--url", ""], NOTHING),
        ([""], NOTHING),
        (["model", "--url", "http://localhost:1"], NOTHING + ", not both"),
    ],
)
def test_one_thing_is_checked(args, message):
    ending = check_container(*args)
    assert (ending.code, ending.errors) == (2, message + "\n")


def test_no_engine_is_an_error(tmp_path):
    check_error(check_container("model", PATH=str(tmp_path)), "docker", "--engine")


def test_an_engine_that_does_not_run_is_an_error(engine):
    engine.write("broken", "Cannot connect to the daemon at unix:///x")
    check_error(check_container("model", engine=engine), "Cannot connect", "start the")


def test_another_engine_can_be_named(engine):
    os.rename(engine.command, os.path.join(engine.folder, "podman"))
    ending = check_container("missing", "--engine", "podman", engine=engine)
    check_error(ending, "there is no image missing here", "podman build -t missing .")


def test_no_image_is_an_error(engine):
    check_error(check_container("missing", engine=engine), "no image missing")


def test_no_server_is_an_error():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = "http://127.0.0.1:{}".format(closed.getsockname()[1])
        check_error(check_container("--url", url), "no answer from " + url)


def test_no_check_of_that_name_is_an_error():
    ending = check_container("model", "--only", "examples,exmaples")
    check_error(ending, "there is no check exmaples; there are: command, port")


def test_no_data_is_an_error(model, tmp_path):
    nowhere = str(tmp_path / "nowhere")
    check_error(
        check_container("model", "--data", nowhere), "no data folder " + nowhere
    )
    check_error(check_container("model", model=nowhere), "no file or folder " + nowhere)
    check_error(check_container("model", model=str(tmp_path)), "there is no model.yaml")
    data = os.path.join(model, "tests", "data")
    os.remove(os.path.join(data, "examples", "word", "results.json"))
    check_error(check_container("model", model=model), "has no results.json")
    shutil.rmtree(os.path.join(data, "examples"))
    check_error(check_container("model", model=model), "there is no case in " + data)


def test_a_wrong_model_yaml_is_an_error(model):
    path = os.path.join(model, "model.yaml")
    with open(path, "a") as file:
        file.write("  run: soon\n")
    check_error(check_container("model", model=model), path, "timeout.run", "soon")
    with open(path, "w") as file:
        file.write("outputs: {results.json: {}}\n")
    check_error(check_container("model", model=model), "model.yaml names no inputs")


@pytest.mark.parametrize("name", ["file/junit.xml", "folder"])
def test_a_report_that_cannot_be_written_is_an_error_before_the_checks(tmp_path, name):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    path = str(tmp_path / name)
    with serve_tiny() as url:
        ending = check_container("--url", url, "--report", path)
    check_error(ending, str(tmp_path))
    assert ending.output == ""


def test_the_folder_of_a_report_is_made(tmp_path):
    path = str(tmp_path / "new" / "folder" / "junit.xml")
    with serve_tiny() as url:
        args = ["--url", url, "--only", "status", "--report", path]
        assert check_container(*args).code == 0
    assert ElementTree.parse(path).getroot().tag == "testsuites"


def test_names_and_messages_that_xml_cannot_hold_are_cleaned(tmp_path):
    path = str(tmp_path / "junit.xml")
    report = Report("a\x1b\udce4\uffff", True)
    for subject in ("esc\x1bape", "byte\udce9", "line\nbreak"):
        finding = Finding(subject, "\x00", "\x1b[31m\ufffe", False)
        report.add(make_result(CHECKS[0], finding, log="\x1b\udcff\ufffe"))
    write_junit(report, path)
    names = [case.get("name") for case in ElementTree.parse(path).iter("testcase")]
    assert names == [
        r"command/esc\x1bape",
        r"command/byte\udce9",
        r"command/line\nbreak",
    ]


@pytest.mark.parametrize("value", ["inf", "nan", "-1", "1e999", "-inf"])
def test_a_tolerance_is_a_finite_number(value):
    ending = check_container("model", "--tolerance", value)
    assert ending.code == 2
    assert "is not a finite number of 0 or more" in ending.errors


def test_a_case_that_cannot_be_compared_fails_by_its_name(model):
    path = os.path.join(model, "tests", "data", "examples", "word", "results.json")
    with open(path, "w") as file:
        file.write('{"text": "HELLO", "length": ' + "[" * 600 + "]" * 600 + "}")
    with serve_tiny() as url:
        report = check_server(url, "examples", folder=model)
    verdicts = {each.subject: each.verdict for each in report.results}
    assert verdicts == {"two-lines": "passed", "word": "failed"}


def test_any_error_of_a_check_is_a_finding():
    def look():
        raise RecursionError("too deep")

    finding = observe("word", "200", look)
    assert (finding.passed, finding.got) == (False, "RecursionError: too deep")


def test_an_answer_nested_too_deeply_is_no_response_object():
    answers = {"GET /status": (200, "ready"), "GET /run": (404, b"[" * 99999)}
    with answer_with(answers) as (url, _):
        report = check_server(url, "response-object")
    got = {each.subject: each.got for each in report.results}
    assert "not a JSON object" in got["GET /run"]


def test_a_full_disk_is_no_fault_of_the_server(monkeypatch):
    def fail(path, mode, change=os.chmod):
        if path.endswith("input.txt"):
            raise OSError(errno.ENOSPC, "No space left on device")
        change(path, mode)

    monkeypatch.setattr(shared_folder.os, "chmod", fail)
    expected = pytest.raises(FolderFailed, match="input.txt: No space .*; free some")
    with serve_tiny() as url, expected:
        check_server(url, "examples")


def test_a_disk_without_space_for_the_outputs_is_no_fault_of_the_server(monkeypatch):
    full = os.statvfs_result((4096, 4096, 9, 0, 0, 9, 9, 9, 0, 255))
    monkeypatch.setattr(shared_folder.os, "statvfs", lambda path: full)
    expected = pytest.raises(FolderFailed, match="psc-.* has 0 bytes of free space")
    with serve_tiny() as url, expected:
        check_server(url, "examples")


def test_the_files_of_a_job_are_removed_after_it(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    sizes = []

    def count(folder, inputs, make=shared_folder.SharedFolder.make_job):
        sizes.append(len(os.listdir(folder.path)))
        return make(folder, inputs)

    monkeypatch.setattr(shared_folder.SharedFolder, "make_job", count)
    with serve_tiny() as url:
        assert not check_server(url).has_failed()
    assert len(sizes) > 20
    # jobs at the same time
    assert max(sizes) < 4


# --- containers ------------------------------------------------------------------


def test_a_container_that_exits_is_reported_with_its_log(engine):
    engine.say(None, 3)
    engine.write("log", "".join("line {}\n".format(number) for number in range(30)))
    ending = check_container("model", engine=engine)
    assert ending.code == 1
    lines = ending.output.splitlines()
    assert lines[0].startswith("FAIL            command: ")
    assert "got the container exited with code 3 [docs" in lines[0]
    assert [line.split("| ")[1] for line in lines[1:21]] == [
        "line {}".format(number) for number in range(10, 30)
    ]
    assert lines[21].startswith(
        "skipped         exec-form: not checked, since command failed"
    )
    assert engine.containers() == []


def test_what_the_engine_cannot_do_is_an_error(engine):
    engine.write("unable", 'could not select device driver "" [[gpu]]')
    ending = check_container("model", engine=engine)
    assert ending.code == 2
    assert "FAIL" not in ending.output
    assert "could not select device driver" in ending.errors
    assert "--gpus 0" in ending.errors


def test_an_engine_that_sees_another_tmp_is_an_error(engine, tmp_path):
    engine.write("blind", "")
    ending = check_container("model", engine=engine, TMPDIR=str(tmp_path))
    check_error(ending, str(tmp_path), "set TMPDIR to a folder that the engine shares")
    assert engine.calls("run") == []


def test_an_image_without_a_command_is_reported(engine):
    ending = check_container("refused", engine=engine)
    assert ending.code == 1
    assert "no command specified" in ending.output


def test_gpus_can_be_turned_off(engine, model):
    path = os.path.join(model, "model.yaml")
    with open(path) as file:
        text = file.read().replace("  cpu:", "  gpu:\n    count: 1\n  cpu:")
    with open(path, "w") as file:
        file.write(text)
    engine.say(None, 3)
    check_container("model", engine=engine, model=model)
    check_container("model", "--gpus", "0", engine=engine, model=model)
    asked, not_asked = engine.calls("run")
    assert "--gpus" in asked
    assert "--gpus" not in not_asked


@pytest.mark.parametrize("when", ["while it starts", "while its status is awaited"])
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_an_interrupt_leaves_nothing(engine, tmp_path, name, when):
    number = getattr(signal, name)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    if when == "while it starts":
        engine.write("hold", "")
    with socket.socket() as silent, contextlib.ExitStack() as stack:
        silent.bind(("127.0.0.1", 0))
        silent.listen(9)
        engine.say(silent.getsockname()[1])
        process = subprocess.Popen(
            [sys.executable, "-m", "flask_psc_model.cli.check_container", "model"]
            + ["--metadata", TINY],
            cwd=TEMPLATE,
            env=dict(
                os.environ,
                PATH=engine.folder,
                TMPDIR=str(temporary),
                PYTHONDONTWRITEBYTECODE="1",
            ),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            # as in a terminal, where Ctrl-C reaches the whole group
            start_new_session=True,
        )
        if when == "while it starts":
            wait_until(lambda: os.path.exists(engine.path("held")))
            os.killpg(process.pid, number)
            os.remove(engine.path("hold"))
        else:
            stack.enter_context(silent.accept()[0])
            os.killpg(process.pid, number)
        errors = process.communicate(timeout=60)[1]
    assert process.returncode == 128 + number, errors
    # Python itself tells what the signal has left half made
    told = re.sub(r"Exception ignored in.*\nTraceback", "", errors)
    assert "Traceback" not in told
    assert len(engine.calls("run")) == 1
    assert engine.containers() == []
    assert os.listdir(str(temporary)) == []
