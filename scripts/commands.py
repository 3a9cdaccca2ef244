"""Commands that leave nothing running behind them, however they end."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

#: Variables with which Git finds no settings of whoever runs it: the template offers their name as the author.
NO_GIT_CONFIGURATION = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}


class CommandFailed(Exception):
    """A command ended with another exit status than 0; the message has its output."""


def run(
    command: Sequence[str | Path],
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    on_line: Callable[[str], object] | None = None,
) -> str:
    """Run a command, with nothing to read, and return what it wrote.

    Args:
        command: the program and its arguments.
        folder: where to run it.
        environment: all of its variables; those of this process by default.
        on_line: called with each line as soon as it is written.

    Raises:
        CommandFailed: its exit status is not 0.
    """
    lines: list[str] = []
    # a signal in the middle of the start would leave a process of which nobody knows
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    unblock = partial(signal.pthread_sigmask, signal.SIG_SETMASK, mask)
    try:
        with subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
            preexec_fn=unblock,
        ) as process:
            assert process.stdout is not None
            try:
                unblock()
                for line in process.stdout:
                    lines.append(line)
                    if on_line:
                        on_line(line.rstrip("\n"))
                process.wait()
            except BaseException:
                # it leads a process group of its own, so that what it has started ends with it
                os.killpg(process.pid, signal.SIGKILL)
                # which is so once none of them has the pipe open
                process.stdout.read()
                raise
    finally:
        unblock()
    output = "".join(lines)
    if process.returncode:
        shown = shlex.join(map(str, command))
        raise CommandFailed(f"{shown}\nended with exit status {process.returncode}:\n{output}")
    return output
