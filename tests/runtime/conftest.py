"""What every test of the runtime shares: the runtime is imported where it stands."""

import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import settings

from .job_folders import JobFolders
from .project import MARKS, RUNNING
from .template import TEMPLATE

# compiled files in the template would be copied into every generated repository
sys.dont_write_bytecode = True
sys.path.insert(0, TEMPLATE)

# a shell has what it starts in the background ignore the one, and nohup the other, and
# the commands with it
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# the same examples in every run; `--hypothesis-profile=thorough` makes more of them
SAME = {"derandomize": True, "deadline": None, "database": None}
settings.register_profile("quick", max_examples=50, **SAME)
settings.register_profile("thorough", max_examples=400, **SAME)
settings.load_profile("quick")


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


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Note whether the test may start a server: without the mark it runs everywhere."""
    MARKS[:] = item.iter_markers("server")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport():
    """Show the logs of the servers that run, where a test has failed."""
    report = (yield).get_result()
    # pytest-xdist cannot send a lone surrogate, which some tests have in the log
    report.sections = [
        (title, text.encode("utf-8", "backslashreplace").decode())
        for title, text in report.sections
    ]
    if report.failed:
        for server in RUNNING:
            report.sections.append(("a server's log", server.read_log()[-20000:]))


@pytest.fixture
def gate(tmp_path):
    """Return the path of a file for which jobs wait; made at the latest at the end."""
    path = tmp_path / "gate"
    yield path
    path.touch()


@pytest.fixture
def pool():
    """Return threads for requests in the background."""
    with ThreadPoolExecutor(200) as pool:
        yield pool
