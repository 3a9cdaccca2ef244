"""A container engine on this machine, by its command."""

import contextlib
import json
import os
import subprocess
from typing import Any, Dict, Optional, Sequence, Tuple

#: Where a container finds the folder that it shares with this machine.
MOUNT_POINT = "/data"

#: Seconds that one command of an engine may take; none here waits for a model.
COMMAND_SECONDS = 60


class EngineError(Exception):
    """An engine did not do what it was asked to do; the message is one line."""


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
                f"{self.command} cannot be run: {error.strerror}; install it, or name another engine with"
                " --engine"
            ) from error
        output, errors = self._finish(process, arguments)
        if process.returncode:
            raise EngineError(
                "{} {}: {}".format(
                    self.command,
                    arguments[0],
                    _to_line(errors or output) or f"exit code {process.returncode}",
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
                f"there is no container engine that answers: {error}"
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
                f"there is no image {image} here: build it with `{self.command} build -t {image} .`, or pull"
                f" it ({error})"
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
        command += ["--volume", f"{parent}:{MOUNT_POINT}:z"]
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
                f"{self.command} {arguments[0]} did not end within {COMMAND_SECONDS} s"
            ) from None
        except BaseException:
            # what a command has done that was cut off would not be known
            process.communicate(timeout=COMMAND_SECONDS)
            raise


def _to_line(text: str) -> str:
    return " ".join(text.split())
