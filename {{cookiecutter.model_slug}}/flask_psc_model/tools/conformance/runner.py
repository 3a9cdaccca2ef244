"""Making the checks: which containers they need, and what comes of them."""

import time
from typing import Iterable, Iterator, Optional, Sequence, Tuple

from ...client import Answer, Client
from ...model.spec import Limits
from ..containers.container import (
    ANSWER_SECONDS,
    Container,
    ContainerExited,
    NoAnswer,
    NotListening,
    ServerUnreachable,
)
from ..containers.engine import MOUNT_POINT, Engine, EngineError
from ..containers.shared_folder import SharedFolder
from .checks import COMMAND, PORT, STATUS_CHECK, Check
from .finding import Finding
from .report import Report, Result
from .server_under_test import ModelCases, Target, describe

#: Lets a server under another user into the folder of the jobs.
PASSABLE_FOLDER = 0o711

#: Seconds that a container may take to exit once its server has dropped a connection.
EXIT_SECONDS = 1

#: Lines of a container's log that are shown with a failure.
LOG_LINES = 20

#: Which check fails when a server cannot be reached.
START_CHECKS = {ContainerExited: COMMAND, NotListening: PORT, NoAnswer: STATUS_CHECK}


class LogTail:
    """Reads the newest lines of a container's log, each of them once."""

    def __init__(self, container: Optional[Container]) -> None:
        """Choose the container; None has no log."""
        self._container = container
        self._shown = 0

    def read_new(self) -> str:
        """Return what is new since the last time: the last `LOG_LINES` lines of it."""
        if self._container is None:
            return ""
        try:
            log = self._container.read_log()
        except EngineError:
            return ""  # one that could not be made has no log
        new = log[self._shown :]
        self._shown = len(log)
        return "\n".join(new.splitlines()[-LOG_LINES:])


