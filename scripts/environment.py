"""Virtual environments.

    python scripts/environment.py FOLDER REQUIREMENTS

creates one in the folder if there is none, and installs the requirements in it.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path

from commands import CommandFailed, run
from console import Console

#: Variables of a developer's shell that change what a server or Python does.
HIDDEN = re.compile("(PSC|FLASK|GUNICORN)_|PYTHON(HOME|PATH)$|__PYVENV_LAUNCHER__$")


class Environment:
    """A virtual environment in a folder."""

    def __init__(self, folder: Path) -> None:
        """Set the folder; `create` fills it."""
        self.folder = folder
        self.python = folder / "bin" / "python"

    def create(self, python: Path | str = sys.executable) -> None:
        """Create the environment for an interpreter, and replace an existing one.

        Raises:
            CommandFailed: that interpreter cannot create one.
        """
        run([python, "-m", "venv", "--clear", self.folder])

    def install(self, *arguments: str | Path, console: Console | None = None) -> None:
        """Install packages with pip, given its arguments.

        Modules are compiled when first imported, since most of a package's modules never are.

        Raises:
            CommandFailed: pip failed; the message has its output.
        """
        found: list[str] = []

        def show(line: str) -> None:
            # pip writes "Processing" and a path for a local file
            if console and (match := re.match(r"(?:Collecting|Processing) (?:\S*/)?(\S+)", line)):
                found.append(match[1])
                console.progress(f"{len(found):3} {found[-1]}")
            elif console and line.startswith("Installing"):
                console.progress(f"installing {len(found)} packages")

        try:
            run(
                [self.python, "-m", "pip", "install", "--disable-pip-version-check", "--no-compile", *arguments],
                environment=self.variables(),
                on_line=show,
            )
        finally:
            if console:
                console.end_progress()

    def variables(self, **more: str) -> dict[str, str]:
        """Return the variables of a process in it, as if it were activated."""
        inherited = {name: value for name, value in os.environ.items() if not HIDDEN.match(name)}
        path = os.pathsep.join([str(self.python.parent), inherited.get("PATH", os.defpath)])
        return {**inherited, "PATH": path, "VIRTUAL_ENV": str(self.folder), **more}


def main() -> None:
    """Create the environment that the command line names."""
    folder, requirements = map(Path, sys.argv[1:])
    environment, console = Environment(folder.absolute()), Console()
    try:
        # pip is installed last: without it, an earlier attempt was interrupted
        if not environment.python.with_name("pip").exists():
            environment.create()
        environment.install("-r", requirements, console=console)
    except CommandFailed as error:
        console.error(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


if __name__ == "__main__":
    main()
