"""The checks of a container: its image, how it stops, what it runs without."""

import contextlib
import errno
import json
import os
import sys
import time
from concurrent.futures import Future, wait
from typing import Any, Iterator, Optional

from ..containers.container import Container
from ..containers.image_user import is_root
from ..containers.shared_folder import OPEN_FILE, blame_folder, write_open_file
from ..interrupts import InterruptibleClient, interruptible
from .check import (
    BEST_PRACTICE,
    CONTAINER,
    SHUTDOWN,
    Finding,
    Unexpected,
    check,
    observe,
)
from .server_under_test import (
    Inputs,
    ServerUnderTest,
    describe,
    expect_code,
    expect_response_object,
    start_call,
)

#: Seconds that an idle container may take to exit: `docker stop` kills it after 10.
EXIT_SECONDS = 10

#: Seconds that `/status` may take while a job runs.
PROMPT_SECONDS = 5

#: Seconds that a run may take to open its input.
OPEN_SECONDS = 10

SHELL = ["/bin/sh", "-c"]

#: Bytes that a pipe of Linux holds before a write blocks; see pipe(7).
PIPE_BYTES = 65536


class HeldFile:
    """A named pipe in place of a file: a read blocks until it is released.

    So the run of even the fastest model lasts as long as a check needs it.
    """

    def __init__(self, path: str, data: bytes) -> None:
        """Replace the file with a pipe.

        Args:
            path: of the file.
            data: what a read returns after the release.

        Raises:
            FolderFailed: the file system has no pipes.
        """
        self._path = path
        self._data = data
        self._writer: Optional[int] = None
        with blame_folder(path):
            if os.path.lexists(path):
                os.remove(path)
            os.mkfifo(path)
            os.chmod(path, OPEN_FILE)

    def is_read(self) -> bool:
        """Return whether a reader has opened the file, and waits."""
        if self._writer is None:
            try:
                self._writer = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                # there is no reader
                if error.errno != errno.ENXIO:
                    raise
        return self._writer is not None

    def release(self) -> None:
        """Let the reader read, and put a regular file in place of the pipe."""
        if self._writer is None:
            # opening it for both directions needs no reader
            self._writer = os.open(self._path, os.O_RDWR | os.O_NONBLOCK)
        write_open_file(self._path, self._data)
        # the reader may be gone
        with contextlib.suppress(BrokenPipeError):
            os.write(self._writer, self._data[:PIPE_BYTES])
        os.close(self._writer)


@check(
    "exec-form",
    CONTAINER,
    "the image's CMD is in exec form",
    needs_container=True,
    is_recommendation=True,
)
def check_exec_form(server: ServerUnderTest) -> Iterator[Finding]:
    """Check the form of the image's command."""
    config = _container(server).image_config
    command = (config.get("Entrypoint") or []) + (config.get("Cmd") or [])
    yield Finding(
        "",
        'a CMD in exec form, such as ["./entrypoint.sh"]',
        json.dumps(command),
        command[:2] != SHELL,
    )


@check(
    "non-root",
    BEST_PRACTICE,
    "the image's user is not root, unless the Dockerfile says so",
    needs_container=True,
)
def check_user(server: ServerUnderTest) -> Iterator[Finding]:
    """Check the user of the image."""
    user = _container(server).image_config.get("User") or "root"
    is_wanted = is_root(server.dockerfile_user)
    expected = "root, as the Dockerfile says" if is_wanted else "a USER other than root"
    yield Finding("", expected, user, is_wanted or not is_root(user))


@check(
    "shutdown",
    SHUTDOWN,
    "/shutdown answers 202 and the container exits with 0",
    needs_container=True,
)
def check_shutdown(server: ServerUnderTest) -> Iterator[Finding]:
    """Shut the server down over HTTP, and wait for it."""
    try:
        response = server.client.post("/shutdown")
    except OSError as error:
        got = f"the connection was dropped: {error}"
        yield Finding("response", "202", got, False, is_recommendation=True)
    else:

        def look() -> str:
            expect_code(response, 202)
            return expect_response_object(response)

        yield observe("response", "202 and the response object", look)
    yield _observe_exit(server, "exit")


