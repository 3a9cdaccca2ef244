"""The checklist of a generated repository: what is open at first, and that following it closes each point."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from conftest import make_bake
from repository import QUESTIONS, Repository

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Bake

pytestmark = pytest.mark.command

POINTS = [
    "model.yaml follows model.schema.json",
    "model.yaml describes your model",
    "your model replaces the example",
    "README.md and asset_bundle describe your model",
    "every requirement and every import is pinned",
    "no requirements file names a private index",
    "system-packages.txt has what the code calls",
    "there are test cases, and they pass",
    "the Dockerfile copies what the code needs",
    "resources and timeout are measured",
    "the health check waits for timeout.status",
    "no measured image is out of date",
]

#: The keys of `model.yaml` that hold texts of the example.
EXAMPLE_KEYS = [
    "source",
    "author",
    "description.summary",
    "description.details",
    "description.technical",
    "description.performance",
    "releaseNotes",
    "metrics.0.description",
    "inputs.input.txt.description",
    "outputs.results.json.description",
]

#: The files for users that describe the example.
EXAMPLE_FILES = [
    "README.md",
    "asset_bundle/0.1.0/documentation.md",
    "asset_bundle/0.1.0/samples/input.json",
    "asset_bundle/0.1.0/samples/output.json",
    "asset_bundle/0.1.0/assets/imgs/image_background.png",
    "asset_bundle/0.1.0/assets/imgs/image_card.png",
    "asset_bundle/0.1.0/assets/imgs/image_thumbnail.png",
    "asset_bundle/0.1.0/assets/logos/company-image.png",
]

MODEL = '''
"""The model."""

import json

from flask_psc_model import ModelBase, load_metadata

METADATA = load_metadata(__file__)


class ColorNamePredictorModel(ModelBase):
    """Counts letters."""

    input_filenames = list(METADATA.inputs)
    output_filenames = list(METADATA.outputs)

    def run(self, input_path: str, output_path: str) -> None:
        """Count the letters of a text."""
        with open(input_path, encoding="utf-8") as file:
            text = file.read().strip()
        if not text:
            raise ValueError("expected a text that is not blank")
        with open(output_path, "w", encoding="utf-8") as file:
            json.dump(len(text), file)
'''

TESTS = '''
"""Tests of the model by itself."""

import unittest

from model_lib.model import ColorNamePredictorModel


class TestModel(unittest.TestCase):
    """The model counts."""

    def test_it_reads_one_file(self):
        """It is the one of `model.yaml`."""
        self.assertEqual(ColorNamePredictorModel.input_filenames, ["input.txt"])
'''


def run(repository: Repository, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a repository, with the packages that these tests have."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PSC_")}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=repository.path,
        capture_output=True,
        encoding="utf-8",
        env={**variables, "PYTHONUTF8": "1"},
        check=False,
    )


def run_checklist(repository: Repository) -> tuple[int, dict[str, list[str]]]:
    """Run the command; return its exit status, and the problems of each point."""
    result = run(repository, "-m", "flask_psc_model.cli.checklist")
    problems: dict[str, list[str]] = {}
    for line in result.stdout.splitlines():
        if line.startswith("["):
            problems[line[4:]] = []
            assert line[:4] in ("[x] ", "[ ] ")
        elif line.startswith("      "):
            problems[list(problems)[-1]].append(line.strip())
    assert list(problems) == POINTS, result
    for title, found in problems.items():
        assert f"[{' ' if found else 'x'}] {title}\n" in result.stdout
    return result.returncode, problems


@pytest.fixture(scope="module")
def ready(cookies_session: Any) -> Repository:
    """Return a repository that follows its checklist, and is measured."""
    repository = make_bake(cookies_session)()
    edit_texts(repository)
    replace_example(repository)
    measured = run(repository, "-m", "flask_psc_model", "measure", "--write", "--starts", "1", "--runs", "1")
    assert measured.returncode == 0, measured.stderr
    return repository


def edit_texts(repository: Repository) -> None:
    """Write the texts of `model.yaml` anew."""
    metadata = repository.metadata()
    metadata.update(source="A group", author="Ann", releaseNotes="The first.")
    metadata["description"] = dict.fromkeys(metadata["description"], "Counts letters.")
    for files in (metadata["metrics"], metadata["inputs"].values(), metadata["outputs"].values()):
        for each in files:
            each["description"] = "A count."
    # JSON is YAML
    (repository.path / "model.yaml").write_text(json.dumps(metadata, indent=2), encoding="utf-8")


def replace_example(repository: Repository) -> None:
    """Replace the example by another model with its tests, cases and texts."""
    for name in EXAMPLE_FILES:
        (repository.path / name).write_text("A count.", encoding="utf-8")
    (repository.path / "model_lib" / "colors.py").unlink()
    (repository.path / "model_lib" / "model.py").write_text(MODEL, encoding="utf-8")
    tests = repository.path / "tests"
    (tests / "test_model.py").write_text(TESTS, encoding="utf-8")
    shutil.rmtree(tests / "data")
    write_case(tests / "data" / "examples" / "three", {"input.txt": "abc", "results.json": "3"})
    write_case(tests / "data" / "validation-error" / "blank", {"input.txt": "", "message.txt": "not blank"})


def write_case(folder: Path, files: dict[str, str]) -> None:
    """Write the files of a case."""
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def test_a_fresh_repository_has_these_points_open(bake: Bake) -> None:
    status, problems = run_checklist(bake())
    assert status == 1
    assert [title for title, found in problems.items() if found] == [*POINTS[1:4], POINTS[9]]
    expected = [f"model.yaml, {key}: is still the example's: write your own" for key in EXAMPLE_KEYS]
    assert problems[POINTS[1]] == expected
    assert [problem.split(":")[0] for problem in problems[POINTS[2]]] == ["model_lib/colors.py", "model_lib/model.py"]
    assert [problem.split(":")[0] for problem in problems[POINTS[3]]] == EXAMPLE_FILES
    assert "python -m flask_psc_model.cli.measure IMAGE --write" in problems[POINTS[9]][0]


def test_answers_of_ones_own_are_no_texts_of_the_example(bake: Bake) -> None:
    status, problems = run_checklist(bake(author="Ann", description="Names colours."))
    assert status == 1
    own = {"source", "author", "description.summary"}
    assert [problem.split(":")[0] for problem in problems[POINTS[1]]] == [
        f"model.yaml, {key}" for key in EXAMPLE_KEYS if key not in own
    ]


def test_doing_what_it_says_closes_every_point(ready: Repository) -> None:
    status, problems = run_checklist(ready)
    assert problems == {title: [] for title in POINTS}
    assert status == 0


def test_every_point_can_be_open(ready: Repository, tmp_path: Path) -> None:
    broken = Repository(tmp_path / "broken")
    shutil.copytree(ready.path, broken.path)
    metadata = broken.metadata()
    metadata["timeout"]["run"] = "soon"
    metadata["description"]["details"] = ""
    (broken.path / "model.yaml").write_text(json.dumps(metadata), encoding="utf-8")
    (broken.path / "measurement.json").unlink()
    (broken.path / "model_lib" / "names.py").write_text("CSS_COLORS = {}\n", encoding="utf-8")
    (broken.path / "README.md").write_text("It names the CSS colours nearest to a colour.", encoding="utf-8")
    (broken.path / "requirements.in").write_text("flask\nscipy\n--index-url http://10.0.0.1\n", encoding="utf-8")
    (broken.path / "app.py").write_text(
        broken.read("app.py") + "\n\ndef play():\n    import subprocess\n\n    subprocess.run(['sox'])\n", "utf-8"
    )
    expected = broken.path / "tests" / "data" / "examples" / "three" / "results.json"
    expected.write_text("4", encoding="utf-8")
    dockerfile = broken.read("Dockerfile").replace("model_lib/ model_lib/", "other/ model_lib/")
    dockerfile = re.sub(r"--start-period=\S+", "--start-period=1s", dockerfile)
    (broken.path / "Dockerfile").write_text(dockerfile, encoding="utf-8")
    status, problems = run_checklist(broken)
    assert status == 1
    # the tests of the runtime have an outdated image
    assert problems.pop(POINTS[11]) == []
    assert {title: found[0].split(":")[0] for title, found in problems.items()} == {
        POINTS[0]: "model.yaml, timeout.run",
        POINTS[1]: "model.yaml, description.details",
        POINTS[2]: "model_lib/names.py",
        POINTS[3]: "README.md",
        POINTS[4]: "requirements.txt",
        POINTS[5]: "requirements.in, line 3",
        POINTS[6]: "system-packages.txt",
        POINTS[7]: "tests",
        POINTS[8]: "Dockerfile",
        POINTS[9]: "model.yaml, resources and timeout",
        POINTS[10]: "Dockerfile",
    }


@pytest.mark.parametrize("framework", QUESTIONS["framework"])
def test_the_example_of_every_framework_is_known_by_its_mark(bake: Bake, framework: str) -> None:
    _, problems = run_checklist(bake(framework=framework))
    assert [problem.split(":")[0] for problem in problems[POINTS[2]]] == ["model_lib/colors.py", "model_lib/model.py"]


def test_an_editor_finds_the_schema_by_the_first_line(defaults: Repository) -> None:
    first = defaults.read("model.yaml").splitlines()[0]
    assert first == "# yaml-language-server: $schema=model.schema.json"
    assert json.loads(defaults.read("model.schema.json"))["title"] == "model.yaml"
