"""The real server: its settings, the sizes in `model.yaml`, and its log."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys

import pytest
from flask_psc_model.client import Client
from flask_psc_model.testing.live_server import find_free_port

from . import models
from .apps import check
from .commands import run_python
from .processes import is_alive, list_tree, wait_until
from .project import make_project, serve, write

pytestmark = pytest.mark.server

#: What each server writes when `model.yaml` is wrong.
STARTS = {
    "gunicorn": ["./entrypoint.sh"],
    "python app.py": [sys.executable, "app.py"],
    "flask run": [sys.executable, "-m", "flask", "run"],
}

WRONG = [
    ({"timeouts": {"run": None}}, "timeout.run", "blank"),
    ({"timeouts": {"status": "soon"}}, "timeout.status", "'soon'"),
    ({"resources": None}, "resources", "blank"),
    ({"resources": {"memory": {"size": "big"}}}, "resources.memory.size", "'big'"),
    ({"resources": {"cpu": {"count": True}}}, "resources.cpu.count", "True"),
    ({"inputs": {"a.txt": {"maxSize": None}}}, "inputs.a.txt.maxSize", "blank"),
    ({"inputs": "a.txt"}, "inputs", "'a.txt'"),
]


@contextlib.contextmanager
def start_process(project, command, **environment):
    """Start a server's process; kill it at the end."""
    path = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    process = subprocess.Popen(
        command,
        cwd=project,
        env=dict(os.environ, PATH=path, **environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
    )
    try:
        yield process
    finally:
        # a server's own processes end with it
        process.kill()
        process.wait()
        process.stdout.close()


def start(project, command, **environment):
    """Start a server that should refuse to; return its exit code and output."""
    environment.setdefault("PSC_MODEL_PORT", "0")
    with start_process(project, command, **environment) as process:
        output = process.communicate(timeout=30)[0]
    return process.returncode, output


@pytest.mark.parametrize(
    ("options", "key", "value"), WRONG, ids=[each[1] for each in WRONG]
)
def test_a_blank_or_wrong_value_stops_the_server_with_one_line(
    tmp_path, options, key, value
):
    project = make_project(tmp_path / "project", models.ECHO, **options)
    code, output = start(project, STARTS["gunicorn"])
    assert code not in (0, None)
    [line] = output.splitlines()
    path = os.path.join(os.path.realpath(project), "model.yaml")
    assert line.startswith("error: {}: {} is {}: ".format(path, key, value))


def check_error(output, *parts):
    """Check that output ends in its only error, one line that holds some texts."""
    # older versions of Flask introduce themselves before they load the app
    [line] = [each for each in output.splitlines() if each.startswith("error: ")]
    assert output.endswith(line + "\n")
    assert "Traceback" not in output
    for part in parts:
        assert part in line


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("timeout: {run: soon}", ["timeout.run is 'soon'"]),
        ("timeout: [", ["is not valid YAML", "in line 1, column 11"]),
        (
            "timeout:\n  run: 20s\n  run: 30s\n",
            ["timeout.run is there twice", "line 2", "'20s'", "line 3", "'30s'"],
        ),
    ],
    ids=["value", "YAML", "duplicate"],
)
@pytest.mark.parametrize("name", STARTS)
def test_a_wrong_model_yaml_stops_every_server_with_one_line(
    tmp_path, name, text, parts
):
    project = make_project(tmp_path / "project", models.ECHO)
    write(project, "model.yaml", text)
    code, output = start(project, STARTS[name])
    assert code == 1
    check_error(output, "model.yaml", *parts)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PSC_MODEL_PORT", "abc"),
        ("PSC_MODEL_PORT", "70000"),
        ("PSC_MODEL_PORT", "tcp://10.0.0.1:8080"),
        ("PSC_MODEL_HOST", "0.0.0.0:80"),
        ("PSC_MODEL_PROCESSES", "²"),
        ("PSC_MODEL_PAGE", "maybe"),
        ("PSC_MODEL_ALLOWED_HOSTS", "http://box"),
        ("PSC_LOG_FORMAT", "xml"),
    ],
)
@pytest.mark.parametrize("name", STARTS)
def test_a_wrong_variable_stops_every_server_with_one_line(
    tmp_path, name, variable, value
):
    project = make_project(tmp_path / "project", models.ECHO)
    code, output = start(project, STARTS[name], **{variable: value})
    assert code == 1
    check_error(output, "error: {} is {!r}: ".format(variable, value))


