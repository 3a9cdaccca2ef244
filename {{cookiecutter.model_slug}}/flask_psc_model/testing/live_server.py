"""A real server on this machine for tests, the same as in the container."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from typing import Any, Dict, Optional, Sequence

from ..client import Client
from ..model.spec import ModelSpec

COMMAND = ("./entrypoint.sh",)

#: Seconds, beyond those to load a model, until a server has to accept connections.
START_SECONDS = 60


class ServerNotStarted(RuntimeError):
    """A server accepts no connection; the message contains its log.

    Attributes:
        problem: what is wrong, without the log.
    """

    def __init__(self, problem: str, log: str) -> None:
        super().__init__(f"{problem}; its log:\n{log}")
        self.problem = problem


class LiveServer:
    """A context manager that starts a model's server on a free port and stops it.

    Attributes:
        client: sends requests to the server.
        process: the server's first process.
    """

    def __init__(
        self,
        folder: str,
        command: Sequence[str] = COMMAND,
        environment: Optional[Dict[str, str]] = None,
    ) -> None:
        """Set the server, without starting it.

        Args:
            folder: of the repository, with `model.yaml`.
            command: starts the server in that folder.
            environment: variables to set for the server.
        """
        self.folder = folder
        self.command = list(command)
        self.environment = dict(environment or {})
        self.limits = ModelSpec.load(folder).limits

    def __enter__(self) -> "LiveServer":
        self.start()
        try:
            self.wait_until_it_accepts()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server, without waiting for it."""
        self.port = find_free_port()
        self.client = Client(
            f"http://127.0.0.1:{self.port}",
            timeout=self.limits.status_timeout + self.limits.run_timeout + 10,
        )
        self._log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            self.command,
            cwd=self.folder,
            env=self._make_environment(),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    def wait_until_it_accepts(self) -> None:
        """Wait until the server accepts connections, which may be before the model loads.

        Gunicorn listens before it imports the app: a connection says nothing until a
        worker closes it.

        Raises:
            ServerNotStarted: it exits, or accepts none within `START_SECONDS` and
                `timeout.status`.
        """
        deadline = time.monotonic() + START_SECONDS + self.limits.status_timeout
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                address = ("127.0.0.1", self.port)
                with socket.create_connection(address, timeout=1) as connection:
                    connection.shutdown(socket.SHUT_WR)
                    connection.recv(1)
                return
            except OSError:
                time.sleep(0.02)
        code = self.process.returncode
        state = "does not answer" if code is None else f"exited with code {code}"
        raise ServerNotStarted(
            f"the server {' '.join(self.command)} {state}", self.read_log()
        )

    def stop(self) -> int:
        """Stop the server and return its exit code.

        A server that does not stop in time is killed with its process group.
        """
        try:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
            return self.wait()
        finally:
            self._log.close()

    def wait(self) -> int:
        """Wait until the server exits and return its exit code."""
        try:
            return self.process.wait(timeout=self.limits.run_timeout + 10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            return self.process.wait()

    def read_log(self) -> str:
        """Return the server's output so far."""
        # the server shares the file's position, which must stay at its end
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode("utf-8", "replace")

    def _make_environment(self) -> Dict[str, str]:
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("PSC_MODEL_")
        }
        # the entry point should find the `python` of this process
        search_path = [os.path.dirname(sys.executable), environment.get("PATH", "")]
        environment["PATH"] = os.pathsep.join(filter(None, search_path))
        environment["PSC_MODEL_HOST"] = "127.0.0.1"
        environment["PSC_MODEL_PORT"] = str(self.port)
        environment.update(self.environment)
        return environment


def find_free_port() -> int:
    """Return a free port of 127.0.0.1."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
