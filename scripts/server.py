"""A generated repository's server on this machine."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

HOST = "127.0.0.1"

#: Seconds for a server to be ready, and to stop: far more than either takes.
PATIENCE = 60


class ServerFailed(Exception):
    """The server did not do what it should."""


class Server:
    """A context manager that starts a server on a free port, and ends it.

    Attributes:
        url: where it listens.
    """

    def __init__(self, repository: Path, variables: Mapping[str, str], *command: str) -> None:
        """Store what to start.

        Args:
            repository: the folder to start it in.
            variables: those of its process.
            command: starts it; `./entrypoint.sh` by default.
        """
        self._repository = repository
        self._command: Sequence[str] = command or ("./entrypoint.sh",)
        self._port = find_free_port()
        self._variables = {**variables, "PSC_MODEL_HOST": HOST, "PSC_MODEL_PORT": str(self._port)}
        self.url = f"http://{HOST}:{self._port}"
        # a proxy knows nothing of this machine's servers
        self._opener = build_opener(ProxyHandler({}))

    def __enter__(self) -> Server:
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            self._command,
            cwd=self._repository,
            env=self._variables,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            # Ctrl-C in a terminal is for those who wait for it, not for the server
            start_new_session=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._process.poll() is None:
                self._process.terminate()
                self.wait()
        finally:
            self._log.close()

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        """Send a GET request; return the status and the response object.

        Raises:
            OSError: there is no answer.
            ServerFailed: the answer is no JSON.
        """
        return self._send(Request(self.url + path))

    def post(self, path: str, content: object = None) -> tuple[int, dict[str, Any]]:
        """Send a POST request with a JSON body; return the status and the response object.

        Raises:
            OSError: there is no answer.
            ServerFailed: the answer is no JSON.
        """
        body = b"" if content is None else json.dumps(content).encode()
        return self._send(Request(self.url + path, body, {"Content-Type": "application/json"}))

    def wait_until_ready(self) -> dict[str, Any]:
        """Wait until `/status` answers that the model is loaded; return its response object.

        Raises:
            ServerFailed: the model is not loaded, or the server has ended.
        """
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise ServerFailed(f"the server ended with exit code {self._process.returncode}")
            try:
                status, answer = self.get("/status")
            except OSError:
                time.sleep(0.1)
                continue
            if status == 200:
                return answer
            raise ServerFailed(f"/status answered {status}: {answer['message']}")
        raise ServerFailed(f"the server does not listen on port {self._port}")

    def wait(self) -> int:
        """Wait until the server has ended; return its exit code.

        A server that does not end is killed, with its process group.
        """
        try:
            return self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            return self._process.wait()

    def read_log(self) -> str:
        """Return what the server has written so far."""
        return os.pread(self._log.fileno(), 10_000_000, 0).decode("utf-8", "replace")

    def _send(self, request: Request) -> tuple[int, dict[str, Any]]:
        try:
            response = self._opener.open(request, timeout=PATIENCE)
        except HTTPError as error:
            response = error
        with response:
            body = response.read()
        try:
            return response.status, json.loads(body)
        except ValueError as error:
            raise ServerFailed(f"{request.full_url} answered {response.status} without JSON: {body[:200]!r}") from error


def find_free_port() -> int:
    """Return a port on which nobody listens now."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])
