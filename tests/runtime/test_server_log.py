"""The real server's log: what stands in it, and that nobody waits for its reader."""

import json
import os
import pty
import re
import subprocess
import sys

import pytest

from . import models
from .apps import check
from .job_folders import JobFolders
from .processes import find_model_process, wait_until
from .project import make_project, serve, write
from .test_prometheus import read
from .test_run_many import read_all
from .test_server_settings import post

pytestmark = pytest.mark.server

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

#: What a model may do to its log.
PRINTS = r"""
import ctypes, logging, os, subprocess, sys, threading, traceback, warnings
print("printed", {}, "größe \udc80 \x1b[31mred\x1b[0m \x07 \x7f")
sys.stdout.buffer.write(b"bytes \xff\n")
print("complained", file=sys.stderr)
logging.getLogger("leaf").info("logged")
logging.getLogger("leaf").debug("not logged")
warnings.warn("a warning")
def work():
    print("of a thread")
    logging.warning("logged by a thread")
    {}["missing"]
thread = threading.Thread(target=work)
thread.start()
thread.join()
try:
    [][1]
except IndexError:
    traceback.print_exc()
os.write(1, b"raw\n")
os.system("echo of a child; echo of its error >&2")
subprocess.call([sys.executable, "-c", "raise ValueError('of a child')"])
for percent in (1, 100):
    print("\r%d %%" % percent, end="", file=sys.stderr)
print("without end", end="")
"""

#: How often each line of these stands in the log.
PRINTED = {
    "printed {} größe \\udc80 red \x07 \x7f": 1,
    "bytes \\xff": 1,
    "complained": 1,
    "logged": 1,
    "not logged": 0,
    "of a thread": 1,
    "logged by a thread": 1,
    "IndexError: list index out of range": 1,
    "raw": 1,
    "of a child": 1,
    "of its error": 1,
    "ValueError: of a child": 1,
    "100 %": 1,
    "without end": 1,
}

#: The model's own error, and how its process ends.
ENDS = [
    ("raise RuntimeError('two\\nlines')", "RuntimeError: two\nlines"),
    ("import ctypes; ctypes.string_at(0)", "Fatal Python error: Segmentation fault"),
    ("import time; time.sleep(60)", "(most recent call first)"),
]


