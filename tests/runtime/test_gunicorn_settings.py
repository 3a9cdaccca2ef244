"""`gunicorn.conf.py`: one call, below which the user's own settings and hooks stand."""

import os
import shutil
import signal

import pytest

from . import models
from .processes import wait_until
from .project import make_project, serve

pytestmark = pytest.mark.server

#: The file as it was first generated. Repositories whose server is a package keep it
#: when they upgrade the server, so it never changes.
FROZEN = os.path.join(os.path.dirname(__file__), "frozen", "gunicorn.conf.py")

OWN_HOOKS = """
def note(text):
    with open("hooks.txt", "a") as file:
        file.write(text + "\\n")


def post_fork(server, worker):
    note("post_fork {}".format(type(worker.model_runner).__name__))


def post_worker_init(worker):
    note("post_worker_init {}".format(worker.wsgi.extensions["psc_model"].factory))


def worker_exit(server, worker):
    note("worker_exit {}".format(worker.model_runner.stopping))


def when_ready(server):
    note("when_ready")
"""

#: What the hooks above write for each web process.
STARTED = ["post_fork WorkerPool", "post_worker_init model_lib.model.Model"]
ENDED = ["worker_exit True"]


def read(project, name):
    """Return the lines of a file of a repository; none where there is no such file."""
    path = os.path.join(project, name)
    if not os.path.exists(path):
        return []
    with open(path) as file:
        return file.read().splitlines()


@pytest.fixture
def project(tmp_path):
    """Return a repository whose model echoes its input."""
    return make_project(tmp_path / "project", models.ECHO)


def add(project, text):
    """Write lines below the call in a repository's `gunicorn.conf.py`."""
    with open(os.path.join(project, "gunicorn.conf.py"), "a") as file:
        file.write(text)


def test_the_file_of_the_first_repositories_starts_the_newest_server(project, job):
    shutil.copy(FROZEN, project)
    job.give("hello")
    with serve(project) as server:
        answer = server.client.post("/run", json=job.body)
        assert answer.status_code == 200, answer.data
        assert server.client.post("/shutdown").status_code == 202
        assert server.wait() == 0
    assert job.outputs() == {"results.json": "hello"}


def test_settings_of_the_users_own_win(project, job):
    add(project, "\nthreads = 3\nkeepalive = 7\naccesslog = 'access.log'\n")
    add(project, "def when_ready(server):\n")
    add(project, "    cfg = server.cfg\n")
    add(project, "    with open('settings.txt', 'w') as file:\n")
    add(project, "        file.write('%s %s' % (cfg.threads, cfg.keepalive))\n")
    job.give("hello")
    with serve(project) as server:
        assert server.client.post("/run", json=job.body).status_code == 200
    assert read(project, "settings.txt") == ["3 7"]
    assert "POST /run" in read(project, "access.log")[-1]


def test_hooks_of_the_users_own_run_after_those_of_the_server(project, job):
    add(project, OWN_HOOKS)
    job.give("hello")
    with serve(project) as server:
        # only with a model process of its own is this answered
        assert server.client.post("/run", json=job.body).status_code == 200
        assert read(project, "hooks.txt") == ["when_ready"] + STARTED
        server.process.send_signal(signal.SIGHUP)
        assert wait_until(lambda: len(read(project, "hooks.txt")) == 6)
        assert server.client.post("/run", json=job.body).status_code == 200
    lines = read(project, "hooks.txt")
    assert sorted(lines[3:6]) == sorted(STARTED + ENDED)
    assert lines[6:] == ENDED