class Inspection:
    """Makes checks and reports what they find."""

    def __init__(
        self,
        checks: Sequence[Check],
        data: ModelCases,
        limits: Limits,
        report: Report,
        tolerance: float = 0.0,
    ) -> None:
        """Choose what is checked.

        Args:
            checks: to make; what keeps them from being made is reported, too.
            data: the cases.
            limits: of `model.yaml`.
            report: takes every result as it comes.
            tolerance: of numbers in outputs.
        """
        self._checks = checks
        self._data = data
        self._limits = limits
        self._report = report
        self._tolerance = tolerance

    def inspect_server(self, url: str) -> None:
        """Check a server of this machine that runs already, and leave it running.

        Raises:
            ServerUnreachable: it does not answer.
            ValueError: that is no URL.
        """
        client = Client(url, self._limits.run_timeout + ANSWER_SECONDS)
        checks = [check for check in self._checks if not check.needs_container]
        log = LogTail(None)
        folder = SharedFolder(mode=PASSABLE_FOLDER)
        try:
            finding = self._ask_for_status(client)
            self._add(STATUS_CHECK, finding, log)
            if finding.passed:
                target = self._make_target(client, folder)
                self._make(checks, target, log)
            else:
                self._leave_out(checks, STATUS_CHECK)
        finally:
            self._remove(folder)

    def inspect_image(self, engine: Engine, image: str) -> None:
        """Check an image in containers that are removed at the end.

        Raises:
            EngineError: the engine does not do what it should, or has no such image.
        """
        folder = SharedFolder(
            MOUNT_POINT, lambda path: engine.remove_folder(path, image)
        )
        together = [check for check in self._checks if check.options is None]
        alone = [check for check in self._checks if check.options is not None]
        try:
            container = Container(engine, image, self._limits, folder.path)
            obstacle = self._inspect_together(together, container, folder)
            if obstacle:
                self._leave_out(together + alone, obstacle)
                return
            for check in alone:
                options = check.options or ()
                container = Container(engine, image, self._limits, folder.path, options)
                self._inspect_alone(check, container, folder)
        finally:
            self._remove(folder)

    def _inspect_together(
        self, checks: Sequence[Check], container: Container, folder: SharedFolder
    ) -> Optional[Check]:
        """Make checks in one container, and return the one that keeps it from serving."""
        log = LogTail(container)
        try:
            for check, finding in self._start(container):
                self._add(check, finding, log)
                if not finding.passed:
                    return check
            target = self._make_target(container.client, folder, container)
            self._make(checks, target, log)
            return None
        finally:
            container.remove()

    def _inspect_alone(
        self, check: Check, container: Container, folder: SharedFolder
    ) -> None:
        log = LogTail(container)
        try:
            for _, finding in self._start(container):
                if not finding.passed:
                    finding.expected = "a server that is ready"
                    self._add(check, finding, log)
                    return
            target = self._make_target(container.client, folder, container)
            self._make([check], target, log)
        finally:
            container.remove()

    def _start(self, container: Container) -> Iterator[Tuple[Check, Finding]]:
        """Start a container; yield what that shows, up to what is wrong."""
        self._report.announce(
            "starting a container: {}".format(" ".join(container.options))
        )
        failed: Optional[Check] = None
        try:
            container.start()
            started = time.monotonic()
            answer = container.get_status()
        except ServerUnreachable as error:
            failed, came = START_CHECKS[type(error)], str(error)
        else:
            came = _describe_status(answer, time.monotonic() - started)
            if answer.status_code != 200:
                failed = STATUS_CHECK
        for check, expected, usual in (
            (COMMAND, "a container that runs without a command", "it runs"),
            (PORT, f"an answer on port {container.port}", "an answer"),
            (STATUS_CHECK, self._expected_status(), came),
        ):
            is_good = check is not failed
            yield check, Finding("", expected, usual if is_good else came, is_good)
            if not is_good:
                return

    def _ask_for_status(self, client: Client) -> Finding:
        started = time.monotonic()
        try:
            answer = Client(client.url, self._limits.status_timeout).get("/status")
        except OSError as error:
            raise ServerUnreachable(
                "no answer from {}: {}; is the server running there?".format(
                    client.url, getattr(error, "reason", error)
                )
            ) from error
        came = _describe_status(answer, time.monotonic() - started)
        return Finding("", self._expected_status(), came, answer.status_code == 200)

    def _expected_status(self) -> str:
        return f"200 within {self._limits.status_timeout:g} s"

    def _make_target(
        self,
        client: Client,
        folder: SharedFolder,
        container: Optional[Container] = None,
    ) -> Target:
        return Target(
            client, self._data, folder, self._limits, self._tolerance, container
        )

    def _make(self, checks: Iterable[Check], target: Target, log: LogTail) -> None:
        remaining = [check for check in checks if check.find]
        while remaining:
            check = remaining.pop(0)
            if not self._make_one(check, target, log):
                self._leave_out(remaining, check)
                return

    def _make_one(self, check: Check, target: Target, log: LogTail) -> bool:
        """Make a check; return whether the server can still be checked after it."""
        assert check.find
        started = time.monotonic()
        self._report.begin(check.name)
        for finding in check.find(target):
            died = finding.is_silent and self._explain_silence(finding, target)
            self._add(check, finding, log, time.monotonic() - started)
            if died:
                return False
            started = time.monotonic()
        return True

    def _explain_silence(self, finding: Finding, target: Target) -> bool:
        """Say why a server does not answer, if its container has exited."""
        if target.container is None or target.container.wait(EXIT_SECONDS) is None:
            return False
        finding.came += "; " + target.container.describe_exit()
        return True

    def _add(
        self, check: Check, finding: Finding, log: LogTail, seconds: float = 0.0
    ) -> None:
        # what keeps the chosen checks from being made is told, chosen or not
        if check in self._checks or not finding.passed:
            text = log.read_new() if finding.passed is False else ""
            self._report.add(Result(check, finding, seconds, text))

    def _leave_out(self, checks: Iterable[Check], obstacle: Check) -> None:
        reason = f"not checked, since {obstacle.name} failed"
        for check in checks:
            if check.find:
                finding = Finding("", check.summary, reason, None)
                self._report.add(Result(check, finding))

    def _remove(self, folder: SharedFolder) -> None:
        try:
            folder.remove()
        except OSError as error:
            self._report.warn(str(error))


def _describe_status(answer: Answer, seconds: float) -> str:
    return f"{describe(answer)} (after {seconds:.1f} s)"
