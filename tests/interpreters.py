"""The Pythons of this machine on which generated repositories are tested."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from repository import QUESTIONS

VERSIONS: list[str] = QUESTIONS["python_version"]

#: The pip that comes with 3.6 cannot install PyYAML 6.
PIP = {"3.6": "pip==21.3.1"}


@functools.cache
def find_interpreter(version: str) -> Path | None:
    """Look for the interpreter of a version such as `3.12`, on the path and among pyenv's."""
    for path in _candidates(version):
        command = [str(path), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        # one of pyenv's shims stands on the path also for versions that it does not start
        if subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() == version:
            return path
    return None


def _candidates(version: str) -> Iterator[Path]:
    if found := shutil.which(f"python{version}"):
        yield Path(found)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    folders = (pyenv / "versions").glob(f"{version}.*")
    for folder in sorted(folders, key=lambda folder: [int(number) for number in re.findall(r"\d+", folder.name)]):
        yield folder / "bin" / "python"
