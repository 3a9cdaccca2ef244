"""The container engine of this machine, called by its command."""

import contextlib
import json
import os
import subprocess
from typing import Any, Dict, Optional, Sequence, Tuple

from .. import to_line

#: The folder in a container that it shares with this machine.
MOUNT_POINT = "/data"

#: Seconds that one command may take; no command here waits for a model.
COMMAND_SECONDS = 60


class EngineError(Exception):
    """A command of the engine failed; the message is one line."""


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
        # in a session of its own: Ctrl-C ends this process only, which then removes
        # what the command has started
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
                f"{self.command} cannot be run: {error.strerror}; install it, or name"
                " another engine with --engine"
            ) from error
        output, errors = self._finish(process, arguments)
        if process.returncode:
            problem = to_line(errors or output) or f"exit code {process.returncode}"
            raise EngineError(f"{self.command} {arguments[0]}: {problem}")
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

    def remove_folder(self, folder: str, image: str) -> None:
        """Remove a folder with files of a container's users, if possible.

        Root in a container may remove what a user of this machine may not.

        Args:
            folder: its path on this machine.
            image: runs `rm`, if it has it.
        """
        parent, name = os.path.split(folder)
        command = ["run", "--rm", "--user", "0", "--entrypoint", "rm"]
        command += ["--volume", f"{parent}:{MOUNT_POINT}:z"]
        with contextlib.suppress(EngineError):
            self.call(*command + [image, "-rf", f"{MOUNT_POINT}/{name}"])

    def _finish(
        self, process: "subprocess.Popen[str]", arguments: Sequence[str]
    ) -> Tuple[str, Optional[str]]:
        try:
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
