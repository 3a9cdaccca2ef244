"""What is measured: containers of an image, or the repository's own server."""

import re
from contextlib import contextmanager
from typing import Callable, ContextManager, Dict, Iterator, NamedTuple, Optional

from ...client import Client, Response
from ...model.spec import Limits, ModelSpec
from ...testing.live_server import LiveServer, ServerNotStarted
from .. import to_line
from ..containers.container import Container, ContainerExited, ServerUnreachable
from ..containers.engine import MOUNT_POINT, Engine
from ..containers.shared_folder import SharedFolder
from ..interrupts import InterruptibleClient, interruptible
from .gpu_memory import watch_gpus
from .memory import Memory, watch_container, watch_processes

#: Seconds that a container has for each response: the model's time is not known before
#: it is measured, and the server in the container has limits of its own.
RESPONSE_SECONDS = 3600

#: Seconds that a container has to listen and to load the model.
START_SECONDS = 600

#: The line of a traceback that is indented as its first one.
_ERROR = re.compile(
    r"^([ \t]*)Traceback \(most recent call last\):\n(?:\1[ \t].*\n)+\1(\S.*)",
    re.MULTILINE,
)

Inputs = Dict[str, Optional[bytes]]


class MeasurementFailed(Exception):
    """The model cannot be measured; the message is one line."""


class Running(NamedTuple):
    """A server that has been started.

    Attributes:
        get_status: waits until the server listens, and returns its status.
        client: sends it jobs.
        folder: holds the files of the jobs.
        memory: of all its processes.
        gpu_memory: of all GPUs.
    """

    get_status: Callable[[], Response]
    client: Client
    folder: SharedFolder
    memory: Memory
    gpu_memory: Memory

    def wait_until_loaded(self) -> None:
        """Wait until the model is loaded.

        Raises:
            MeasurementFailed: it cannot be loaded.
        """
        response = self.get_status()
        if response.status_code != 200:
            raise MeasurementFailed(
                f"GET /status was answered {response.status_code}:"
                f" {to_line(response.message)}"
            )


#: Starts a server in a context that stops it.
Start = Callable[[], ContextManager[Running]]


@contextmanager
def start_container(engine: Engine, image: str, limits: Limits) -> Iterator[Running]:
    """Start a container of an image, and remove it at the end.

    Raises:
        EngineError: the engine fails.
        MeasurementFailed: its server does not answer.
    """

    def remove(path: str) -> None:
        engine.remove_folder(path, image)

    with SharedFolder(MOUNT_POINT, remove) as folder:
        engine.check_folder(folder.path, image)
        try:
            with watch_gpus(limits.gpus > 0) as gpu_memory, Container(
                engine, image, limits, folder.path
            ) as container:
                with _reporting(container), watch_container(container) as memory:
                    yield Running(
                        container.get_status,
                        container.client,
                        folder,
                        memory,
                        gpu_memory,
                    )
        except ContainerExited as error:
            raise MeasurementFailed(str(error)) from error


@contextmanager
def _reporting(container: Container) -> Iterator[None]:
    try:
        yield
    except (OSError, ServerUnreachable) as error:
        raise _describe_silence(str(error), container.read_log()) from error


@contextmanager
def start_locally(repository: str) -> Iterator[Running]:
    """Start the server of a repository's `entrypoint.sh`, and stop it at the end.

    Raises:
        OSError, ValueError: its `model.yaml` is missing or wrong.
        MeasurementFailed: it does not start, or does not answer.
    """
    server = LiveServer(repository)

    def get_status() -> Response:
        with interruptible():
            server.wait_until_it_accepts()
        return client.get("/status")

    gpus = watch_gpus(True)
    server.start()
    client = InterruptibleClient(server.client.url, server.client.timeout)
    try:
        memory = watch_processes(server.process.pid)
        with SharedFolder() as folder, memory, gpus:
            yield Running(get_status, client, folder, memory, gpus)
    except ServerNotStarted as error:
        raise _describe_silence(error.problem, server.read_log()) from error
    except OSError as error:
        raise _describe_silence(str(error), server.read_log()) from error
    finally:
        server.stop()


def make_open_limits(repository: str) -> Limits:
    """Return limits for containers without what is to be measured.

    They keep the CPUs and GPUs of `model.yaml`, on which the times depend, and have no
    memory limit.

    Raises:
        OSError: there is no `model.yaml`.
        ValueError: a value in it is wrong.
    """
    limits = ModelSpec.load(repository).limits
    return limits._replace(
        memory=None, status_timeout=START_SECONDS, run_timeout=RESPONSE_SECONDS
    )


def describe_log(log: str) -> str:
    """Return the end of a server's log: the error of the last traceback, if there is one."""
    errors = _ERROR.findall(log)
    if errors:
        return f"the last error in its log: {errors[-1][1].strip()}"
    lines = log.strip().splitlines() or ["(nothing)"]
    return f"the last line of its log: {lines[-1].strip()}"


def _describe_silence(problem: str, log: str) -> MeasurementFailed:
    return MeasurementFailed(f"{problem}; {describe_log(log)}")
