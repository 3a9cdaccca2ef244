"""Containers of an image, started as the platform starts them."""

import json
import os
import socket
import time
import uuid
from typing import Any, Dict, List, Optional, Sequence

from ...client import Answer, Client
from ...model.spec import Limits
from .engine import MOUNT_POINT, Engine, EngineError

#: Seconds that an answer may take beyond the model's own time.
ANSWER_SECONDS = 10

#: The server's port in a container: the first that is not the image's own.
PORTS = (9180, 9181)

POLL_SECONDS = 0.1

_PORT_VARIABLE = "PSC_MODEL_PORT={}"


class ServerUnreachable(Exception):
    """The server of a container does not answer; the message is one line."""


class ContainerExited(ServerUnreachable):
    """The container did not start, or has exited."""


class NotListening(ServerUnreachable):
    """Nothing listens on the port that the container was told."""


class NoAnswer(ServerUnreachable):
    """The server takes the request, and does not answer it in time."""


class Container:
    """A context manager: a container of an image, removed at the end.

    It is started with no command, with the memory, the processors and the GPUs of
    `model.yaml`, and with `PSC_MODEL_PORT` set to a port that is not the image's own.
    That port is published on a free port of 127.0.0.1.

    Attributes:
        name: of the container.
        image_config: the image's `Cmd`, `Entrypoint`, `Env`, `User` and the like.
        options: those of `docker run`, without `--detach` and `--name`.
        port: that the server has to listen on in the container.
        client: sends the server requests, once the container runs.
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
            limits: of `model.yaml`; processors that this machine does not have are
                not asked for, since an engine refuses to start then.
            folder: of this machine, found at `MOUNT_POINT` in the container.
            options: more options of `docker run`, such as `--read-only`.

        Raises:
            EngineError: there is no such image here.
        """
        self.engine = engine
        self.image = image
        self.limits = limits
        self.name = "psc-" + uuid.uuid4().hex[:12]
        self.image_config = dict(engine.inspect_image(image)["Config"])
        self.port = choose_port(self.image_config)
        self.options = self._limit_resources()
        self.options += ["--env", _PORT_VARIABLE.format(self.port)]
        self.options += ["--publish", f"127.0.0.1::{self.port}"]
        if folder:
            # SELinux lets a container see what is labelled as shared
            self.options += ["--volume", f"{folder}:{MOUNT_POINT}:z"]
        self.options += options
        self.client = Client(f"http://127.0.0.1:{self.port}")

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
            ContainerExited: the engine could not start it.
            EngineError: the container is gone.
        """
        command = ["run", "--detach", "--name", self.name]
        try:
            self.engine.call(*command + self.options + [self.image])
        except EngineError as error:
            raise ContainerExited(str(error)) from error
        ports = self.inspect()["NetworkSettings"].get("Ports") or {}
        bindings = ports.get(f"{self.port}/tcp")
        # one that has exited at once has no port any more
        if bindings:
            url = "http://127.0.0.1:{}".format(bindings[0]["HostPort"])
            self.client = Client(url, self.limits.run_timeout + ANSWER_SECONDS)

    def get_status(self) -> Answer:
        """Wait until the server listens, at most `timeout.status`, and ask for its status.

        Returns:
            The answer to the first `GET /status` that got one.

        Raises:
            ServerUnreachable: there is none within `timeout.status`.
            EngineError: the container is gone.
        """
        deadline = time.monotonic() + self.limits.status_timeout
        while True:
            exit = self.describe_exit()
            if exit:
                raise ContainerExited(exit)
            left = deadline - time.monotonic()
            try:
                return Client(self.client.url, max(left, POLL_SECONDS)).get("/status")
            except OSError as error:
                problem = error
            if time.monotonic() > deadline:
                raise self._describe_silence(problem)
            time.sleep(POLL_SECONDS)

    def inspect(self) -> Dict[str, Any]:
        """Return what the engine knows about the container, as `docker inspect` does.

        Raises:
            EngineError: it is gone.
        """
        return dict(json.loads(self.engine.call("container", "inspect", self.name))[0])

    def get_exit_code(self) -> Optional[int]:
        """Return the exit code of the container, None while it runs."""
        state = self.inspect()["State"]
        return None if state["Running"] else int(state["ExitCode"])

    def describe_exit(self) -> str:
        """Say how the container has exited; nothing while it runs."""
        state = self.inspect()["State"]
        if state["Running"]:
            return ""
        reason = ", out of memory" if state.get("OOMKilled") else ""
        return "the container exited with code {}{}".format(state["ExitCode"], reason)

    def wait(self, seconds: float) -> Optional[int]:
        """Wait until the container has exited, and return its exit code.

        Args:
            seconds: to wait at most.

        Returns:
            The exit code, None where it still runs.
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
        """Return what the container has written to its two outputs so far."""
        return self.engine.call("logs", self.name, merge=True)

    def remove(self) -> None:
        """Remove the container, whatever its state; its anonymous volumes too."""
        try:
            self.engine.call("rm", "--force", "--volumes", self.name)
        except EngineError:
            # Docker 20 calls it an error where there is none
            if self.name in self.engine.call(
                "ps", "--all", "--filter", "name=" + self.name
            ):
                raise

    def _describe_silence(self, error: OSError) -> ServerUnreachable:
        within = f"within {self.limits.status_timeout:g} s"
        if isinstance(getattr(error, "reason", error), socket.timeout):
            return NoAnswer("no answer " + within)
        return NotListening(
            f"nothing listens on port {self.port} {within}; the server should take it from the variable"
            " PSC_MODEL_PORT, and listen on 0.0.0.0"
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
    """Choose a port for the server that is not the one that its image names.

    Args:
        image_config: with the variables of the image as `Env`.
    """
    variables = image_config.get("Env") or []
    free = [port for port in PORTS if _PORT_VARIABLE.format(port) not in variables]
    return free[0]
