"""The repository that the template renders, and the variants of it that the benchmark needs."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from .environment import Environment
from .errors import BenchmarkFailed

#: Gunicorn's settings that the comparison servers share with the rendered repository.
SHARED_SETTINGS = ("workers", "threads", "keepalive", "timeout", "worker_tmp_dir")

READ_SETTINGS = """
import json, runpy, sys
settings = runpy.run_path("gunicorn.conf.py")
print(json.dumps({name: settings[name] for name in sys.argv[1:] if name in settings}))
"""

# Importing the rendered package brings in Flask and the routes. A server that only hosts the model should not
# pay for that, so its copy of the package offers just the two names that a model needs.
MODEL_ONLY = '''"""The part of the package that a model imports, without the server."""

from .model.base import ModelBase
from .model.metadata import load_metadata

__all__ = ["ModelBase", "load_metadata"]
'''

SLEEP = """

class _Slow({name}):
    def run(self, *paths: str) -> None:
        __import__("time").sleep({seconds})
        super().run(*paths)


{name} = _Slow
"""


class Repository:
    """A rendered repository.

    Attributes:
        folder: where it stands.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def render(cls, template: Path, parent: Path) -> "Repository":
        """Render the template with its default answers.

        Args:
            template: the folder of the template.
            parent: an empty folder, in which the repository is put.

        Raises:
            BenchmarkFailed: Cookiecutter failed.
        """
        parent.mkdir()
        command = [sys.executable, "-m", "cookiecutter", "--no-input", "--default-config", "--output-dir"]
        result = subprocess.run([*command, str(parent), str(template)], capture_output=True, text=True)
        folders = list(parent.iterdir())
        if result.returncode or len(folders) != 1:
            raise BenchmarkFailed(f"cannot render {template}:\n{result.stdout}{result.stderr}".strip())
        return cls(folders[0])

    @property
    def requirements(self) -> Path:
        """The file of the pinned packages."""
        return self.folder / "requirements.txt"

    def copy_model(self, folder: Path) -> "Repository":
        """Copy the repository without its server: the model, and what the model imports.

        Args:
            folder: the place of the copy.
        """
        shutil.copytree(self.folder, folder)
        (folder / "flask_psc_model" / "__init__.py").write_text(MODEL_ONLY, encoding="utf-8")
        return Repository(folder)

    def copy_slow(self, folder: Path, seconds: float) -> "Repository":
        """Copy the repository with a model whose run sleeps before it works.

        Args:
            folder: the place of the copy.
            seconds: how long it sleeps.

        Raises:
            BenchmarkFailed: the file of the model defines no model.
        """
        shutil.copytree(self.folder, folder)
        path = folder / "model_lib" / "model.py"
        text = path.read_text(encoding="utf-8")
        names = re.findall(r"^class (\w+)\(ModelBase\)", text, re.MULTILINE)
        if len(names) != 1:
            raise BenchmarkFailed(f"{path} should define one subclass of ModelBase, not {len(names)}")
        path.write_text(text + SLEEP.format(name=names[0], seconds=seconds), encoding="utf-8")
        return Repository(folder)

    def read_gunicorn_settings(self, environment: Environment) -> dict[str, Any]:
        """Read the worker settings of `gunicorn.conf.py`, for the servers that should have the same.

        Args:
            environment: where the repository's packages are installed.

        Raises:
            BenchmarkFailed: the settings cannot be read.
        """
        result = subprocess.run(
            [environment.python, "-c", READ_SETTINGS, *SHARED_SETTINGS],
            cwd=self.folder,
            env=environment.variables(),
            capture_output=True,
            text=True,
        )
        if result.returncode:
            raise BenchmarkFailed(f"cannot read gunicorn.conf.py:\n{result.stderr.strip()}")
        settings: dict[str, Any] = json.loads(result.stdout)
        return settings