def test_a_bulk_run_names_a_wrong_variable(tmp_path):
    project = make_project(tmp_path / "project", models.ECHO)
    os.makedirs(os.path.join(project, "in", "one"))
    write(project, "in/one/input.txt", "hello")
    args = ["-m", "flask_psc_model.cli.run_many", "in", "out"]
    ending = run_python(*args, folder=project, PSC_LOG_FORMAT="xml")
    assert ending.code == 2
    assert "PSC_LOG_FORMAT is 'xml'" in ending.errors
    # it has no port
    ending = run_python(*args, folder=project, PSC_MODEL_PORT="tcp://10.0.0.1:80")
    assert ending.code == 0, ending


@pytest.mark.parametrize("value", ["http", "70000", "-1", "²"])
def test_a_wrong_port_of_the_development_server_is_one_message(tmp_path, value):
    project = make_project(tmp_path / "project", models.ECHO)
    ending = run_python("app.py", "--port=" + value, folder=project)
    assert ending.code == 2
    assert "argument --port: {!r}: set it to".format(value) in ending.errors
    assert "Traceback" not in ending.errors


# --- the address -----------------------------------------------------------------

LOOPBACK = {"::1": "[::1]", "[::1]": "[::1]", "::": "[::1]", "0.0.0.0": "127.0.0.1"}


@pytest.mark.parametrize("host", LOOPBACK)
@pytest.mark.parametrize("name", STARTS)
def test_every_server_listens_where_it_should_and_the_health_check_follows(
    tmp_path, name, host
):
    project = make_project(tmp_path / "project", models.ECHO)
    # the helper that waits knows no other host: wait with the health check itself
    environment = {"PSC_MODEL_HOST": host, "PSC_MODEL_PORT": str(find_free_port())}
    with start_process(project, STARTS[name], **environment) as process:
        check_status = ["-m", "flask_psc_model.cli.check_status"]

        def is_ready():
            assert process.poll() is None
            return run_python(*check_status, folder=project, **environment).code == 0

        wait_until(is_ready, 60)
        url = "http://{}:{}".format(LOOPBACK[host], environment["PSC_MODEL_PORT"])
        check(Client(url).get("/status"), 200)


# --- a reload --------------------------------------------------------------------


@pytest.fixture
def reloaded(tmp_path):
    """Return a function that replaces `model.yaml` of a server and reloads it."""
    project = make_project(tmp_path / "project", models.ACTOR)

    def read_pids(server):
        return set(list_tree(server.process.pid)) - {server.process.pid}

    def reload(server, text):
        path = os.path.join(project, "model.yaml")
        if text is None:
            os.remove(path)
        else:
            write(project, "model.yaml", text)
        old = read_pids(server)
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: not any(map(is_alive, old)), 60)
        check(server.client.get("/status"), 200)

    with serve(project) as server:
        check(server.client.get("/status"), 200)
        yield server, lambda text: reload(server, text)


WITH_LIMIT = """\
timeout: {run: 20s}
inputs: {input.txt: {maxSize: %s}}
outputs: {results.json: {}}
"""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("timeout: [", "is not valid YAML"),
        ("timeout: {run: soon}", "timeout.run is 'soon'"),
        ("a: 1\na: 2", "a is there twice"),
        (None, "No such file"),
    ],
    ids=["YAML", "value", "duplicate", "removed"],
)
def test_a_reload_with_a_broken_model_yaml_keeps_the_old_settings_and_says_why(
    reloaded, job, text, problem
):
    server, reload = reloaded
    reload(WITH_LIMIT % 10)
    reload(text)
    [line] = [each for each in server.read_log().splitlines() if problem in each]
    assert "ERROR" in line
    assert "the server keeps its settings" in line
    # also those that the web process reads
    check(server.client.post("/run", json=job.give("x" * 11).body), 422, "maxSize")
    check(server.client.post("/run", json=job.give("x" * 10).body), 200)
    reload(WITH_LIMIT % 5)
    check(server.client.post("/run", json=job.give("x" * 10).body), 422, "maxSize")


# --- sizes -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def sized_server(tmp_path_factory):
    """Return a server that allows 40 bytes of input and promises 20 of output."""
    project = make_project(
        tmp_path_factory.mktemp("sizes") / "project",
        models.ACTOR,
        inputs={"input.txt": {"maxSize": 40}},
        outputs={"results.json": {"maxSize": "20B"}},
    )
    with serve(project) as server:
        yield server


