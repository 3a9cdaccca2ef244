"""A model process, as several threads of the web process use it."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask_psc_model.workers.model_process import ModelProcess

from .commands import run_python
from .processes import is_alive, wait_until
from .template import TEMPLATE


@pytest.fixture
def process():
    """Return a model process that waits for its model."""
    process = ModelProcess({"PYTHONPATH": TEMPLATE, "PYTHONDONTWRITEBYTECODE": "1"})
    yield process
    process.kill()


def test_a_process_that_another_thread_has_waited_for_is_dead(process):
    assert process.is_alive()
    os.kill(process.pid, signal.SIGKILL)
    # `kill` waits, too, and says that it did only when it has gone on
    os.waitpid(process.pid, 0)
    assert not process.is_alive()


def test_threads_that_kill_it_at_the_same_time_agree(process, monkeypatch):
    closed = []
    close, wait = os.close, process._process.wait

    def wait_for_the_others():
        time.sleep(0.1)
        return wait()

    monkeypatch.setattr(process._process, "wait", wait_for_the_others)
    monkeypatch.setattr(os, "close", lambda fd: (closed.append(fd), close(fd)))
    with ThreadPoolExecutor(8) as pool:
        endings = list(pool.map(lambda _: process.kill(), range(8)))
    assert set(endings) == {process.kill()}
    assert endings[0].startswith("was killed by SIGKILL")
    # the two ends of the pipes; another file may have their numbers afterwards
    assert len(closed) == 2
    assert not process.is_alive()
    wait_until(lambda: not is_alive(process.pid))


def test_it_does_without_flask():
    program = (
        "import sys, flask_psc_model.workers.model_host; print('flask' in sys.modules)"
    )
    assert run_python("-c", program, folder=TEMPLATE).output == "False\n"
