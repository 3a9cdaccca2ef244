"""A model process as the web process sees it."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any, Callable, Dict, Optional

from ..jobs.outcome import Outcome
from .channel import Channel

#: Seconds between two looks at whether the process is still alive.
LOOK_INTERVAL = 0.05

#: Seconds that a process may take to end once its end of the pipe is closed.
END_SECONDS = 1


class ModelDied(Exception):
    """The model process ended, or closed its end of the pipe."""


class TimeLimit(Exception):
    """The model process did not answer in time."""


class ModelProcess:
    """A process of its own session, in which the model is loaded and runs.

    It must be started from a thread that lives as long as the web process: the
    kernel kills it when that thread ends.

    Attributes:
        pid: its process id.
        exit_code: as `subprocess` gives it, once `kill` was called.
    """

    def __init__(self, environment: Dict[str, str]) -> None:
        """Start the process; the first message that it expects is the model's.

        Args:
            environment: variables to set for it.
        """
        job_read, job_write = os.pipe()
        answer_read, answer_write = os.pipe()
        self._channel = Channel(answer_read, job_write)
        try:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-u",
                    "-m",
                    "flask_psc_model.workers.model_host",
                    f"--parent={os.getpid()}",
                    f"--read-fd={job_read}",
                    f"--write-fd={answer_write}",
                ],
                pass_fds=(job_read, answer_write),
                stdin=subprocess.DEVNULL,
                stdout=2,
                env=dict(os.environ, **environment),
                start_new_session=True,
            )
        except BaseException:
            self._channel.close()
            raise
        finally:
            os.close(job_read)
            os.close(answer_write)
        self.pid = self._process.pid
        self.exit_code: Optional[int] = None
        self._ending = ""
        self._killing = threading.Lock()

    def is_alive(self) -> bool:
        """Tell whether the process runs, from waitid(2).

        Its end of the pipe says nothing: a helper that the model forked may hold it.
        """
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        try:
            return not self._ending and os.waitid(os.P_PID, self.pid, options) is None
        except ChildProcessError:
            # another thread has just waited for its end, in `kill`
            return False

    def send(self, message: Any) -> None:
        """Send a message, unless the process is dead; its answer will tell."""
        with contextlib.suppress(OSError):
            self._channel.send(message)

    def receive(
        self, seconds: Optional[float], give_up: Callable[[], bool] = lambda: False
    ) -> Outcome:
        """Wait for the outcome of the loading or of a job.

        Args:
            seconds: to wait; None for ever.
            give_up: ends the wait when it is true.

        Raises:
            ModelDied: the process ended instead.
            TimeLimit: the time is over, or the wait was given up.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        try:
            if self._channel.wait(
                deadline, LOOK_INTERVAL, lambda: give_up() or not self.is_alive()
            ):
                return Outcome(*self._channel.receive())
        except (EOFError, OSError):
            self._wait_for_end()
            raise ModelDied() from None
        raise TimeLimit() if self.is_alive() else ModelDied()

    def kill(self) -> str:
        """Kill the process and all of its group, and say how it ended.

        Several threads may do so: one that runs a job, and the keeper's.
        """
        with self._killing:
            if not self._ending:
                # until it is waited for, its id can belong to no other group
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.pid, signal.SIGKILL)
                self.exit_code = self._process.wait()
                self._channel.close()
                self._ending = describe_exit(self.exit_code)
        return self._ending

    def _wait_for_end(self) -> None:
        deadline = time.monotonic() + END_SECONDS
        while self.is_alive() and time.monotonic() < deadline:
            time.sleep(LOOK_INTERVAL)


def describe_exit(code: int) -> str:
    """Say how a process ended.

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
