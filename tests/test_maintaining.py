"""The page for maintainers: its steps for a new framework work, and the files that it names exist."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import sys
from pathlib import Path

import picture
import pytest
import yaml
from commands import run
from conftest import make_environment
from interpreters import find_interpreter
from repository import QUESTIONS, ROOT, Repository, cookiecutter

FOLDERS = [ROOT / name for name in ("", "tests", "{{cookiecutter.model_slug}}", "templates", "templates/requirements")]
PAGE = (ROOT / "docs" / "maintaining.md").read_text(encoding="utf-8")

#: What is added in the second step of the list.
ROW = """
- framework: numpy
  pythons: ["3.12"]
  cpu: [numpy==2.2.6]
  cuda: [numpy==2.2.6]
"""


@pytest.mark.network
@pytest.mark.skipif(not find_interpreter("3.12"), reason="there is no Python 3.12 on this machine")
def test_a_framework_is_added_by_following_the_list(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # in the folder of the template, Python would find its modules instead of the copy's
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "scripts", template / "scripts", ignore=shutil.ignore_patterns("__pycache__"))

    questions = json.loads((template / "cookiecutter.json").read_text(encoding="utf-8"))
    questions["framework"].append("numpy")
    questions["__prompts__"]["framework"]["numpy"] = "NumPy"
    (template / "cookiecutter.json").write_text(json.dumps(questions), encoding="utf-8")
    images = template / "templates" / "images.yaml"
    rows = yaml.safe_load(images.read_text(encoding="utf-8"))
    for row in rows:
        if row["image"] == "python:3.12-slim-bookworm":
            row["frameworks"].append("numpy")
    images.write_text(yaml.safe_dump(rows), encoding="utf-8")
    with (template / "templates" / "requirements" / "versions.yaml").open("a", encoding="utf-8") as versions:
        versions.write(ROW)
    model = (template / "templates" / "model" / "none.py").read_text(encoding="utf-8")
    model = model.replace("from flask_psc_model import", "import numpy as np\n\nfrom flask_psc_model import")
    plain = "math.sqrt(sum((a - b) ** 2 for a, b in zip(one, other)))"
    model = model.replace(plain, "float(np.linalg.norm(np.subtract(one, other)))")
    assert "np.linalg" in model
    (template / "templates" / "model" / "numpy.py").write_text(model, encoding="utf-8")
    variables = {**os.environ, "PYTHONPATH": "."}
    output = run([sys.executable, "scripts/lock.py", "numpy"], folder=template, environment=variables)
    assert sorted(output.splitlines()) == [
        f"templates/requirements/numpy-2.2.6-{accelerator}-3.12.txt: renewed" for accelerator in ("cpu", "cuda")
    ]

    result = cookiecutter(tmp_path / "output", "--no-input", "framework=numpy", template=template)
    assert result.returncode == 0, result.stderr
    repository = Repository(tmp_path / "output" / "color-name-predictor")
    repository.check_style()
    environment = make_environment(tmp_path / "environment", repository, "3.12")
    assert "\nOK\n" in repository.run("python", "-m", "unittest", environment=environment)
    other = ("framework=numpy", "python_version=3.11")
    refused = cookiecutter(tmp_path / "refused", "--no-input", *other, template=template)
    assert "there is no set of packages and no public base image for framework=numpy" in refused.stdout + refused.stderr
    assert "framework=numpy python_version=3.12" in refused.stdout + refused.stderr


def test_what_the_page_names_is_there() -> None:
    named = set(re.findall(r"`((?:[\w{}.-]+/)*[\w{}.-]+(?:\.(?:py|json|yaml|md)|/))`", PAGE))
    assert "cookiecutter.json" in named
    others = {"templates/model/numpy.py", "flask_psc_model/", ".github/", "dist/"}
    assert [name for name in named - others if not any(folder.joinpath(name).exists() for folder in FOLDERS)] == []


@pytest.mark.command
def test_the_picture_shows_the_session_of_today(tmp_path: Path) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"replay_dir": str(tmp_path / "replay")}), encoding="utf-8")
    session = re.sub(r"\x1b\[[0-9;]*m", "", picture.ask(tmp_path, "--config-file", str(settings)))
    drawn = re.findall(r"<text[^>]*>(.*?)</text>", picture.PICTURE.read_text(encoding="utf-8"))
    shown = "".join("".join(html.unescape(text).split()) for text in drawn)
    assert [line for line in session.splitlines() if "".join(line.split()) not in shown] == [], "run `make picture`"
    for question in (name for name in QUESTIONS if not name.startswith("_")):
        prompt = QUESTIONS["__prompts__"][question]
        label = prompt["__prompt__"] if isinstance(prompt, dict) else prompt
        assert "".join(label.split()) in shown
