"""The command `python -m flask_psc_model.cli.run_job`."""

import json
import os
import socket

import pytest

from . import models
from .commands import run_python
from .project import make_project, serve
from .template import TEMPLATE
from .web_servers import answer_with

GOOD = {"GET /status": (200, "the model is ready"), "POST /run": (200, "all is done")}


def run_job(*args, **options):
    """Run the command, in the template's folder by default."""
    options.setdefault("folder", TEMPLATE)
    return run_python("-m", "flask_psc_model.cli.run_job", *args, **options)


def check_failed(ending, *texts):
    """Check that a command failed with one clear message."""
    assert ending.code == 1, ending
    assert "Traceback" not in ending.errors
    [line] = ending.errors.splitlines()
    assert line.startswith("error: ")
    for text in texts:
        assert text in line


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Return a real server whose model does what its input says."""
    project = make_project(tmp_path_factory.mktemp("run_job") / "p", models.ACTOR)
    with serve(project) as server:
        yield server


@pytest.mark.server
def test_a_job_runs_on_a_real_server(server, job):
    job.give("hello")
    args = ["--input", str(job.input), "--output", str(job.output)]
    ending = run_job("--url", server.client.url + "/run", *args)
    assert ending.code == 0, ending
    assert ending.errors == ""
    assert "200" in ending.output
    assert job.outputs() == {"results.json": "hello"}


@pytest.mark.server
@pytest.mark.parametrize(
    ("line", "texts"),
    [
        ("refuse a cat, please", ("422", "a cat, please")),
        ("fail badly", ("500", "RuntimeError: badly")),
    ],
)
def test_a_failure_shows_the_message_of_the_model(server, job, line, texts):
    job.give(line)
    args = ["-i", str(job.input), "-o", str(job.output)]
    check_failed(run_job("--url", server.client.url, *args), *texts)
    assert job.outputs() is None


@pytest.mark.server
def test_a_missing_input_folder_shows_what_the_server_says(server, job):
    args = ["-i", str(job.folder / "nowhere"), "-o", str(job.output)]
    check_failed(run_job("--url", server.client.url, *args), "400", "nowhere")


def test_a_relative_folder_that_exists_here_is_made_absolute(job):
    with answer_with(GOOD) as (url, requests):
        ending = run_job(
            *["--url", url, "-i", "in", "-o", "/data/out"],
            folder=job.folder,
            PYTHONPATH=TEMPLATE,
        )
    assert ending.code == 0, ending
    assert [each.path for each in requests] == ["/status", "/run"]
    assert json.loads(requests[1].body.decode()) == {
        "type": "file",
        "input": os.path.realpath(str(job.input)),
        "output": "/data/out",
    }


def test_a_full_disk_does_not_stop_the_job():
    with answer_with(GOOD) as (url, requests), open("/dev/full", "w") as full:
        ending = run_job("--url", url, "-i", "/in", "-o", "/out", stdout=full)
    check_failed(ending, "cannot write standard output: No space left on device")
    assert [each.path for each in requests] == ["/status", "/run"]


def test_the_environment_gives_what_the_command_line_does_not():
    with answer_with(GOOD) as (url, requests):
        ending = run_job(
            "--input",
            "/from-the-command-line",
            PSC_MODEL_URL=url,
            PSC_MODEL_INPUT="/in",
            PSC_MODEL_OUTPUT="/out",
        )
    assert ending.code == 0, ending
    body = json.loads(requests[1].body.decode())
    assert (body["input"], body["output"]) == ("/from-the-command-line", "/out")


def test_what_is_missing_is_asked_for():
    with answer_with(GOOD) as (url, requests):
        ending = run_job(text="{}\n/typed-in\n/typed-out\n".format(url))
    assert ending.code == 0, ending
    for question in ("URL of the model's server", "input files", "output files"):
        assert question in ending.output
    body = json.loads(requests[1].body.decode())
    assert (body["input"], body["output"]) == ("/typed-in", "/typed-out")


def test_only_what_is_missing_is_asked_for():
    with answer_with(GOOD) as (url, requests):
        ending = run_job("--url", url, "-i", "/in", text="/typed-out\n")
    assert ending.code == 0, ending
    assert "URL" not in ending.output.split("Folder")[0]
    assert json.loads(requests[1].body.decode())["output"] == "/typed-out"


def test_no_answer_to_a_question_ends_without_a_traceback():
    ending = run_job(text="")
    assert ending.code == 1
    assert "Traceback" not in ending.errors
    assert "Abort" in ending.errors


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda url: url + "/run", "/run"),
        (lambda url: url + "/", "/run"),
        (lambda url: url.replace("http://", ""), "/run"),
        (lambda url: url + "/color/run", "/color/run"),
    ],
    ids=["with /run", "with a slash", "without http://", "below a path"],
)
def test_the_url_may_be_written_in_several_ways(change, path):
    answers = {key.replace("/run", path): value for key, value in GOOD.items()}
    answers["GET " + path.replace("run", "status")] = GOOD["GET /status"]
    with answer_with(answers) as (url, requests):
        ending = run_job("--url", change(url), "-i", "/in", "-o", "/out")
    assert ending.code == 0, ending
    assert requests[1].path == path


def test_no_server_is_one_message_that_asks_whether_it_runs():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = "http://127.0.0.1:{}".format(closed.getsockname()[1])
        ending = run_job("--url", url, "-i", "/in", "-o", "/out")
    check_failed(ending, "no answer from " + url, "is the server running there?")


def test_a_wrong_url_is_one_message_that_shows_a_right_one():
    ending = run_job("--url", "ftp://localhost", "-i", "/in", "-o", "/out")
    check_failed(ending, "'ftp://localhost' is not a URL such as http://localhost:8080")


def test_a_password_in_a_url_is_not_shown():
    ending = run_job("--url", "http://me:secret@localhost:1", "-i", "/in", "-o", "/out")
    check_failed(ending, "the URL holds a user name or a password")
    assert "secret" not in ending.output + ending.errors


@pytest.mark.parametrize(
    ("answers", "texts"),
    [
        ({"GET /status": (200, b"<html>hello</html>")}, ("not the response object",)),
        ({"GET /status": (500, "no weights")}, ("500", "no weights")),
        ({}, ("404",)),
        ({"GET /status": (502, b"<h1>")}, ("the server answered 502: not the",)),
        ({"GET /status": (204, b"")}, ("the server answered 204: not the",)),
        ({"GET /status": (500, b"")}, ("the server answered 500: not the",)),
    ],
)
def test_a_server_that_is_not_ready_or_another_one_is_one_message(answers, texts):
    with answer_with(answers) as (url, requests):
        ending = run_job("--url", url, "-i", "/in", "-o", "/out")
    check_failed(ending, *texts)
    assert [each.path for each in requests] == ["/status"]


def test_a_redirect_says_which_url_to_pass():
    answers = dict(GOOD, **{"POST /run": (302, b"")})
    headers = {"Location": "https://models.example/color/run"}
    with answer_with(answers, headers=headers) as (url, requests):
        ending = run_job("--url", url, "-i", "/in", "-o", "/out")
    check_failed(ending, "answered 302", "pass --url https://models.example/color")
    assert [each.method for each in requests] == ["GET", "POST"]


def test_a_job_is_waited_for_as_long_as_the_option_says():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(1)
        url = "http://127.0.0.1:{}".format(silent.getsockname()[1])
        args = ["--url", url, "-i", "/in", "-o", "/out", "--timeout", "300ms"]
        ending = run_job(*args)
    check_failed(ending, "no response from {} within 0.3 s".format(url), "--timeout")


def test_a_job_says_that_it_waits():
    with answer_with(GOOD) as (url, _):
        ending = run_job("--url", url, "-i", "/in", "-o", "/out")
    assert "POST {}/run (waiting for the job to end)\n".format(url) in ending.output


@pytest.mark.parametrize("value", ["soon", "0", "-1", "inf"])
def test_a_time_limit_that_is_none_is_refused(value):
    ending = run_job("--timeout", value, "--url", "x", "-i", "/in", "-o", "/out")
    assert ending.code == 2
    assert "expected a time such as 20s" in ending.errors


def test_help_explains_the_options_and_the_variables():
    ending = run_job("--help")
    assert ending.code == 0
    for text in ("--url", "-i, --input", "-o, --output", "PSC_MODEL_URL"):
        assert text in ending.output
