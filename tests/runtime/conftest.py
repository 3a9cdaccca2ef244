"""What every test of the runtime shares: the runtime is imported where it stands."""

import os
import signal
import sys

import pytest
from hypothesis import settings

from .job_folders import JobFolders
from .project import RUNNING
from .template import TEMPLATE

# compiled files in the template would be copied into every generated repository
sys.dont_write_bytecode = True
sys.path.insert(0, TEMPLATE)

# a shell has what it starts in the background ignore this one, and the commands with it
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(
    "runtime", derandomize=True, deadline=None, database=None, max_examples=100
)
settings.load_profile("runtime")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    """Hide what the developer's own environment says about models."""
    for name in list(os.environ):
        if name.startswith("PSC_"):
            monkeypatch.delenv(name)


@pytest.fixture
def job(tmp_path):
    """Return the folders of one job, with a blank `input.txt`."""
    return JobFolders(tmp_path / "job")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport():
    """Show the logs of the servers that run, where a test has failed."""
    report = (yield).get_result()
    if report.failed:
        for server in RUNNING:
            report.sections.append(("a server's log", server.read_log()[-20000:]))
