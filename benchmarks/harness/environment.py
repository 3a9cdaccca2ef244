"""Virtual environments, one for each set of requirements, kept between runs."""

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from .errors import BenchmarkFailed


class Environment:
    """A virtual environment with the packages of one requirements file.

    It is made anew only when the requirements or the interpreter change.

    Attributes:
        folder: where it stands.
        python: its interpreter.
    """

    def __init__(self, cache: Path, requirements: Path) -> None:
        """Find the place of the environment; `install` fills it.

        Args:
            cache: the folder that holds all environments.
            requirements: the requirements file, which should pin every package.
        """
        self.requirements = requirements
        key = hashlib.sha256(sys.version.encode() + requirements.read_bytes()).hexdigest()
        self.folder = cache / f"{requirements.stem}-{key[:12]}"
        self.python = self.folder / "bin" / "python"
        self._installed = self.folder / "installed"

    def install(self) -> bool:
        """Make the environment unless it is there.

        Returns:
            Whether it had to be made.

        Raises:
            BenchmarkFailed: pip failed.
        """
        if self._installed.exists():
            return False
        shutil.rmtree(self.folder, ignore_errors=True)
        venv.create(self.folder, symlinks=True, with_pip=True)
        pip = [str(self.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        result = subprocess.run([*pip, "--requirement", str(self.requirements)], capture_output=True, text=True)
        if result.returncode:
            raise BenchmarkFailed(f"cannot install {self.requirements}:\n{result.stderr.strip()}")
        self._installed.touch()
        return True

    def variables(self, **more: str) -> dict[str, str]:
        """Return the environment variables for a program that runs here.

        Args:
            more: variables to add.
        """
        # Variables of the caller that change how Python or a server behaves would spoil the comparison.
        prefixes = ("PYTHON", "PSC_", "GUNICORN_", "WEB_CONCURRENCY", "UVICORN_", "FLASK_", "LIT_", "MOSEC_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
        path = os.pathsep.join([str(self.folder / "bin"), kept.get("PATH", os.defpath)])
        return {**kept, "PATH": path, "VIRTUAL_ENV": str(self.folder), **more}
