"""The container engine of this machine, called by its command."""

import contextlib
import json
import os
import re
import subprocess
import uuid
from typing import Any, Dict, List, Optional, Sequence, Tuple

from .. import to_line
from ..interrupts import interruptible

#: The folder in a container that it shares with this machine.
MOUNT_POINT = "/data"

#: Seconds that one command may take; no command here waits for a model.
COMMAND_SECONDS = 60


STDERR_FD = 2

#: The exit status of `run` if the engine cannot do what the options say.
CANNOT_RUN = 125

#: What to do about an error, by a pattern of the engine's words.
HINTS = (
    ("permission denied.*socket", "let your user use the engine, or run it as root"),
    ("cannot connect|daemon running", "start the engine"),
    (
        r"\[gpu\]|nvidia",
        "use a machine with GPUs; check_container and try_container run without any by"
        " --gpus 0",
    ),
    ("memory limit", "correct resources.memory.size in model.yaml"),
    (
        "bind source|mounts denied|invalid mount",
        "set TMPDIR to a folder that the engine shares",
    ),
)


class EngineError(Exception):
    """A command of the engine failed; the message is one line.

    Attributes:
        code: the exit status of the command, None if it did not end.
    """

    def __init__(self, message: str, code: Optional[int] = None) -> None:
        super().__init__(message)
        self.code = code


class UnsharedFolder(EngineError):
    """The engine does not see a folder of this machine."""


class Engine:
    """The container engine of this machine, called by its command.

    Attributes:
        command: `docker`, `podman`, or a path to either.
    """

    def __init__(self, command: str = "docker") -> None:
        self.command = command

    def call(self, *arguments: str, merge: bool = False) -> str:
        """Run a command and return its standard output.

        Args:
            arguments: such as `"image", "inspect", "my-image"`.
            merge: include standard error.

        Raises:
            EngineError: it failed, or took longer than `COMMAND_SECONDS`.
        """
        process = self._start(
            arguments,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merge else subprocess.PIPE,
        )
        output, errors = self._finish(process, arguments)
        if process.returncode:
            raise EngineError(
                f"{self.command} {arguments[0]}: "
                + _describe(process.returncode, output, errors or ""),
                process.returncode,
            )
        return output

    def check(self) -> None:
        """Check that the engine is installed and running.

        Raises:
            EngineError: it is not.
        """
        try:
            self.call("info")
        except EngineError as error:
            raise EngineError(
                f"there is no container engine that answers: {error}"
            ) from error

    def build(self, folder: str, tag: str, options: Sequence[str] = ()) -> None:
        """Build the image of a folder; its progress goes to standard error.

        Args:
            folder: with the Dockerfile.
            tag: of the image.
            options: more options of `build`.

        Raises:
            EngineError: it cannot be built.
        """
        process = self._start(
            ("build", "--tag", tag, *options, folder),
            stdout=STDERR_FD,
            # a Dockerfile with mounts needs it, and older engines do not use it
            env={"DOCKER_BUILDKIT": "1", **os.environ},
        )
        try:
            with interruptible():
                process.wait()
        except BaseException:
            # a build that is cancelled leaves nothing
            process.terminate()
            try:
                process.wait(timeout=COMMAND_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            raise
        if process.returncode:
            raise EngineError(
                f"{self.command} build ended with exit status {process.returncode}: see"
                " its output above",
                process.returncode,
            )

    def inspect_image(self, image: str) -> Dict[str, Any]:
        """Return what `docker image inspect` reports about an image; never pull it.

        Raises:
            EngineError: this machine has no such image.
        """
        try:
            output = self.call("image", "inspect", image)
        except EngineError as error:
            raise EngineError(
                f"there is no image {image} here: build it with `{self.command} build"
                f" -t {image} .`, or pull it ({error})"
            ) from error
        return dict(json.loads(output)[0])

    def check_folder(self, folder: str, image: str) -> None:
        """Check that containers see a folder of this machine.

        The engine may run elsewhere, or have a /tmp of its own. No program of the image
        runs, since it may have none that reads a file.

        Args:
            folder: its path on this machine.
            image: of the container.

        Raises:
            UnsharedFolder: they do not.
            OSError: the folder cannot be written.
        """
        name = "psc-" + uuid.uuid4().hex[:12]
        path = os.path.join(folder, name)
        with open(path, "w") as file:
            file.write(name)
        seen, problem = "", ""
        try:
            self.call("create", "--name", name, *mount(folder), image, "probe")
            seen = self.call("cp", f"{name}:{MOUNT_POINT}/{name}", "-")
        except EngineError as error:
            problem = f" ({error})"
        finally:
            os.remove(path)
            with contextlib.suppress(EngineError):
                self.call("rm", "--force", name)
        if name not in seen:
            raise UnsharedFolder(
                f"{self.command} does not see the folder {folder}: set TMPDIR to a"
                f" folder that the engine shares{problem}"
            )

    def remove_folder(self, folder: str, image: str) -> None:
        """Remove a folder with files of a container's users, if possible.

        Root in a container may remove what a user of this machine may not.

        Args:
            folder: its path on this machine.
            image: runs `rm`, if it has it.
        """
        parent, name = os.path.split(folder)
        command = ["run", "--rm", "--user", "0", "--entrypoint", "rm"]
        command += mount(parent)
        with contextlib.suppress(EngineError):
            self.call(*command + [image, "-rf", f"{MOUNT_POINT}/{name}"])

    def _start(
        self, arguments: Sequence[str], **options: Any
    ) -> "subprocess.Popen[str]":
        # in a session of its own: Ctrl-C ends this process only, which then removes
        # what the command has started
        try:
            return subprocess.Popen(
                (self.command, *arguments),
                stdin=subprocess.DEVNULL,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
                **options,
            )
        except OSError as error:
            raise EngineError(
                f"{self.command} cannot be run: {error.strerror}; install it, or name"
                " another engine with --engine"
            ) from error

    def _finish(
        self, process: "subprocess.Popen[str]", arguments: Sequence[str]
    ) -> Tuple[str, Optional[str]]:
        try:
            with interruptible():
                return process.communicate(timeout=COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise EngineError(
                f"{self.command} {arguments[0]} did not end within {COMMAND_SECONDS} s"
            ) from None
        except BaseException:
            # let the command end, so that what it has started can be removed
            process.communicate(timeout=COMMAND_SECONDS)
            raise


def mount(folder: str) -> List[str]:
    """Return the options of `run` that mount a folder at `MOUNT_POINT`.

    Without a label, SELinux lets the container use the folder.
    """
    source = "source=" + folder
    # the value is a line of CSV
    if re.search('[,"]', source):
        source = '"' + source.replace('"', '""') + '"'
    value = f"type=bind,{source},target={MOUNT_POINT}"
    return ["--security-opt", "label=disable", "--mount", value]


def _describe(code: int, output: str, errors: str) -> str:
    """Return the engine's own words about an error, and what to do."""
    # `docker info` has its reason on standard output, below the client's settings
    found = re.findall("^error.*", output, re.MULTILINE | re.IGNORECASE)
    words = to_line(" ".join(found) or errors or output) or f"exit code {code}"
    for pattern, hint in HINTS:
        if re.search(pattern, words, re.IGNORECASE):
            return f"{words}; {hint}"
    return words
