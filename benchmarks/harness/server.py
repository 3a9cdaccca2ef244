"""A server under measurement: started, waited for, and stopped with all that it started."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from .client import HOST, BadAnswer, Connection
from .errors import BenchmarkFailed
from .processes import Process, find_family

START_TIMEOUT = 60.0
STOP_TIMEOUT = 10.0


class Server:
    """A running server, to be used in a `with` statement.

    Attributes:
        port: where it listens on this host.
        started: when its process was started, in seconds of `time.perf_counter`.
    """

    def __init__(
        self, command: Sequence[str], folder: Path, variables: Mapping[str, str], port: int, log: Path
    ) -> None:
        """Start the process.

        Args:
            command: the program and its arguments.
            folder: the working directory.
            variables: the environment variables.
            port: where the command makes it listen.
            log: the file that takes its output.
        """
        self.port = port
        self._log = log
        self.started = time.perf_counter()
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def wait_until_ready(self, path: str) -> float:
        """Poll until the server returns 200.

        Args:
            path: the route that returns whether it is ready.

        Returns:
            Seconds from the start of the process to the first 200.

        Raises:
            BenchmarkFailed: it ended, or did not become ready.
        """
        connection = Connection(self.port, "GET", path)
        while time.perf_counter() - self.started < START_TIMEOUT:
            try:
                answer = connection.exchange(START_TIMEOUT)
            except (OSError, BadAnswer):
                answer = None
            if answer and answer.status == 200:
                connection.close()
                return time.perf_counter() - self.started
            if self._process.poll() is not None:
                raise self.failure(f"it ended with exit code {self._process.returncode}")
            time.sleep(0.002)
        raise self.failure(f"{path} did not answer 200 within {START_TIMEOUT:.0f} s")

    def processes(self) -> list[Process]:
        """Return the process and all that it started."""
        return find_family(self._process.pid)

    def failure(self, problem: str) -> BenchmarkFailed:
        """Build an exception that shows the end of the server's log.

        Args:
            problem: what went wrong.
        """
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return BenchmarkFailed("\n  ".join([f"{self._log.stem}: {problem}", *lines[-20:]]))

    def stop(self) -> None:
        """Stop the server, then kill what is left of it."""
        # Noted first: once the parent has gone it is unknown whose child a process was.
        family = self.processes()
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT)
        for process in family:
            if process.is_alive():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
        self._process.wait()


def find_free_port() -> int:
    """Return a port on which nothing listens at the moment."""
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        port: int = sock.getsockname()[1]
        return port
