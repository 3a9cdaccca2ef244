"""A container of an image, started as the platform starts it."""

import json
import os
import re
import socket
import time
import uuid
from typing import Any, Dict, List, Optional, Sequence

from ...client import Response
from ...model.spec import Limits
from ..interrupts import InterruptibleClient
from .engine import CANNOT_RUN, Engine, EngineError, mount

#: Seconds that a response may take beyond the model's own time.
RESPONSE_SECONDS = 10

#: The server's port in a container: the first that is not the image's own.
PORTS = (9180, 9181)

POLL_SECONDS = 0.1

#: What `CANNOT_RUN` means if the image is to blame.
IMAGE_FAULT = re.compile("no command|unable to find (user|group)", re.IGNORECASE)


class ServerUnreachable(Exception):
    """The server of a container does not answer; the message is one line."""


class ContainerExited(ServerUnreachable):
    """The container did not start, or has exited."""


class NotListening(ServerUnreachable):
    """Nothing listens on the port of PSC_MODEL_PORT."""


class NoResponse(ServerUnreachable):
    """The server accepts the request, and does not answer it in time."""


class Container:
    """A context manager: a container of an image, removed at the end.

    It runs without a command, with the memory, the CPUs and the GPUs of `model.yaml`,
    and with `PSC_MODEL_PORT` set to a port that is not the image's own. That port is
    published on a free port of 127.0.0.1.

    Attributes:
        name: of the container.
        image_config: the image's `Cmd`, `Entrypoint`, `Env`, `User` and the like.
        options: those of `docker run`, without `--detach` and `--name`.
        port: that the server should listen on in the container.
        client: sends requests to the server, once the container runs.
    """

    def __init__(
        self,
        engine: Engine,
        image: str,
        limits: Limits,
        folder: Optional[str] = None,
        options: Sequence[str] = (),
    ) -> None:
        """Describe the container.

        Args:
            engine: runs it.
            image: its image.
            limits: of `model.yaml`; no more CPUs than this machine has, since an
                engine refuses to start with more.
            folder: of this machine, mounted at `MOUNT_POINT` in the container.
            options: more options of `docker run`, such as `--read-only`.

        Raises:
            EngineError: this machine has no such image.
        """
        self.engine = engine
        self.image = image
        self.limits = limits
        self.name = "psc-" + uuid.uuid4().hex[:12]
        self.image_config = dict(engine.inspect_image(image)["Config"])
        self.port = choose_port(self.image_config)
        self.options = self._limit_resources()
        self.options += ["--env", f"PSC_MODEL_PORT={self.port}"]
        self.options += ["--publish", f"127.0.0.1::{self.port}"]
        if folder:
            self.options += mount(folder)
        self.options += options
        self.client = InterruptibleClient(f"http://127.0.0.1:{self.port}")
        self._log_length = 0

    def __enter__(self) -> "Container":
        try:
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        self.remove()

    def start(self) -> None:
        """Start the container, without waiting for its server to listen.

        Raises:
            ContainerExited: the image has no program that can be started.
            EngineError: the engine cannot do what the options say, or the container no
                longer exists.
        """
        command = ["run", "--detach", "--name", self.name]
        try:
            self.engine.call(*command + self.options + [self.image])
        except EngineError as error:
            if error.code == CANNOT_RUN and not IMAGE_FAULT.search(str(error)):
                raise
            raise ContainerExited(str(error)) from error
        ports = self.inspect()["NetworkSettings"].get("Ports") or {}
        bindings = ports.get(f"{self.port}/tcp")
        # a container that has exited already has no port
        if bindings:
            url = f"http://127.0.0.1:{bindings[0]['HostPort']}"
            seconds = self.limits.run_timeout + RESPONSE_SECONDS
            self.client = InterruptibleClient(url, seconds)

    def get_status(self) -> Response:
        """Poll `/status` until the server answers, at most `timeout.status`.

        Raises:
            ServerUnreachable: it does not answer within `timeout.status`.
            EngineError: the container no longer exists.
        """
        deadline = time.monotonic() + self.limits.status_timeout
        while True:
            exit = self.describe_exit()
            if exit:
                raise ContainerExited(exit)
            left = deadline - time.monotonic()
            try:
                client = InterruptibleClient(self.client.url, max(left, POLL_SECONDS))
                return client.get("/status")
            except OSError as error:
                problem = error
            if time.monotonic() > deadline:
                raise self._describe_silence(problem)
            time.sleep(POLL_SECONDS)

    def inspect(self) -> Dict[str, Any]:
        """Return what `docker inspect` reports about the container.

        Raises:
            EngineError: the container no longer exists.
        """
        return dict(json.loads(self.engine.call("container", "inspect", self.name))[0])

    def get_exit_code(self) -> Optional[int]:
        """Return the exit code, or None while the container runs."""
        state = self.inspect()["State"]
        return None if state["Running"] else int(state["ExitCode"])

    def describe_exit(self) -> str:
        """Describe how the container has exited; empty while it runs."""
        state = self.inspect()["State"]
        if state["Running"]:
            return ""
        reason = ", out of memory" if state.get("OOMKilled") else ""
        return f"the container exited with code {state['ExitCode']}{reason}"

    def wait(self, seconds: float) -> Optional[int]:
        """Wait for the container to exit; return its exit code, or None if it still runs.

        Args:
            seconds: to wait at most.
        """
        deadline = time.monotonic() + seconds
        while True:
            code = self.get_exit_code()
            if code is not None or time.monotonic() > deadline:
                return code
            time.sleep(POLL_SECONDS)

    def send_signal(self, name: str) -> None:
        """Send a signal such as SIGTERM to the container's first process."""
        self.engine.call("kill", "--signal", name, self.name)

    def read_log(self) -> str:
        """Return what the container has written to standard output and error so far."""
        return self.engine.call("logs", self.name, merge=True)

    def read_new_log(self) -> str:
        """Return what the container has written since the last call."""
        log = self.read_log()
        new = log[self._log_length :]
        self._log_length = len(log)
        return new

    def remove(self) -> None:
        """Remove the container in any state, with its anonymous volumes."""
        try:
            self.engine.call("rm", "--force", "--volumes", self.name)
        except EngineError:
            # to Docker 20, removing a container that does not exist is an error
            if self.name in self.engine.call(
                "ps", "--all", "--filter", f"name={self.name}"
            ):
                raise

    def _describe_silence(self, error: OSError) -> ServerUnreachable:
        within = f"within {self.limits.status_timeout:g} s"
        if isinstance(error, socket.timeout):
            return NoResponse("no answer " + within)
        return NotListening(
            f"nothing listens on port {self.port} {within}; read the port from the"
            " variable PSC_MODEL_PORT, and listen on 0.0.0.0"
        )

    def _limit_resources(self) -> List[str]:
        options = []
        if self.limits.memory:
            options += ["--memory", f"{self.limits.memory}b"]
        if self.limits.cpus:
            cpus = min(self.limits.cpus, os.cpu_count() or 1)
            options += ["--cpus", f"{cpus:g}"]
        if self.limits.gpus:
            options += ["--gpus", str(self.limits.gpus)]
        return options


def choose_port(image_config: Dict[str, Any]) -> int:
    """Return a port for the server that is not the one that its image sets.

    Args:
        image_config: with the variables of the image as `Env`.
    """
    variables = image_config.get("Env") or []
    return next(port for port in PORTS if f"PSC_MODEL_PORT={port}" not in variables)
