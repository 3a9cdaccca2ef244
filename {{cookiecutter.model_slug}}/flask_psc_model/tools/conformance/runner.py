"""Runs the checks in the containers that they need, and reports what they find."""

import time
from typing import Iterable, Iterator, Optional, Sequence, Tuple

from ...client import Client, Response
from ...model.spec import Limits
from ..containers.container import (
    RESPONSE_SECONDS,
    Container,
    ContainerExited,
    NoResponse,
    NotListening,
    ServerUnreachable,
)
from ..containers.engine import MOUNT_POINT, Engine, EngineError
from ..containers.shared_folder import SharedFolder
from ..interrupts import InterruptibleClient
from .check import Check, Finding
from .checks import COMMAND, PORT, STATUS_CHECK
from .report import Report, make_result
from .server_under_test import ModelCases, ServerUnderTest, describe

#: Lets a server under another user into the folder of the jobs.
PASSABLE_FOLDER = 0o711

#: Seconds that a container may take to exit after its server has dropped a connection.
EXIT_SECONDS = 1

#: Lines of a container's log that are shown with a failure.
LOG_LINES = 20

#: The check that fails if a server cannot be reached.
START_CHECKS = {ContainerExited: COMMAND, NotListening: PORT, NoResponse: STATUS_CHECK}


