"""Containers of an image, started as the platform starts them."""

import contextlib
import json
import os
import socket
import subprocess
import time
import uuid
from typing import Any, Dict, List, Optional, Sequence, Tuple

from .client import Answer, Client
from .limits import Limits

#: The engines whose command takes the arguments that are used here.
ENGINES = ("docker", "podman")

#: Where a container finds the folder that it shares with this machine.
MOUNT_POINT = "/data"

#: Seconds that an answer may take beyond the model's own time.
ANSWER_SECONDS = 10

#: The server's port in a container: the first that is not the image's own.
PORTS = (9180, 9181)

#: Seconds that one command of an engine may take; none here waits for a model.
COMMAND_SECONDS = 60

POLL_SECONDS = 0.1

_PORT_VARIABLE = "PSC_MODEL_PORT={}"


class EngineError(Exception):
    """An engine did not do what it was asked to do; the message is one line."""


class ServerUnreachable(Exception):
    """The server of a container does not answer; the message is one line."""


class ContainerExited(ServerUnreachable):
    """The container did not start, or has exited."""


class NotListening(ServerUnreachable):
    """Nothing listens on the port that the container was told."""


class NoAnswer(ServerUnreachable):
    """The server takes the request, and does not answer it in time."""


class Engine:
    """A container engine on this machine, by its command.

    Attributes:
        command: `docker`, `podman`, or the path of one.
    """

    def __init__(self, command: str = "docker") -> None:
        self.command = command

    def call(self, *arguments: str, merge: bool = False) -> str:
        """Run a command of the engine and return what it wrote to standard output.

        Args:
            arguments: such as `"image", "inspect", "my-image"`.
            merge: return what it wrote to standard error, too.

        Raises:
            EngineError: it failed, or took longer than `COMMAND_SECONDS`.
        """
        # in a session of its own, so that Ctrl-C ends this process only, which then
        # removes what a command has just started
        try:
            process = subprocess.Popen(
                (self.command,) + arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if merge else subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            raise EngineError(
                "{} cannot be run: {}; install it, or name another engine with"
                " --engine".format(self.command, error.strerror)
            ) from error
        output, errors = self._finish(process, arguments)
        if process.returncode:
            raise EngineError(
                "{} {}: {}".format(
                    self.command,
                    arguments[0],
                    _to_line(errors or output)
                    or "exit code {}".format(process.returncode),
                )
            )
        return output

    def check(self) -> None:
        """Check that the engine is there and answers.

        Raises:
            EngineError: it does not.
        """
        try:
            self.call("info")
        except EngineError as error:
            raise EngineError(
                "there is no container engine that answers: {}".format(error)
            ) from error

    def inspect_image(self, image: str) -> Dict[str, Any]:
        """Return what the engine knows about an image, as `docker image inspect` does.

        Raises:
            EngineError: there is no such image here; none is pulled.
        """
        try:
            output = self.call("image", "inspect", image)
        except EngineError as error:
            raise EngineError(
                "there is no image {0} here: build it with `{1} build -t {0} .`, or pull"
                " it ({2})".format(image, self.command, error)
            ) from error
        return dict(json.loads(output)[0])

    def remove_folder(self, folder: str, image: str) -> None:
        """Remove a folder with files that belong to users of a container, if possible.

        A user of this machine may not remove them, but root in a container may.

        Args:
            folder: its path on this machine.
            image: may have the command `rm`.
        """
        parent, name = os.path.split(folder)
        command = ["run", "--rm", "--user", "0", "--entrypoint", "rm"]
        command += ["--volume", "{}:{}:z".format(parent, MOUNT_POINT)]
        with contextlib.suppress(EngineError):
            self.call(*command + [image, "-rf", MOUNT_POINT + "/" + name])

    def _finish(
        self, process: "subprocess.Popen[str]", arguments: Sequence[str]
    ) -> Tuple[str, Optional[str]]:
        try:
            return process.communicate(timeout=COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise EngineError(
                "{} {} did not end within {} s".format(
                    self.command, arguments[0], COMMAND_SECONDS
                )
            ) from None
        except BaseException:
            # what a command has done that was cut off would not be known
            process.communicate(timeout=COMMAND_SECONDS)
            raise


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
        self.options += ["--publish", "127.0.0.1::{}".format(self.port)]
        if folder:
            # SELinux lets a container see what is labelled as shared
            self.options += ["--volume", "{}:{}:z".format(folder, MOUNT_POINT)]
        self.options += options
        self.client = Client("http://127.0.0.1:{}".format(self.port))

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
        bindings = ports.get("{}/tcp".format(self.port))
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
        within = "within {:g} s".format(self.limits.status_timeout)
        if isinstance(getattr(error, "reason", error), socket.timeout):
            return NoAnswer("no answer " + within)
        return NotListening(
            "nothing listens on port {} {}; the server should take it from the variable"
            " PSC_MODEL_PORT, and listen on 0.0.0.0".format(self.port, within)
        )

    def _limit_resources(self) -> List[str]:
        options = []
        if self.limits.memory:
            options += ["--memory", "{}b".format(self.limits.memory)]
        if self.limits.cpus:
            cpus = min(self.limits.cpus, os.cpu_count() or 1)
            options += ["--cpus", "{:g}".format(cpus)]
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


def _to_line(text: str) -> str:
    return " ".join(text.split())
