"""The real server: whatever a model does, each job gets its own answer."""

import os
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from . import models
from .apps import check, copy_text, make_client
from .job_folders import JobFolders
from .processes import find_model_process, wait_until
from .project import make_project, serve, write
from .test_prometheus import read

pytestmark = pytest.mark.server

#: Patches functions of the server: each raises MemoryError once where a file says so.
BREAKABLE = """
import os
from flask_psc_model.workers import channel, pool, process, supervisor


def make_breakable(owner, name):
    real = getattr(owner, name)

    def function(*args, **options):
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "break-" + name)
        try:
            os.remove(path)
        except FileNotFoundError:
            return real(*args, **options)
        raise MemoryError

    setattr(owner, name, function)


for name in ("put", "flush", "receive"):
    make_breakable(channel.Channel, name)
for name in ("_wait", "dispatch", "_withdraw"):
    make_breakable(pool.WorkerPool, name)
for name in ("hand", "_answer", "_settle", "_find_retirement", "_end", "_settle_all"):
    make_breakable(supervisor.Supervisor, name)
make_breakable(supervisor, "reap_orphans")
make_breakable(process.ModelProcess, "kill")
"""

#: A line of a fork's child, and what it does next.
FORKED = {
    "it returns": "return 'child'",
    "it exits": "sys.exit(0)",
    "it exits with an error": "sys.exit('child')",
    "it raises": "raise RuntimeError('child')",
    "it refuses": "raise ValueError('child')",
}

#: Code that writes on the descriptor of the answers.
STRAY = {
    "text": "os.write(fd, b'Hello from a library\\n')",
    "not ASCII": "os.write(fd, b'\\xff\\xfe\\n')",
    "a line without end": "os.write(fd, b'{'); time.sleep(20)",
    "a line that is too long": "os.write(fd, b'x' * 60000); os.write(fd, b'x' * 9000)",
    "deep JSON": "os.write(fd, b'[' * 50000 + b'\\n')",
    "no object": "os.write(fd, b'[1]\\n')",
    "another job's answer": "answer(number=999)",
    "another number": "answer(number=[1])",
    "the number of the load": "answer(number=0)",
    "another process's answer": "answer(pid=1)",
    "the answer of a fork": "if os.fork() == 0: answer(); os._exit(0)",
    "an unknown kind": "answer(kind='maybe')",
    "wrong outputs": "answer(staged=[1])",
    "no text": "os.write(fd, b'{}\\n')",
}

PREPARE = """
import json, os, struct, sys, time
fd = int(sys.argv[3])
# of this very job, from the table of those that have started
number = struct.unpack('=Qd', os.pread(int(sys.argv[4]), 16, 0))[0] >> 2
def answer(**changes):
    message = dict(pid=os.getpid(), number=number, kind='done', message='')
    batch = {"batch_size": 0, "batch_jobs": 0, "batch_seconds": 0.0}
    message.update(dict(batch, staged=None, condemns=False), **changes)
    os.write(fd, json.dumps(message).encode() + b'\\n')
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Return a repository whose model does what its input says."""
    folder = tmp_path_factory.mktemp("answers") / "project"
    project = make_project(folder, models.SCRIPT, {"run": "5s"})
    with open(os.path.join(project, "gunicorn.conf.py"), "a") as file:
        file.write(BREAKABLE)
    return project


@pytest.fixture(scope="module")
def server(project):
    """Return a server of that repository, for all tests of this file."""
    with serve(project) as server:
        check(server.client.get("/status"), 200)
        yield server


def run(server, job, *lines):
    """Run a job with these lines of code and return the answer."""
    return server.client.post("/run", json=job.give(lines).body)


def check_next(server, tmp_path, count=6):
    """Check that the next jobs get their own answers and outputs, and no other's."""
    for number in range(count):
        job = JobFolders(tmp_path / "next {}".format(number))
        check(run(server, job, "return {}".format(number)), 200, str(job.output))
        assert job.outputs() == {"results.json": str(number)}
        refused = JobFolders(tmp_path / "refused {}".format(number))
        check(run(server, refused, "raise ValueError({})".format(number)), 422)
        assert refused.outputs() is None


def count_restarts(server, reason):
    """Return how many processes were restarted for a reason."""
    return read(server.client)["psc_model_restarts_total " + reason]


# --- a model that forks, and one that writes on the pipe -------------------------


@pytest.mark.parametrize("line", FORKED.values(), ids=list(FORKED))
def test_a_fork_that_comes_back_from_the_model_answers_for_nobody(
    server, job, tmp_path, line
):
    pid = find_model_process(server)
    code = "import os, sys, time\nif os.fork() == 0:\n    time.sleep(0.2)\n    " + line
    check(run(server, job, code, "return 'parent'"), 200)
    assert job.outputs() == {"results.json": "parent"}
    with ThreadPoolExecutor(2) as pool:
        folders = [tmp_path / "one client", tmp_path / "another client"]
        list(pool.map(lambda folder: check_next(server, folder), folders))
    assert find_model_process(server) == pid


