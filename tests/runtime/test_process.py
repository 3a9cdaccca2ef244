"""A model process as the process that answers sees it."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from flask_psc_model.workers import process as process_module
from flask_psc_model.workers.prctl import adopt_orphans
from flask_psc_model.workers.process import (
    MARKER,
    ModelProcess,
    describe_exit,
    end_leftovers,
    reap_orphans,
)

from .commands import run_python
from .processes import is_alive, list_children, wait_until
from .template import TEMPLATE

ENVIRONMENT = {"PYTHONPATH": TEMPLATE, "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture
def start():
    """Return a function that starts a model process, which waits for its model."""
    processes = []

    def start():
        processes.append(ModelProcess(ENVIRONMENT))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.close()


def start_marked(marker):
    """Start a process with the marker of a model process."""
    environment = dict(os.environ, **{MARKER: marker})
    return subprocess.Popen(["sleep", "60"], env=environment)


def test_a_process_runs_until_it_is_killed(start):
    process = start()
    assert process.poll() is None
    process.kill()
    assert not is_alive(process.pid)
    # again, as after an error of the first time
    process.kill()
    process.close()
    process.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_signal_that_killed_it_is_known_before_it_is_waited_for(start, number):
    process = start()
    os.kill(process.pid, number)
    assert process.wait(20) == -number
    assert process.poll() == -number


def test_a_process_ends_when_its_channel_is_closed(start):
    process = start()
    process.channel.close()
    assert process.wait(20) == 0


def test_a_process_that_does_not_end_is_waited_for_no_longer_than_allowed(start):
    begin = time.monotonic()
    assert start().wait(0.1) is None
    assert 0.1 <= time.monotonic() - begin < 5


def test_the_end_of_a_process_is_not_that_of_another_one(start):
    first, second = start(), start()
    first.kill()
    assert second.poll() is None
    os.kill(second.pid, signal.SIGTERM)
    # nobody waits for it in its supervisor's place
    wait_until(lambda: not is_alive(second.pid))
    reap_orphans()
    assert second.poll() == -signal.SIGTERM


def test_what_another_process_has_started_survives_its_end(start):
    first, second = start(), start()
    helper = start_marked(second._marker.decode().split("=")[1])
    first.kill()
    assert helper.poll() is None
    second.kill()
    wait_until(lambda: not is_alive(helper.pid))
    helper.wait()


def test_what_is_not_a_models_own_survives_the_end_of_its_process(start):
    other = subprocess.Popen(["sleep", "60"])
    start().kill()
    assert other.poll() is None
    other.kill()
    other.wait()


def test_an_orphan_is_waited_for(start):
    adopt_orphans()
    start()
    subprocess.check_call(["sh", "-c", "(exit 3) & exit 0"])
    wait_until(lambda: reap_orphans() or len(list_children(os.getpid(), True)) <= 1)


def test_what_cannot_be_killed_is_logged_and_holds_up_nobody(
    start, monkeypatch, caplog
):
    process = start()
    monkeypatch.setattr(process, "_find_adopted", lambda: {1: True})
    monkeypatch.setattr(process_module, "_kill", lambda pid: False)
    process.kill()
    assert "processes that cannot be ended: {1}" in caplog.text


@pytest.mark.parametrize(
    ("owner", "name", "error"),
    [
        (subprocess, "Popen", BlockingIOError(11, "no more processes")),
        (threading.Thread, "start", RuntimeError("can't start: no more threads")),
    ],
    ids=["process", "thread"],
)
def test_nothing_is_left_open_where_no_process_can_be_started(
    monkeypatch, owner, name, error
):
    files = len(os.listdir("/proc/self/fd"))

    def fail(*args, **options):
        raise error

    monkeypatch.setattr(owner, name, fail)
    with pytest.raises(OSError, match="no more"):
        ModelProcess({})
    assert len(os.listdir("/proc/self/fd")) == files


# --- what a predecessor left ------------------------------------------------------


def test_only_what_a_dead_predecessor_left_is_ended():
    parent, start = os.getpid(), process_module.find_start(os.getpid())
    dead = subprocess.Popen(["true"])
    dead.wait()
    arbiter = "{}-{}-".format(parent, start)
    others = {
        "of a process that runs": arbiter + "{}-{}-0".format(parent, start),
        "of another server": "{}-{}-{}-1-0".format(parent + 1, start, dead.pid),
        "of an earlier process": "{}-{}-{}-1-0".format(parent, start - 1, dead.pid),
        "no marker": "",
    }
    leftover = start_marked(arbiter + "{}-1-0".format(dead.pid))
    processes = {name: start_marked(marker) for name, marker in others.items()}
    try:
        end_leftovers(parent)
        assert leftover.wait(20) == -signal.SIGKILL
        time.sleep(0.1)
        assert [name for name, each in processes.items() if each.poll()] == []
    finally:
        for each in processes.values():
            each.kill()
            each.wait()


# --- words -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (0, "exited with code 0"),
        (3, "exited with code 3"),
        (-signal.SIGSEGV, "was killed by SIGSEGV"),
        (-63, "was killed by signal 63"),
    ],
)
def test_an_exit_is_described(code, text):
    assert describe_exit(code) == text


def test_only_sigkill_speaks_of_memory():
    assert "resources.memory.size" in describe_exit(-signal.SIGKILL)


def test_it_does_without_flask():
    program = "import sys, flask_psc_model.workers.main; print('flask' in sys.modules)"
    ending = run_python("-c", program, folder=TEMPLATE)
    assert ending.output == "False\n", (ending, sys.executable)
