"""The checks of a container: its image, its end, and what it runs without."""

import errno
import json
import os
import sys
import time
from typing import Dict, Iterator, Optional

from ...client import Client
from ..containers.container import Container
from ..containers.shared_folder import OPEN_FILE, write_open_file
from .finding import Finding, Unexpected, observe
from .server_under_test import (
    Background,
    Target,
    describe,
    expect_code,
    expect_response_object,
)

#: Seconds that a container without a running job may take to exit: what `docker stop`
#: allows by default, before it kills.
EXIT_SECONDS = 10

#: Seconds that `/status` may take while a job runs.
PROMPT_SECONDS = 5

#: Seconds that a run may take to open its input.
OPEN_SECONDS = 10

SHELL = ["/bin/sh", "-c"]

#: What a pipe of Linux holds before a writer has to wait; see pipe(7).
PIPE_BYTES = 65536


class HeldFile:
    """A named pipe in the place of a file: who reads it waits until it is released.

    So a run of a model that takes no time at all lasts as long as a check needs it.

    Attributes:
        path: of the file.
        data: what is read, once it is released.
    """

    def __init__(self, path: str, data: bytes) -> None:
        """Put the pipe in the place of the file.

        Raises:
            OSError: the file system has no pipes.
        """
        self.path = path
        self.data = data
        self._writer: Optional[int] = None
        if os.path.lexists(path):
            os.remove(path)
        os.mkfifo(path)
        os.chmod(path, OPEN_FILE)

    def is_read(self) -> bool:
        """Tell whether somebody has opened the file, and waits."""
        if self._writer is None:
            try:
                self._writer = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                # there is no reader
                if error.errno != errno.ENXIO:
                    raise
        return self._writer is not None

    def release(self) -> None:
        """Let the reader read; who opens the path from now on finds a usual file."""
        if self._writer is None:
            # for both directions, it opens without a reader
            self._writer = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)
        write_open_file(self.path, self.data)
        try:
            os.write(self._writer, self.data[:PIPE_BYTES])
        except BrokenPipeError:
            pass  # the reader has gone
        os.close(self._writer)


def check_exec_form(target: Target) -> Iterator[Finding]:
    """Look at how the image says what to start."""
    config = _container(target).image_config
    command = (config.get("Entrypoint") or []) + (config.get("Cmd") or [])
    yield Finding(
        "",
        'a CMD in exec form, such as ["./entrypoint.sh"]',
        json.dumps(command),
        command[:2] != SHELL,
    )


def check_user(target: Target) -> Iterator[Finding]:
    """Look at the user of the image."""
    user = _container(target).image_config.get("User") or "root"
    name = user.split(":")[0]
    yield Finding("", "a USER other than root", user, name not in ("root", "0"))


def check_shutdown(target: Target) -> Iterator[Finding]:
    """Ask the server to shut down, and wait for it."""
    try:
        answer = target.client.post("/shutdown")
    except OSError as error:
        came = f"the connection was dropped: {error}"
        yield Finding("answer", "202", came, False, is_advice=True)
    else:

        def look() -> str:
            expect_code(answer, 202)
            return expect_response_object(answer)

        yield observe("answer", "202 and the response object", look)
    yield _observe_exit(target, "exit")


def check_sigterm(target: Target) -> Iterator[Finding]:
    """Stop the container as an engine does."""
    _container(target).send_signal("SIGTERM")
    yield _observe_exit(target, "")


def check_one_job(target: Target) -> Iterator[Finding]:
    """Run the first example case."""

    def look() -> str:
        target.run_case(target.data.examples[0])
        return "the same"

    yield observe("", "200 for an example case, and its outputs", look)


def check_status_during_run(target: Target) -> Iterator[Finding]:
    """Ask for the status while a job runs."""
    expected = f"200 within {PROMPT_SECONDS} s"
    if not sys.platform.startswith("linux"):
        # a pipe does not reach into the virtual machine of an engine
        yield Finding("", expected, "a run can be held up on Linux only", None)
        return
    inputs = min((case.inputs for case in target.data.examples), key=_measure)
    if not _measure(inputs):
        yield Finding("", expected, "no input of an example holds anything", None)
        return
    job = target.folder.make_job(inputs)
    name, data = next((name, data) for name, data in inputs.items() if data)
    file = HeldFile(os.path.join(job.input_folder, name), data)
    run = Background(job.run, target.client)
    try:
        if _wait_until_read(file, run):
            yield observe("", expected, _ask_for_status, target)
        else:
            came = "a run could not be held up"
            if not run.is_running():
                came += f", it ended with {describe(run.join())}"
            yield Finding("", expected, came, None)
    finally:
        file.release()
        run.wait()


def _measure(inputs: Dict[str, Optional[bytes]]) -> int:
    return sum(len(data) for data in inputs.values() if data)


def _ask_for_status(target: Target) -> str:
    return expect_code(Client(target.client.url, PROMPT_SECONDS).get("/status"), 200)


def _wait_until_read(file: HeldFile, run: Background) -> bool:
    deadline = time.monotonic() + OPEN_SECONDS
    while run.is_running() and time.monotonic() < deadline:
        if file.is_read():
            return True
        time.sleep(0.01)
    return False


def _observe_exit(target: Target, subject: str) -> Finding:
    def look() -> str:
        code = _container(target).wait(EXIT_SECONDS)
        if code is None:
            raise Unexpected(f"it still runs after {EXIT_SECONDS} s")
        if code != 0:
            raise Unexpected(f"exit code {code}")
        return "exit code 0"

    return observe(subject, f"exit code 0 within {EXIT_SECONDS} s", look)


def _container(target: Target) -> Container:
    assert target.container
    return target.container
