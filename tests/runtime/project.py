"""A small but real repository, and its real server."""

import atexit
import compileall
import contextlib
import functools
import os
import re
import shutil
import sys
import tempfile

import yaml

from .template import TEMPLATE

APP = '''"""The app of a small model."""

from flask_psc_model import create_app

app = create_app("model_lib.model.Model")

if __name__ == "__main__":
    app.main()
'''

#: The servers that run now; their logs are shown with every test that fails.
RUNNING = []

#: The marks `server` of the test that runs now, which `conftest.py` sets.
MARKS = []

#: The folder for temporary files, before a test replaces it.
TEMPORARY = tempfile.gettempdir()

COPIED_FILES = ("gunicorn.conf.py", "entrypoint.sh", ".flaskenv")


def make_project(
    folder, model_source, timeouts=None, inputs=None, outputs=None, **metadata
):
    """Write a repository with the runtime, as a link.

    Args:
        folder: where to make it; a path that does not exist or is an empty folder.
        model_source: the text of `model_lib/model.py`, which defines a class `Model`;
            see `models.py`.
        timeouts: the values of `timeout.status` and `timeout.run`, 20s each if
            omitted.
        inputs: the `inputs` of `model.yaml`: a list of names, or properties by name.
        outputs: the `outputs` of `model.yaml`, likewise.
        metadata: more keys of `model.yaml`.

    Returns:
        The folder, as text.
    """
    folder = str(folder)
    os.makedirs(os.path.join(folder, "model_lib"))
    os.symlink(_compile_runtime(), os.path.join(folder, "flask_psc_model"))
    for name in COPIED_FILES:
        shutil.copy(os.path.join(TEMPLATE, name), folder)
    content = dict(
        metadata,
        inputs=_describe(inputs or ["input.txt"]),
        outputs=_describe(outputs or ["results.json"]),
        timeout=dict({"status": "20s", "run": "20s"}, **(timeouts or {})),
    )
    write(folder, "model.yaml", yaml.safe_dump(content, allow_unicode=True))
    write(folder, "app.py", APP)
    write(folder, "model_lib/__init__.py", "")
    write(folder, "model_lib/model.py", model_source)
    return folder


@contextlib.contextmanager
def serve(project, command=None, **environment):
    """Run a repository's server; by default the one of its `entrypoint.sh`.

    The log is shown when what is done with the server fails.

    Args:
        project: the folder of the repository.
        command: starts another server in that folder, such as `FLASK_RUN`.
        environment: variables to set for it.

    Returns:
        A context manager of the `LiveServer`, which has a `client`.
    """
    from flask_psc_model.testing import live_server

    assert MARKS, "mark this test with pytest.mark.server"
    command = command or live_server.COMMAND
    with live_server.LiveServer(project, command, environment) as server:
        RUNNING.append(server)
        try:
            yield server
        except BaseException:
            # the test fails only when this server has gone
            sys.stderr.write("the server's log:\n" + server.read_log())
            raise
        finally:
            RUNNING.remove(server)


def write(folder, name, text):
    """Write a file of a repository."""
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(text)


def _describe(files):
    if not isinstance(files, list):
        return files
    return {name: {"description": "A file."} for name in files}


@functools.lru_cache(maxsize=None)
def _compile_runtime():
    """Return a copy of the runtime with its bytecode, for a faster start."""
    parent = tempfile.mkdtemp(dir=TEMPORARY)
    atexit.register(shutil.rmtree, parent)
    folder = os.path.join(parent, "flask_psc_model")
    shutil.copytree(
        os.path.join(TEMPLATE, "flask_psc_model"),
        folder,
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    assert compileall.compile_dir(folder, quiet=1)
    return folder


def read_metric(server, name):
    """Return the value of a metric without labels."""
    text = server.client.get("/metrics").data.decode()
    return float(re.search("^{} (.*)$".format(name), text, re.M).group(1))


def count_waiting(server):
    """Return the number of jobs that wait for their turn in a server."""
    return read_metric(server, "psc_model_waiting_jobs")
