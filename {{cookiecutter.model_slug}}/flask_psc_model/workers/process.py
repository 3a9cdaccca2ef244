"""A model process as the process that answers sees it, and the end of all it started.

What a model starts may leave its process group and lose its parent. It is found as a
child that this process has adopted, by a marker in its environment.
"""

import contextlib
import itertools
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Dict, Optional, Set

from ..procfs import (
    find_start,
    list_children,
    list_descendants,
    list_pids,
    read_environ,
)
from .channel import Channel
from .output import ModelOutput
from .table import JobTable

#: Set for a model process and all that it starts.
MARKER = "PSC_MODEL_WORKER"

#: Seconds for the stack of each thread to reach the log before a process is killed.
DUMP_SECONDS = 0.2

#: How often the children that this process has adopted are looked through.
MAX_PASSES = 50

#: Seconds that a process may take between two programs.
EXEC_SECONDS = 0.01

#: Looks at a process that has ended, and leaves it for `waitpid`.
PEEK = os.WEXITED | os.WNOHANG | os.WNOWAIT

log = logging.getLogger(__name__)
_numbers = itertools.count()
#: The model processes of this process, and what guards them: no process may start while
#: the children are looked through.
_running: Set[int] = set()
_lock = threading.Lock()


class ModelProcess:
    """A process of its own session, in which the model is loaded and runs.

    It must be started from a thread that lives as long as this process: the kernel kills
    it when that thread ends.

    Attributes:
        pid: its process id.
        channel: to it.
        output: what it prints and logs.
        table: of the jobs that it has started.
    """

    def __init__(self, environment: Dict[str, str]) -> None:
        """Start the process.

        Args:
            environment: variables to set.

        Raises:
            OSError: the system starts no more.
        """
        pid = os.getpid()
        marker = f"{_owner(os.getppid())}{_owner(pid)}{next(_numbers)}"
        self._marker = f"{MARKER}={marker}".encode()
        variables = {MARKER: marker, "PYTHONIOENCODING": "utf-8:backslashreplace"}
        environment = {**os.environ, **variables, **environment}
        # lines arrive whole, see `workers.main`
        environment.pop("PYTHONUNBUFFERED", None)
        with contextlib.ExitStack() as mine, contextlib.ExitStack() as theirs:
            self.table = JobTable.create()
            mine.callback(self.table.close)
            job_read, job_write = os.pipe()
            theirs.callback(os.close, job_read)
            mine.callback(os.close, job_write)
            answer_read, answer_write = os.pipe()
            mine.callback(os.close, answer_read)
            theirs.callback(os.close, answer_write)
            self.output = ModelOutput()
            mine.callback(self.output.close)
            theirs.callback(os.close, self.output.write_fd)
            self.output.start()
            command = [sys.executable, "-m", "flask_psc_model.workers.main"]
            command += map(str, [pid, job_read, answer_write, self.table.fd])
            with _lock:
                self._process = subprocess.Popen(
                    command,
                    pass_fds=(job_read, answer_write, self.table.fd),
                    stdin=subprocess.DEVNULL,
                    stdout=self.output.write_fd,
                    stderr=self.output.write_fd,
                    env=environment,
                    start_new_session=True,
                )
                self.pid = self.output.pid = self._process.pid
                _running.add(self.pid)
            mine.pop_all()
        self.channel = Channel(answer_read, job_write)
        self._start = find_start(self.pid)

    def poll(self) -> Optional[int]:
        """Return the exit code as `subprocess` gives it, None while the process runs.

        Its end of the pipe says nothing: a helper that the model forked may hold it.
        """
        ended = os.waitid(os.P_PID, self.pid, PEEK)
        if ended is None:
            return None
        return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status

    def wait(self, seconds: float) -> Optional[int]:
        """Wait until the process has ended, for some seconds at most; see `poll`."""
        deadline = time.monotonic() + seconds
        while self.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.poll()

    def dump_stacks(self) -> None:
        """Have the process write the stack of each thread into the log."""
        os.kill(self.pid, signal.SIGUSR2)
        time.sleep(DUMP_SECONDS)

    def kill(self) -> None:
        """Kill the process and all that it started."""
        if self._process.returncode is None:
            tree = list_descendants(self.pid)
            # until it is waited for, its id can belong to no other group
            os.killpg(self.pid, signal.SIGKILL)
            for pid in tree:
                _kill(pid)
            self._process.wait()
        with _lock:
            _running.discard(self.pid)
        self._kill_adopted()
        self.output.read()

    def close(self) -> None:
        """Close the channel, the output and the table."""
        self.channel.close()
        self.output.close()
        self.table.close()

    def _kill_adopted(self) -> None:
        left: Set[int] = set()
        for _ in range(MAX_PASSES):
            found = self._find_adopted()
            adopted = {pid for pid, is_own in found.items() if is_own} - left
            if not adopted and None not in found.values():
                break
            if not adopted:
                # between two programs a process shows no environment for a moment
                time.sleep(EXEC_SECONDS)
            for pid in adopted:
                if not _kill(pid):
                    left.add(pid)
                    continue
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, 0)
        else:
            left |= adopted
        if left:
            log.warning("the model has left processes that cannot be ended: %s", left)

    def _find_adopted(self) -> Dict[int, Optional[bool]]:
        """Return which children of this process the model has started; None: unclear."""
        with _lock:
            children = set(list_children(os.getpid())) - _running
            return {pid: self._has_started(pid) for pid in children}

    def _has_started(self, pid: int) -> Optional[bool]:
        variables = read_environ(pid)
        if variables:
            return self._marker in variables
        # it has ended, or is older than the model process
        if find_start(pid) <= self._start:
            return False
        return None if _running else True


def end_leftovers(parent: int) -> None:
    """Kill what the model processes of killed web processes have left running.

    Args:
        parent: process id of the arbiter that started those web processes.
    """
    prefix = f"{MARKER}={_owner(parent)}".encode()
    for pid in list_pids():
        for variable in read_environ(pid):
            if variable.startswith(prefix):
                owner, start = variable[len(prefix) :].split(b"-")[:2]
                # during a reload the old web process still finishes its jobs
                if find_start(int(owner)) != int(start):
                    _kill(pid)


def reap_orphans() -> None:
    """Wait for the adopted orphans that have ended, so that no zombie stays."""
    with _lock, contextlib.suppress(ChildProcessError):
        while True:
            ended = os.waitid(os.P_ALL, 0, PEEK)
            if ended is None or ended.si_pid in _running:
                return
            os.waitpid(ended.si_pid, os.WNOHANG)


def describe_exit(code: int) -> str:
    """Describe how a process ended.

    Args:
        code: as `subprocess` gives it: below zero for a signal.
    """
    if code >= 0:
        return f"exited with code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    text = f"was killed by {name}"
    if -code == signal.SIGKILL:
        text += (
            "; if nobody killed it, it needed more memory than it may have:"
            " raise resources.memory.size in model.yaml and the container's limit"
        )
    return text


def _owner(pid: int) -> str:
    """Return the part of a marker that names a process for good."""
    return f"{pid}-{find_start(pid)}-"


def _kill(pid: int) -> bool:
    """Kill a process; return whether that is permitted."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    except PermissionError:
        return False
    return True
