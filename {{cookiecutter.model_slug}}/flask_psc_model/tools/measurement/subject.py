"""What is measured: containers of an image, or the server on this machine."""

from contextlib import contextmanager
from typing import Callable, ContextManager, Dict, Iterator, Optional

from ...client import Answer, Client
from ...model.spec import Limits, ModelSpec
from ...testing.live_server import LiveServer, ServerNotStarted
from ..containers.container import Container, ServerUnreachable
from ..containers.engine import MOUNT_POINT, Engine
from ..containers.shared_folder import SharedFolder
from .memory import Memory, watch_container, watch_processes

#: Seconds that a container has for each answer: what the model may take is not known
#: before it is measured, and the server in the container has limits of its own.
ANSWER_SECONDS = 3600

#: Seconds that a container has until its server listens and has loaded the model.
START_SECONDS = 600

Inputs = Dict[str, Optional[bytes]]


class MeasurementFailed(Exception):
    """There is nothing to measure, or it does not work; the message is one line."""


class Running:
    """A server that has been started.

    Attributes:
        memory: knows the peak of all its processes.
    """

    def __init__(
        self,
        get_status: Callable[[], Answer],
        client: Client,
        folder: SharedFolder,
        memory: Memory,
    ) -> None:
        """Name its parts.

        Args:
            get_status: waits until the server listens, and asks for its status.
            client: sends it jobs.
            folder: for the files of jobs.
            memory: knows the peak of all its processes.
        """
        self.memory = memory
        self._get_status = get_status
        self._client = client
        self._folder = folder

    def wait_until_loaded(self) -> None:
        """Wait until the model can take a job.

        Raises:
            MeasurementFailed: it could not be loaded.
        """
        answer = self._get_status()
        if answer.status_code != 200:
            raise MeasurementFailed(
                f"GET /status was answered {answer.status_code}: {_to_line(answer.message)}"
            )

    def prepare_job(self, inputs: Inputs) -> Callable[[], Answer]:
        """Write the files of a job, and return what runs it."""
        job = self._folder.make_job(inputs)
        return lambda: job.run(self._client)


#: Starts a server in a context that stops it.
Start = Callable[[], ContextManager[Running]]


@contextmanager
def start_container(engine: Engine, image: str, limits: Limits) -> Iterator[Running]:
    """Start a container of an image, and remove it at the end.

    Raises:
        EngineError: the engine cannot.
        MeasurementFailed: its server does not answer.
    """

    def remove(path: str) -> None:
        engine.remove_folder(path, image)

    with SharedFolder(MOUNT_POINT, remove) as folder:
        with Container(engine, image, limits, folder.path) as container:
            try:
                with watch_container(container) as memory:
                    yield Running(
                        container.get_status, container.client, folder, memory
                    )
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

    def get_status() -> Answer:
        server.wait_until_it_listens()
        return server.client.get("/status")

    server.start()
    try:
        with SharedFolder() as folder, watch_processes(server.process.pid) as memory:
            yield Running(get_status, server.client, folder, memory)
    except ServerNotStarted as error:
        raise _describe_silence(error.problem, server.read_log()) from error
    except OSError as error:
        raise _describe_silence(str(error), server.read_log()) from error
    finally:
        server.stop()


def make_open_limits(repository: str) -> Limits:
    """Return limits for containers that leave open what is to be found out.

    They have the processors of `model.yaml`, on which the times depend, and no memory
    limit.

    Raises:
        OSError: there is no `model.yaml`.
        ValueError: it is wrong.
    """
    limits = ModelSpec.load(repository).limits
    return limits._replace(
        memory=None, status_timeout=START_SECONDS, run_timeout=ANSWER_SECONDS
    )


def _describe_silence(problem: str, log: str) -> MeasurementFailed:
    lines = log.strip().splitlines() or ["(nothing)"]
    return MeasurementFailed(
        f"{problem}; the last line of its log: {lines[-1].strip()}"
    )


def _to_line(text: str) -> str:
    return " ".join(text.split())
