"""Commands as a person runs them."""

import os
import subprocess
import sys


class Ending:
    """How a command ended: its exit code, and what it wrote."""

    def __init__(self, code, output, errors):
        self.code = code
        self.output = output
        self.errors = errors

    def __repr__(self):
        return "exit code {}\n{}\n{}".format(self.code, self.output, self.errors)


def run_python(
    *args,
    folder,
    text="",
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    **environment,
):
    """Run `python` with some arguments in a folder, to its end.

    Args:
        args: the arguments.
        folder: the working directory.
        text: what is typed, on standard input.
        stdout: a file for what it prints, in place of the `output`.
        stderr: likewise for its `errors`.
        environment: variables to set.
    """
    process = subprocess.Popen(
        (sys.executable,) + args,
        cwd=str(folder),
        env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1", **environment),
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=stderr,
        universal_newlines=True,
    )
    output, errors = process.communicate(text, timeout=60)
    return Ending(process.returncode, output, errors)