class CheckRunner:
    """Runs checks and reports what they find."""

    def __init__(
        self,
        checks: Sequence[Check],
        data: ModelCases,
        limits: Limits,
        report: Report,
        tolerance: float = 0.0,
        dockerfile_user: str = "",
    ) -> None:
        """Choose what is checked.

        Args:
            checks: to run; what prevents them is reported, too.
            data: the cases.
            limits: of `model.yaml`.
            report: shows each result.
            tolerance: of numbers in outputs.
            dockerfile_user: the USER of the Dockerfile beside `model.yaml`.
        """
        self._checks = checks
        self._data = data
        self._limits = limits
        self._report = report
        self._tolerance = tolerance
        self._dockerfile_user = dockerfile_user

    def check_server(self, url: str) -> None:
        """Check a server that is already running on this machine; leave it running.

        Raises:
            ServerUnreachable: it does not answer.
            FolderFailed: this machine cannot keep the files of the jobs.
            ValueError: that is not a URL.
        """
        seconds = self._limits.run_timeout + RESPONSE_SECONDS
        client = InterruptibleClient(url, seconds)
        checks = [check for check in self._checks if not check.needs_container]
        folder = SharedFolder(mode=PASSABLE_FOLDER)
        try:
            finding = self._poll_status(client)
            self._add(STATUS_CHECK, finding)
            if finding.passed:
                self._run(checks, self._make_server(client, folder))
            else:
                self._skip(checks, STATUS_CHECK)
        finally:
            self._remove(folder)

    def check_image(self, engine: Engine, image: str) -> None:
        """Check an image in containers that are removed at the end.

        Raises:
            EngineError: the engine fails, has no such image, or does not see the folder
                of the jobs.
            FolderFailed: this machine cannot keep the files of the jobs.
        """
        engine.inspect_image(image)
        folder = SharedFolder(
            MOUNT_POINT, lambda path: engine.remove_folder(path, image)
        )
        together = [check for check in self._checks if check.options is None]
        alone = [check for check in self._checks if check.options is not None]
        try:
            engine.check_folder(folder.path, image)
            container = Container(engine, image, self._limits, folder.path)
            obstacle = self._check_in(container, folder, together)
            if obstacle:
                self._skip(together + alone, obstacle)
                return
            for check in alone:
                options = check.options or ()
                container = Container(engine, image, self._limits, folder.path, options)
                self._check_in(container, folder, [check], alone=True)
        finally:
            self._remove(folder)

    def _check_in(
        self,
        container: Container,
        folder: SharedFolder,
        checks: Sequence[Check],
        alone: bool = False,
    ) -> Optional[Check]:
        """Run checks in one container; return the check that keeps it from serving.

        Args:
            container: to start, and to remove at the end.
            folder: holds the files of the jobs.
            checks: to run.
            alone: the only check fails if the container does not serve.
        """
        try:
            for check, finding in self._start(container):
                if alone and not finding.passed:
                    check = checks[0]
                    finding = finding._replace(expected="a server that is ready")
                if not alone or not finding.passed:
                    self._add(check, finding, container)
                if not finding.passed:
                    return check
            server = self._make_server(container.client, folder, container)
            self._run(checks, server)
            return None
        finally:
            container.remove()

    def _start(self, container: Container) -> Iterator[Tuple[Check, Finding]]:
        """Start a container; yield what that shows, up to the first problem."""
        self._report.announce(f"starting a container: {' '.join(container.options)}")
        failed: Optional[Check] = None
        try:
            container.start()
            started = time.monotonic()
            response = container.get_status()
        except ServerUnreachable as error:
            failed, got = START_CHECKS[type(error)], str(error)
        else:
            got = _describe_status(response, time.monotonic() - started)
            if response.status_code != 200:
                failed = STATUS_CHECK
        for check, expected, usual in (
            (COMMAND, "a container that runs without a command", "it runs"),
            (PORT, f"a response on port {container.port}", "a response"),
            (STATUS_CHECK, self._expected_status(), got),
        ):
            if check is failed:
                yield check, Finding("", expected, got, False)
                return
            yield check, Finding("", expected, usual, True)

    def _poll_status(self, client: Client) -> Finding:
        started = time.monotonic()
        try:
            seconds = self._limits.status_timeout
            response = InterruptibleClient(client.url, seconds).get("/status")
        except OSError as error:
            raise ServerUnreachable(
                f"no answer from {client.url}: {error}; is the server running there?"
            ) from error
        got = _describe_status(response, time.monotonic() - started)
        return Finding("", self._expected_status(), got, response.status_code == 200)

    def _expected_status(self) -> str:
        return f"200 within {self._limits.status_timeout:g} s"

    def _make_server(
        self,
        client: Client,
        folder: SharedFolder,
        container: Optional[Container] = None,
    ) -> ServerUnderTest:
        return ServerUnderTest(
            client,
            self._data,
            folder,
            self._limits,
            self._tolerance,
            container,
            self._dockerfile_user,
        )

    def _run(self, checks: Iterable[Check], server: ServerUnderTest) -> None:
        remaining = [check for check in checks if check.find]
        while remaining:
            check = remaining.pop(0)
            if not self._run_one(check, server):
                self._skip(remaining, check)
                return

    def _run_one(self, check: Check, server: ServerUnderTest) -> bool:
        """Run a check; return whether the server can still be checked afterwards."""
        assert check.find
        started = time.monotonic()
        self._report.begin(check.name)
        for finding in check.find(server):
            exit = _find_exit(server) if finding.is_silent else ""
            if exit:
                finding = finding._replace(got=f"{finding.got}; {exit}")
            seconds = time.monotonic() - started
            self._add(check, finding, server.container, seconds)
            if exit:
                return False
            started = time.monotonic()
        return True

    def _add(
        self,
        check: Check,
        finding: Finding,
        container: Optional[Container] = None,
        seconds: float = 0.0,
    ) -> None:
        # what prevents the chosen checks is reported, chosen or not
        if check in self._checks or not finding.passed:
            log = _read_log(container) if container and finding.passed is False else ""
            self._report.add(make_result(check, finding, seconds, log))

    def _skip(self, checks: Iterable[Check], obstacle: Check) -> None:
        reason = f"not checked, since {obstacle.name} failed"
        for check in checks:
            if check.find:
                finding = Finding("", check.summary, reason, None)
                self._report.add(make_result(check, finding))

    def _remove(self, folder: SharedFolder) -> None:
        try:
            folder.remove()
        except OSError as error:
            self._report.warn(str(error))


def _read_log(container: Container) -> str:
    """Return the last lines of what the container has written since the last call."""
    try:
        log = container.read_new_log()
    except EngineError:
        return ""  # a container that could not be made has no log
    return "\n".join(log.splitlines()[-LOG_LINES:])


def _find_exit(server: ServerUnderTest) -> str:
    """Describe how the container of a silent server has exited, if it has."""
    if server.container is None or server.container.wait(EXIT_SECONDS) is None:
        return ""
    return server.container.describe_exit()


def _describe_status(response: Response, seconds: float) -> str:
    return f"{describe(response)} (after {seconds:.1f} s)"
