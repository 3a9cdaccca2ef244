"""A repository of Modzy's python-model-template moves over by following docs/from-the-older-template.md."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from commands import run
from repository import ROOT, Repository, cookiecutter
from test_existing_repository import git, write_files

pytestmark = pytest.mark.command

NAME = "brightness"
PAGE = (ROOT / "docs" / "from-the-older-template.md").read_text(encoding="utf-8")

#: A small repository in the layout of the guide: its server is in private modules.
OLDER = {
    "flask_psc_model/__init__.py": "from flask_psc_model._api import ModelBase, create_app\n",
    "flask_psc_model/_api.py": "ModelBase = object\n\n\ndef create_app(*_):\n    raise SystemExit('older')\n",
    "flask_psc_model/testing.py": "raise SystemExit('the older server')\n",
    "flask_psc_model/cli/run_job.py": "raise SystemExit('the older server')\n",
    "Dockerfile": "FROM python:3.8\nCMD ./entrypoint.sh\n",
    "entrypoint.sh": "#!/bin/sh\nexec gunicorn app:app\n",
    "gunicorn.conf.py": "workers = 1\n",
    "requirements.txt": "flask==1.1.2\nnumpy==1.19.5\n",
    "README.md": "# Brightness\n",
    "app.py": (
        "from flask_psc_model import create_app\nfrom model_lib.model import BrightnessModel\n\n"
        "app = create_app(BrightnessModel)\n\nif __name__ == '__main__':\n    app.run()\n"
    ),
    "model.yaml": (
        "specification: '0.4'\ntype: file\nversion: 1.0.0\nname: Brightness\nauthor: Ann\n"
        "description: {summary: Adds up three bytes., details: '', technical: '', performance: ''}\n"
        "inputs:\n  color.txt: {acceptedMediaTypes: [text/plain], maxSize: 1K, description: A colour.}\n"
        "outputs:\n  sum.txt: {mediaType: text/plain, maxSize: 1K, description: A number.}\n"
        "resources: {memory: {size: 512M}, cpu: {count: 1}, gpu: {count: 0}}\ntimeout: {status: 20s, run: 20s}\n"
    ),
    "model_lib/__init__.py": "",
    "model_lib/model.py": (
        "from flask_psc_model import ModelBase, load_metadata\n\n\nclass BrightnessModel(ModelBase):\n"
        "    metadata = load_metadata(__file__)\n    input_filenames = list(metadata.inputs)\n"
        "    output_filenames = list(metadata.outputs)\n\n    def run(self, color, total):\n"
        "        with open(color) as file:\n            text = file.read().strip()\n"
        "        if len(text) != 6:\n            raise ValueError('six digits are needed')\n"
        "        with open(total, 'w') as file:\n            file.write(str(sum(bytes.fromhex(text))))\n"
    ),
    "tests/__init__.py": "",
    "tests/test_app.py": (
        "import os\n\nfrom app import app\nfrom flask_psc_model.testing import AutoAppTestCase\n\n"
        "DATA = os.path.join(os.path.dirname(__file__), 'data')\n\n\nclass TestApp(AutoAppTestCase):\n"
        "    def create_app(self):\n        return app\n\n    def test_sanity(self):\n        self.check_sanity()\n\n"
        "    def test_examples(self):\n        self.check_example_cases(os.path.join(DATA, 'examples'))\n\n"
        "    def test_errors(self):\n"
        "        self.check_validation_error_cases(os.path.join(DATA, 'validation-error'))\n"
    ),
    "tests/data/examples/white/color.txt": "ffffff",
    "tests/data/examples/white/sum.txt": "765",
    "tests/data/validation-error/short/color.txt": "fff",
    "tests/data/validation-error/short/message.txt": "six digits",
    "asset_bundle/0.1.0/samples/input.json": "{}",
}
OPTIONS = ("--no-input", "--overwrite-if-exists", "--skip-if-file-exists", f"model_slug={NAME}")


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """Return a repository of the older template."""
    return write_files(tmp_path / "output" / NAME, OLDER)


def test_the_older_server_is_recognised_before_anything_is_written(older: Path) -> None:
    result = cookiecutter(older.parent, *OPTIONS)
    assert result.returncode == 1
    assert git(older, "status", "--porcelain") == ""
    message = result.stdout.partition(f"{older} has the server of Modzy's python-model-template")[2]
    commands = re.findall(r"^  (\w.*)$", message, re.MULTILINE)[:3]
    assert commands[0] == f"cd {older}"
    # the page has the same commands
    assert "\n".join(["```bash", *commands[1:], "```"]) in PAGE


def test_the_model_and_its_tests_work_after_the_commands_of_the_page(older: Path) -> None:
    first, second = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)[:2]
    assert second.startswith("cookiecutter --overwrite-if-exists --skip-if-file-exists --output-dir .. gh:org/")
    run(["bash", "-ec", first], folder=older)
    result = cookiecutter(older.parent, *OPTIONS)
    assert result.returncode == 0, result.stdout
    repository = Repository(older)
    for name, text in OLDER.items():
        if name.startswith(("model_lib/", "tests/", "asset_bundle/")) or name in ("app.py", "model.yaml", "README.md"):
            assert repository.read(name) == text
    assert not (older / "flask_psc_model" / "_api.py").exists()
    assert "numpy" in repository.read("requirements-old.txt")
    assert [name for name in repository.files() if name.startswith("asset_bundle/")] == [
        "asset_bundle/0.1.0/samples/input.json"
    ]
    assert "Ran 3 tests" in repository.run(sys.executable, "-m", "unittest")
    assert "--config gunicorn.conf.py" in repository.read("entrypoint.sh")