@check(
    "sigterm",
    BEST_PRACTICE,
    "the container exits with 0 on SIGTERM",
    options=(),
    needs_container=True,
)
def check_sigterm(server: ServerUnderTest) -> Iterator[Finding]:
    """Stop the container as `docker stop` does."""
    _container(server).send_signal("SIGTERM")
    yield _observe_exit(server, "")


@check(
    "read-only",
    BEST_PRACTICE,
    "a job runs with a read-only root and a writable /tmp",
    options=("--read-only", "--tmpfs", "/tmp"),
    needs_container=True,
)
def check_read_only(server: ServerUnderTest) -> Iterator[Finding]:
    """Run an example case without a writable root."""
    yield _observe_job(server)


@check(
    "no-shared-memory",
    BEST_PRACTICE,
    "a job runs without shared memory (--ipc=none)",
    options=("--ipc", "none"),
    needs_container=True,
)
def check_no_shared_memory(server: ServerUnderTest) -> Iterator[Finding]:
    """Run an example case without shared memory."""
    yield _observe_job(server)


def _observe_job(server: ServerUnderTest) -> Finding:
    def look() -> str:
        server.run_case(server.data.examples[0])
        return "the same"

    return observe("", "200 for an example case, and its outputs", look)


@check(
    "status-during-run", BEST_PRACTICE, "/status answers while a job runs", options=()
)
def check_status_during_run(server: ServerUnderTest) -> Iterator[Finding]:
    """Poll `/status` while a job runs."""
    expected = f"200 within {PROMPT_SECONDS} s"
    if not sys.platform.startswith("linux"):
        # a pipe does not work across the border of an engine's virtual machine
        yield Finding("", expected, "a run can be held up on Linux only", None)
        return
    inputs = min((case.inputs for case in server.data.examples), key=_count_bytes)
    if not _count_bytes(inputs):
        yield Finding("", expected, "every input of the examples is empty", None)
        return
    name, data = next((name, data) for name, data in inputs.items() if data)
    with server.folder.make_job(inputs) as job:
        file = HeldFile(os.path.join(job.input_folder, name), data)
        run = start_call(job.run, server.client)
        try:
            if _wait_until_read(file, run):
                yield observe("", expected, _get_status, server)
            else:
                yield Finding("", expected, _describe_run(run), None)
        finally:
            file.release()
            with interruptible():
                wait([run])


def _describe_run(run: "Future[Any]") -> str:
    got = "a run could not be held up"
    if not run.done():
        return got
    error = run.exception()
    ending = f"no answer: {error}" if error else describe(run.result())
    return f"{got}, it ended with {ending}"


def _count_bytes(inputs: Inputs) -> int:
    return sum(len(data) for data in inputs.values() if data)


def _get_status(server: ServerUnderTest) -> str:
    client = InterruptibleClient(server.client.url, PROMPT_SECONDS)
    return expect_code(client.get("/status"), 200)


def _wait_until_read(file: HeldFile, run: "Future[Any]") -> bool:
    deadline = time.monotonic() + OPEN_SECONDS
    while not run.done() and time.monotonic() < deadline:
        if file.is_read():
            return True
        with interruptible():
            time.sleep(0.01)
    return False


def _observe_exit(server: ServerUnderTest, subject: str) -> Finding:
    def look() -> str:
        code = _container(server).wait(EXIT_SECONDS)
        if code is None:
            raise Unexpected(f"it still runs after {EXIT_SECONDS} s")
        if code != 0:
            raise Unexpected(f"exit code {code}")
        return "exit code 0"

    return observe(subject, f"exit code 0 within {EXIT_SECONDS} s", look)


def _container(server: ServerUnderTest) -> Container:
    assert server.container
    return server.container