class JsonLog:
    """The events in the log of a server."""

    def __init__(self, server):
        self._server = server

    def read(self):
        """Return the events so far; fail where a line is no JSON object."""
        lines = self._server.read_log().splitlines(True)
        if lines and not lines[-1].endswith("\n"):
            del lines[-1]
        events = [json.loads(line) for line in lines]
        assert all(isinstance(event, dict) for event in events)
        return events

    def find(self, request_id):
        """Return the events of a request, the last of which is its response."""
        events = [each for each in self.read() if each["request_id"] == request_id]
        assert "method" in events[-1]
        return events


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Return a server whose log is JSON, and whose jobs may take two seconds."""
    folder = tmp_path_factory.mktemp("log") / "project"
    project = make_project(folder, models.SCRIPT, {"run": "2s"})
    with serve(project, PSC_LOG_FORMAT="json") as server:
        check(server.client.get("/status"), 200)
        yield server


def run(server, job, code, **headers):
    """Run code as a job; return the events of its request."""
    request_id, _ = post(server, job.give(code).body, **headers)
    return JsonLog(server).find(request_id)


def list_messages(events):
    """Return the messages of events."""
    return [event["message"] for event in events]


def test_all_that_a_model_prints_or_logs_is_json(server, job):
    events = run(server, job, PRINTS)
    messages = list_messages(events)
    assert {text: messages.count(text) for text in PRINTED} == PRINTED
    pid = find_model_process(server)
    assert all(event["process"] == pid for event in events[:-1])
    [warning] = [each for each in messages if "UserWarning: a warning" in each]
    assert "\n" not in warning
    tracebacks = "".join(event.get("traceback", "") for event in events)
    for error in ("KeyError: 'missing'", "IndexError", "ValueError: of a child"):
        assert tracebacks.count(error) == 1


@pytest.mark.parametrize(("code", "text"), ENDS, ids=["error", "crash", "limit"])
def test_a_traceback_or_a_dump_is_one_event_of_its_job(server, job, code, text):
    found = [
        event["traceback"] for event in run(server, job, code) if "traceback" in event
    ]
    assert len(found) == 1
    assert text in found[0]
    assert re.search(r"line \d+,? in act", found[0])


def test_the_event_of_a_response_has_its_fields(server, job):
    *_, event = run(server, job, "return 1", traceparent=TRACE)
    assert event.pop("duration") > 0
    expected = {
        "method": "POST",
        "route": "/run",
        "status": 200,
        "input": str(job.input),
        "output": str(job.output),
        "model_process": find_model_process(server),
        "traceparent": TRACE,
        "level": "INFO",
    }
    assert {name: event.get(name) for name in expected} == expected


def test_the_trace_is_on_the_lines_of_the_model_too(server, job):
    events = run(server, job, "print('x')", traceparent=TRACE)
    assert [event["traceparent"] for event in events] == [TRACE] * 2


def test_a_job_is_one_line_where_the_model_is_silent(server, job):
    assert len(run(server, job, "return 1")) == 1


def test_a_response_without_a_job_has_no_folders(server):
    request_id, _ = post(server, {"type": "file"})
    [event] = JsonLog(server).find(request_id)
    assert event["status"] == 400
    assert not {"input", "output", "model_process"} & set(event)


def test_a_thread_that_outlives_its_job_logs_for_nobody(server, job):
    code = [
        "import threading, time",
        "def work():",
        "    time.sleep(0.3)",
        "    print('too late')",
        "threading.Thread(target=work).start()",
    ]
    run(server, job, "\n".join(code))
    log = JsonLog(server)
    wait_until(lambda: "too late" in list_messages(log.read()))
    [late] = [each for each in log.read() if each["message"] == "too late"]
    assert late["request_id"] == "-"


def test_what_the_hooks_of_the_user_print_is_json_too(tmp_path):
    project = make_project(tmp_path / "project", models.ECHO)
    with open(os.path.join(project, "gunicorn.conf.py"), "a") as file:
        file.write(
            "\naccesslog = '-'\n"
            "def post_worker_init(worker):\n"
            "    import warnings\n"
            "    print('a hook', worker.pid)\n"
            "    warnings.warn('careful')\n"
        )
    with serve(project, PSC_LOG_FORMAT="json") as server:
        check(server.client.get("/status"), 200)
        check(server.client.post("/shutdown"), 202)
        assert server.wait() == 0
        messages = "\n".join(list_messages(JsonLog(server).read()))
    for text in ("a hook ", "UserWarning: careful", '"GET /status HTTP', "Starting gu"):
        assert text in messages


def test_a_status_that_stays_is_logged_once(tmp_path):
    project = make_project(tmp_path / "project", models.BROKEN)
    write(project, "broken", "no weights")
    with serve(project, PSC_LOG_FORMAT="json") as server:

        def count_loads():
            check(server.client.get("/status"), 500, "no weights")
            return read(server.client)["psc_model_restarts_total failed_load"]

        wait_until(lambda: count_loads() == 2)
        messages = list_messages(JsonLog(server).read())
    changes = [each for each in messages if each.startswith("flask_psc_model ")]
    assert len(changes) == 1


def test_a_warning_of_a_hook_is_an_event_of_the_text_format(tmp_path):
    project = make_project(tmp_path / "project", models.ECHO)
    with open(os.path.join(project, "gunicorn.conf.py"), "a") as file:
        file.write("import warnings\n")
        file.write("def post_worker_init(worker): warnings.warn('careful')\n")
    with serve(project) as server:
        check(server.client.get("/status"), 200)
        [line] = [each for each in server.read_log().splitlines() if "careful" in each]
    assert re.match(r"20\d\d-\S+Z WARNING - .*UserWarning: careful", line)


def test_the_development_server_logs_json_too(tmp_path, job):
    project = make_project(tmp_path / "project", models.SCRIPT)
    command = ["sh", "-c", "exec python app.py --port $PSC_MODEL_PORT"]
    code = "import threading\nthread = threading.Thread(target=print, args=['hello'])\n"
    with serve(project, command, PSC_LOG_FORMAT="json") as server:
        events = run(server, job, code + "thread.start()\nthread.join()")
    assert list_messages(events[:-1]) == ["hello"]


def test_a_model_process_is_not_unbuffered(tmp_path, job):
    project = make_project(tmp_path / "project", models.SCRIPT)
    code = "import os, sys\n"
    code += "kind = type(sys.__stdout__.buffer).__name__\n"
    code += "return [kind, 'PYTHONUNBUFFERED' in os.environ]"
    with serve(project, PYTHONUNBUFFERED="1") as server:
        check(server.client.post("/run", json=job.give(code).body), 200)
    assert job.read() == "['BufferedWriter', False]"


@pytest.mark.parametrize(
    ("level", "shown"), [("DEBUG", {"d", "i", "e"}), ("ERROR", {"e"})]
)
def test_the_level_hides_what_is_logged_below(tmp_path, job, level, shown):
    project = make_project(tmp_path / "project", models.SCRIPT)
    code = "import logging\nfor name in ('debug', 'info', 'error'):\n"
    code += "    getattr(logging.getLogger('x'), name)(name[0])\nprint('printed')"
    with serve(project, PSC_LOG_FORMAT="json", PSC_LOG_LEVEL=level) as server:
        post(server, job.give(code).body)
        messages = set(list_messages(JsonLog(server).read()))
    assert messages & {"d", "i", "e", "printed"} == shown | {"printed"}


@pytest.mark.parametrize("style", ["text", "json"])
def test_nothing_waits_where_nobody_reads_standard_error(tmp_path, job, style):
    project = make_project(tmp_path / "project", models.SCRIPT, {"run": "10s"})
    os.mkfifo(os.path.join(project, "fifo"))
    reader = os.open(os.path.join(project, "fifo"), os.O_RDONLY | os.O_NONBLOCK)
    command = ["sh", "-c", "exec ./entrypoint.sh >fifo 2>&1"]
    code = "for _ in range(3000):\n    print('x' * 3000)"
    with serve(project, command, PSC_LOG_FORMAT=style) as server:
        for _ in range(2):
            check(server.client.post("/run", json=job.give(code).body), 200)
        check(server.client.post("/run", json=job.give("print(1 / 0)").body), 500)
        assert read(server.client)["psc_model_dropped_log_lines_total"] > 1000
        check(server.client.post("/shutdown"), 202)
        assert server.wait() == 0
    os.close(reader)


def make_bulk_run(tmp_path):
    """Return a function that starts a bulk run of two jobs that print."""
    project = make_project(tmp_path / "project", models.ACTOR)
    for name in ("one", "two"):
        JobFolders(tmp_path / name).give(["print hello", "sleep 0.3"])
        (tmp_path / "jobs").mkdir(exist_ok=True)
        (tmp_path / name / "in").rename(tmp_path / "jobs" / name)
    command = [sys.executable, "-m", "flask_psc_model.cli.run_many"]
    command += [str(tmp_path / "jobs"), str(tmp_path / "out"), "--processes", "1"]

    def start(stderr, **environment):
        return subprocess.Popen(
            command,
            cwd=project,
            env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1", **environment),
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )

    return start


def test_a_bulk_run_logs_what_its_models_print_over_the_bar(tmp_path):
    reader, writer = pty.openpty()
    process = make_bulk_run(tmp_path)(writer)
    os.close(writer)
    shown = read_all(reader)
    assert process.wait() == 0
    # each line begins where the bar is cleared
    for name in ("one", "two"):
        line = r"\x1b\[K20\d\d-\S+Z INFO    {} hello\r\n".format(name)
        assert len(re.findall(line, shown)) == 1
    assert "[####################] 100% 2/2 jobs" in shown


def test_a_bulk_run_logs_json_where_there_is_no_terminal(tmp_path):
    process = make_bulk_run(tmp_path)(subprocess.PIPE, PSC_LOG_FORMAT="json")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    events = [json.loads(line) for line in errors.decode().splitlines()]
    printed = [each["request_id"] for each in events if each["message"] == "hello"]
    assert sorted(printed) == ["one", "two"]
