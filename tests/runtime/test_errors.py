"""The kinds of failure, and who knows their HTTP status."""

import ast
import os

from flask_psc_model.errors import STATUS_CODES, ApiError

from .template import TEMPLATE

RUNTIME = os.path.join(TEMPLATE, "flask_psc_model")


def list_names(path):
    """Return the names that a file of the runtime uses, without its comments."""
    with open(path, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    for node in ast.walk(tree):
        for field in ("id", "attr", "arg", "name"):
            yield getattr(node, field, None)


def find_users(*names):
    """Return the files of the runtime that use one of some names."""
    found = set()
    for folder, _, files in os.walk(RUNTIME):
        for file in files:
            path = os.path.join(folder, file)
            if file.endswith(".py") and not set(names).isdisjoint(list_names(path)):
                found.add(os.path.relpath(path, RUNTIME))
    return found


def test_every_error_has_a_kind_with_a_status():
    classes = ApiError.__subclasses__()
    assert len(classes) > 5
    for error in classes:
        assert 400 <= STATUS_CODES[error.kind] < 600
        assert error("a text").message == "a text"


def test_only_the_server_and_bulk_runs_look_up_a_status():
    users = {path for path in find_users("STATUS_CODES") if "server" not in path}
    bulk = {os.path.join("bulk", name) for name in ("crew.py", "journal.py", "run.py")}
    assert users == {"errors.py"} | bulk


def test_the_model_its_jobs_and_its_workers_know_no_status():
    packages = ("model", "jobs", "workers", "bulk")
    users = find_users("status_code")
    assert "client.py" in users
    assert [path for path in users if path.split(os.sep)[0] in packages] == []