def test_an_input_of_the_allowed_size_passes(sized_server, job):
    job.give("x" * 40)
    check(sized_server.client.post("/run", json=job.body), 200)


def test_a_larger_input_is_a_422_that_names_file_and_limit(sized_server, job):
    job.give("x" * 41).leave("old")
    text = check(sized_server.client.post("/run", json=job.body), 422, "input.txt")
    for part in ("41 bytes", "40", "maxSize"):
        assert part in text
    assert job.outputs() == {"results.json": "old"}


def test_the_model_has_its_say_first(sized_server, job):
    job.give("refuse this file, which is much too large for me")
    answer = sized_server.client.post("/run", json=job.body)
    assert check(answer, 422) == "this file, which is much too large for me"


def test_a_larger_output_is_a_warning_in_the_log(sized_server, job):
    before = len(sized_server.read_log())
    check(sized_server.client.post("/run", json=job.give("x" * 20).body), 200)
    assert "maxSize" not in sized_server.read_log()[before:]
    check(sized_server.client.post("/run", json=job.give("x" * 21).body), 200)
    lines = sized_server.read_log()[before:].splitlines()
    [line] = [each for each in lines if "outputs.results.json.maxSize" in each]
    assert "WARNING" in line
    for part in ("results.json", "21 bytes", "20"):
        assert part in line


# --- the log ---------------------------------------------------------------------


def post(server, body, **headers):
    """Post to `/run` with some headers; return the answer's id and the answer."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("POST", "/run", json.dumps(body), headers)
    answer = connection.getresponse()
    content = json.loads(answer.read().decode())
    connection.close()
    return answer.getheader("X-Request-ID"), content


@pytest.mark.parametrize("style", [None, "text", "json"])
def test_the_log_is_on_standard_error_with_one_line_an_event(tmp_path, job, style):
    project = make_project(tmp_path / "project", models.ACTOR)
    command = ["sh", "-c", "exec ./entrypoint.sh >out.txt 2>log.txt"]
    environment = {"PSC_LOG_FORMAT": style} if style else {}
    with serve(project, command, **environment) as server:
        given = {"X-Request-ID": "given-by-the-client"}
        request_id, content = post(server, job.give("fine").body, **given)
        assert request_id == "given-by-the-client"
        assert content["statusCode"] == 200
        failed_id, content = post(server, job.give("fail the reason").body)
        assert "the reason" in content["message"]
        refused_id, _ = post(server, job.give("refuse two\\n lines").body)
        _, content = post(server, {"type": "file"})
        check(server.client.post("/shutdown"), 202)
        assert server.wait() == 0
    with open(os.path.join(project, "out.txt")) as file:
        assert file.read() == ""
    with open(os.path.join(project, "log.txt"), encoding="utf-8") as file:
        lines = file.read().splitlines()
    if style == "json":
        entries = [json.loads(line) for line in lines]
        tracebacks = [each for each in entries if "traceback" in each]
        [failed] = [each for each in tracebacks if each["request_id"] == failed_id]
        assert "RuntimeError: the reason" in failed["traceback"]
        ids = [each["request_id"] for each in entries]
        assert all(re.match(r"20\d\d-.*Z$", each["time"]) for each in entries)
        assert all(each["message"] for each in entries)
    else:
        events = [
            line for line in lines if re.match(r"20\d\d-\S+Z [A-Z]+ +\S+ .", line)
        ]
        ids = [line.split()[2] for line in events]
        text = "\n".join(lines)
        assert "RuntimeError: the reason" in text
        assert "Traceback (most recent call last)" in text
        others = [line for line in lines if line not in events]
        assert all(
            re.match(r"Traceback|  |\w*(Error|Exception|Failed)|$|The above", x)
            for x in others
        )
    for each in ("given-by-the-client", failed_id, refused_id):
        assert each in ids


def test_there_is_an_access_log_where_one_is_wanted(tmp_path):
    project = make_project(tmp_path / "project", models.ECHO)
    log = tmp_path / "access.log"
    with serve(project, GUNICORN_CMD_ARGS="--access-logfile {}".format(log)) as server:
        check(server.client.get("/status"), 200)
        wait_until(lambda: '"GET /status HTTP/1.1" 200' in log.read_text())