@pytest.mark.parametrize("where", ["load", "close"])
def test_a_fork_at_the_load_or_the_close_is_no_second_server(tmp_path, job, where):
    project = make_project(tmp_path / "project", models.SCRIPT)
    lines = ["import os, time", "if os.fork() == 0:", "    time.sleep(0.3)"]
    write(project, where, "\n".join(lines + ["    return"]))
    with serve(project) as server:
        check_next(server, tmp_path)
        check(server.client.post("/shutdown"), 202)
        assert server.wait() == 0
        assert "Traceback" not in server.read_log()


@pytest.mark.parametrize("line", STRAY.values(), ids=list(STRAY))
def test_what_is_no_answer_ends_the_process_and_only_its_job(
    server, job, tmp_path, line
):
    before = count_restarts(server, "broken_channel")
    pid = find_model_process(server)
    text = check(run(server, job, PREPARE, line, "time.sleep(3)"), 500, "its process ")
    assert re.search("sent|has no job", text)
    assert job.outputs() is None
    check_next(server, tmp_path, 2)
    assert count_restarts(server, "broken_channel") == before + 1
    assert find_model_process(server) != pid


def test_a_closed_pipe_ends_the_process_and_only_its_job(server, job, tmp_path):
    check(run(server, job, PREPARE, "os.close(fd); time.sleep(4)"), 500, "closed its")
    check_next(server, tmp_path, 2)


# --- errors of the server itself -------------------------------------------------

BROKEN = [
    "put",
    "flush",
    "receive",
    "_wait",
    "dispatch",
    "hand",
    "_answer",
    "_settle",
    "_find_retirement",
    "reap_orphans",
]


@pytest.mark.parametrize("name", BROKEN)
def test_no_process_is_lost_where_a_thread_of_the_server_runs_out_of_memory(
    server, project, job, tmp_path, name
):
    path = os.path.join(project, "break-" + name)
    open(path, "w").close()
    answer = run(server, job, "return 'done'")
    assert answer.status_code in (200, 500)
    assert job.outputs() == (
        {"results.json": "done"} if answer.status_code == 200 else None
    )
    wait_until(lambda: not os.path.exists(path))
    check_next(server, tmp_path, 2)
    check(server.client.get("/status"), 200)


@pytest.mark.parametrize("name", ["_end", "_settle_all", "kill"])
def test_a_job_is_answered_where_the_end_of_its_process_runs_out_of_memory(
    server, project, job, tmp_path, name
):
    open(os.path.join(project, "break-" + name), "w").close()
    check(run(server, job, "import os; os._exit(3)"), 500)
    assert not os.path.exists(os.path.join(project, "break-" + name))
    check_next(server, tmp_path, 2)


# --- what is no Exception --------------------------------------------------------

PANIC = """
class PanicException(BaseException):
    pass
raise PanicException("index out of bounds")
"""
OTHERS = [
    (PANIC, "PanicException: index out of bounds"),
    ("import asyncio\nraise asyncio.CancelledError('late')", "CancelledError: late"),
    ("raise KeyboardInterrupt('me')", "KeyboardInterrupt: me"),
    ("raise GeneratorExit('end')", "GeneratorExit: end"),
    ("raise SystemExit('no licence')", "SystemExit: no licence"),
]


@pytest.mark.parametrize(("code", "message"), OTHERS, ids=[each[1] for each in OTHERS])
def test_what_is_no_exception_is_a_failure_of_the_job(server, job, code, message):
    pid = find_model_process(server)
    check(run(server, job, "return 1"), 200)
    check(run(server, job, code), 500, message)
    assert job.outputs() == {"results.json": "1"}
    check(run(server, job, "return 2"), 200)
    assert find_model_process(server) == pid


@pytest.mark.parametrize(("code", "message"), OTHERS, ids=[each[1] for each in OTHERS])
def test_what_is_no_exception_is_a_failure_of_the_load(tmp_path, code, message):
    project = make_project(tmp_path / "project", models.SCRIPT)
    write(project, "load", code)
    with serve(project) as server:
        check(server.client.get("/status"), 500, message)


def test_the_development_server_answers_it_too(job):
    class PanicException(BaseException):
        pass

    panics = [PanicException("broken")]

    def run(*paths):
        if panics:
            raise panics.pop()
        copy_text(*paths)

    client = make_client(run)
    answer = client.post("/run", json=job.body)
    check(answer, 500, "PanicException: broken")
    check(client.post("/run", json=job.body), 200)


# --- the standard streams --------------------------------------------------------


def test_a_model_prints_any_text_without_a_locale(tmp_path, job):
    project = make_project(tmp_path / "project", models.SCRIPT)
    bare = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    with serve(project, **bare) as server:
        answer = run(server, job, "import sys", "print('größe')", "print('\\udc80')")
        check(answer, 200)
        wait_until(lambda: "größe" in server.read_log())
