"""Rendering into a repository that is there already, with the real command and the real Git."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from commands import run
from repository import CI_FILES, ROOT, TEMPLATE, Repository, cookiecutter

pytestmark = pytest.mark.command

NAME = "leaf-finder"
ADD = ("--no-input", "--overwrite-if-exists", "--skip-if-file-exists", f"model_slug={NAME}")

#: What the user has: files that the template has too, and others, each of which a check of the template would reject.
THEIRS = {
    "README.md": "# Mine {{ cookiecutter.author }}\n",
    "model.yaml": "broken: [",
    "entrypoint.sh": "echo not executable",
    "app.py": "def",
    "pyproject.toml": "[tool",
    "requirements.txt": "",
    "asset_bundle/0.1.0/assets/imgs/image_card.png": "no picture",
    "tests/test_model.py": "import unittest  \r\n",
    "tests/test_mine.py": "{% raw %}",
    "tests/data/examples/black/input.txt": "mine",
    "flask_psc_model/server/routes.py": "raise SystemExit(1)",
    "flask_psc_model/mine.py": "{# not a comment #} def",
    "flask_psc_model/cli/mine.py": "my = 'own'\n",
    "notes/a b.json": "{",
    ".gitignore": "*.log\n",
    "server.log": "ignored",
}


class State(NamedTuple):
    """All of a file that must not change."""

    content: bytes
    mode: int
    modified: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> State:
        """Look at a file."""
        status = path.stat()
        return cls(path.read_bytes(), status.st_mode, status.st_mtime_ns, status.st_ino)


def git(folder: Path, *arguments: str) -> str:
    """Run Git with an identity of its own, whatever the settings of this machine."""
    identity = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "commit.gpgsign=false")
    return run(["git", *identity, "-C", folder, *arguments])


def states(folder: Path, names: list[str]) -> dict[str, State]:
    """Look at some files."""
    return {name: State.of(folder / name) for name in names}


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """Return a user's repository with a history."""
    folder = tmp_path / "output" / NAME
    for name, text in THEIRS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8", newline="")
    (folder / "README.md").chmod(0o600)
    (folder / "notes" / "run.sh").symlink_to("../entrypoint.sh")
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Find leaves")
    return folder


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Return what the same answers give in an empty folder."""
    folder = tmp_path_factory.mktemp("fresh")
    result = cookiecutter(folder, *ADD)
    assert result.returncode == 0, result.stderr
    assert "were kept" not in result.stdout
    return Repository(folder / NAME)


def add(folder: Path, *arguments: str, template: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Render into a user's repository as the README says."""
    return cookiecutter(folder.parent, *ADD, *arguments, template=template)


def kept(output: str) -> list[str]:
    """Return the files that the command lists as kept."""
    files = output.partition("existed already and were not changed:\n\n")[2].partition("\n\n")[0]
    return [line[2:] for line in files.splitlines()]


def test_what_is_missing_is_added_and_nothing_else_is_changed(theirs: Path, fresh: Repository) -> None:
    before, history = states(theirs, list(THEIRS)), git(theirs, "log", "--format=%H")
    result = add(theirs)
    assert result.returncode == 0, result.stderr
    assert states(theirs, list(THEIRS)) == before
    assert git(theirs, "log", "--format=%H") == history
    added = set(fresh.files()) - set(THEIRS)
    status = git(theirs, "-c", "core.quotePath=false", "status", "--porcelain", "--untracked-files=all")
    assert set(status.splitlines()) == {f"?? {name}" for name in added}
    assert [name for name in added if State.of(theirs / name)[:2] != State.of(fresh.path / name)[:2]] == []


def test_what_was_kept_is_listed(theirs: Path, fresh: Repository) -> None:
    assert kept(add(theirs).stdout) == sorted(set(fresh.files()) & set(THEIRS))


def test_a_second_time_adds_nothing_and_changes_nothing(theirs: Path, fresh: Repository) -> None:
    add(theirs)
    names = list(Repository(theirs).files())
    before = states(theirs, names)
    result = add(theirs, "description=another", "python_version=3.11")
    assert result.returncode == 0, result.stderr
    assert states(theirs, list(Repository(theirs).files())) == before
    assert kept(result.stdout) == list(fresh.files())


def test_a_file_of_theirs_that_these_answers_do_not_have_is_none_of_the_templates(theirs: Path) -> None:
    (theirs / "requirements-image.txt").write_text("{{ mine", encoding="utf-8")
    result = add(theirs)
    assert result.returncode == 0, result.stderr
    assert "requirements-image.txt" not in kept(result.stdout)
    inside = ("framework=pytorch", "python_version=3.8", "accelerator=cuda", "image_registry=modzy")
    assert "requirements-image.txt" in kept(add(theirs, *inside).stdout)
    assert (theirs / "requirements-image.txt").read_text(encoding="utf-8") == "{{ mine"


@pytest.mark.parametrize("name", ["Dockerfile", "broken.yaml"])
def test_a_failing_check_changes_and_deletes_nothing_of_theirs(template: Path, theirs: Path, name: str) -> None:
    (template / TEMPLATE.name / name).write_text("key: [{% raw %}{{ x }}{% endraw %}", encoding="utf-8")
    before = states(theirs, list(THEIRS))
    result = add(theirs, template=template)
    assert result.returncode == 1
    assert f"{name}: contains Jinja" in result.stdout
    assert states(theirs, list(THEIRS)) == before
    assert git(theirs, "status", "--porcelain", "--untracked-files=no") == ""


def test_a_refusal_changes_and_deletes_nothing_of_theirs(theirs: Path) -> None:
    before = states(theirs, list(THEIRS))
    assert add(theirs, "base_image=no image").returncode == 1
    assert states(theirs, list(THEIRS)) == before
    assert git(theirs, "status", "--porcelain") == ""


def test_what_is_in_the_way_is_told_before_a_file_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "output" / NAME
    folder.mkdir(parents=True)
    (folder / "tests").write_text("a file", encoding="utf-8")
    (folder / "README.md").symlink_to("docs/README.md")
    result = add(folder)
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    assert lines[-3:] == [
        f"Cannot generate the repository into {folder}:",
        "  * tests must be a folder, but is a file: move it away",
        "  * README.md is a broken link: remove it",
    ]
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "tests"]


def test_a_file_in_place_of_the_repository_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "output" / NAME
    folder.parent.mkdir()
    folder.write_text("a file", encoding="utf-8")
    result = add(folder)
    assert result.returncode == 1
    assert result.stdout.endswith(f"  * {NAME} is a file: move it away\n")
    assert folder.read_text(encoding="utf-8") == "a file"


def test_a_folder_of_theirs_in_place_of_a_file_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "output" / NAME
    (folder / "Dockerfile").mkdir(parents=True)
    result = add(folder)
    assert result.returncode == 0, result.stderr
    assert kept(result.stdout) == ["Dockerfile"]
    assert list((folder / "Dockerfile").iterdir()) == []


def test_what_is_overwritten_is_not_said_to_be_kept(theirs: Path, fresh: Repository) -> None:
    result = cookiecutter(theirs.parent, "--no-input", "--overwrite-if-exists", f"model_slug={NAME}")
    assert result.returncode == 0, result.stderr
    assert "were kept" not in result.stdout
    for name in fresh.files():
        assert (theirs / name).read_bytes() == (fresh.path / name).read_bytes()


def test_a_replay_can_be_added_too(theirs: Path) -> None:
    add(theirs)
    saved = theirs.parent.with_name("output.replay") / f"{ROOT.name}.json"
    assert "_existing_files" not in json.loads(saved.read_text(encoding="utf-8"))["cookiecutter"]
    shutil.rmtree(theirs / "docs")
    result = cookiecutter(theirs.parent, "--replay-file", saved, "--overwrite-if-exists", "--skip-if-file-exists")
    assert result.returncode == 0, result.stderr
    assert "README.md" in kept(result.stdout)
    assert "docs/server/README.md" not in kept(result.stdout)
    assert (theirs / "docs" / "server" / "README.md").exists()


#: A model of one's own with a working suite, whose tests are no package: pytest puts their folder on its path.
MODEL = {
    "model_lib/model.py": "def double(number):\n    return 2 * number\n",
    "tests/cases.py": (
        "from pathlib import Path\n\nCASES = sorted(path.name for path in Path('tests/data/examples').iterdir())\n"
    ),
    "tests/test_double.py": (
        "import sys\nimport unittest\n\nfrom cases import CASES\n\nsys.path.append('.')\n"
        "from model_lib.model import double\n\n\nclass TestDouble(unittest.TestCase):\n"
        "    def test_double(self):\n        self.assertEqual(double(2), 4)\n\n"
        "    def test_cases(self):\n        self.assertEqual(CASES, ['mine'])\n"
    ),
    "tests/data/examples/mine/input.txt": "2",
}


def write_files(folder: Path, files: dict[str, str]) -> Path:
    """Write files and commit them."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Double numbers")
    return folder


def test_the_suite_of_a_model_of_ones_own_passes_as_before(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "output" / NAME, MODEL)
    suites = (["unittest", "discover", "-s", "tests"], ["pytest", "-q", "-p", "no:cacheprovider"])

    def results() -> list[str]:
        outputs = [run([sys.executable, "-m", *suite], folder=folder) for suite in suites]
        return [re.sub(r"\d+\.\d+s", "", output) for output in outputs]

    before = results()
    result = add(folder)
    assert result.returncode == 0, result.stderr
    assert "It has your model, and no example." in result.stdout
    assert "Name its class in app.py, in the place of ColorNamePredictorModel, and describe it" in result.stdout
    assert "There is no tests/" not in result.stdout
    assert results() == before
    added = set(git(folder, "status", "--porcelain", "--untracked-files=all", "--", ":!*.pyc").split()) - {"??"}
    assert {name for name in added if name.startswith(("tests/", "asset_bundle/", "model_lib/"))} == set()
    assert {"app.py", "Dockerfile", "flask_psc_model/__init__.py", "docs/server/README.md"} <= added
    assert not (folder / "asset_bundle").exists()


@pytest.mark.parametrize("ci", ["none", "github", "gitlab"])
def test_what_the_image_needs_is_said_where_a_model_has_no_tests(ci: str, tmp_path: Path) -> None:
    folder = write_files(tmp_path / "output" / NAME, {"model_lib/model.py": MODEL["model_lib/model.py"]})
    text = add(folder, f"ci={ci}").stdout
    assert not (folder / "tests").exists()
    assert "Run the tests:" not in text
    assert "  2. Build the image, based on python:3.12-slim-bookworm, and run it:" in text
    lines = text.partition("There is no tests/, which these files need.")[2].split("\n\n")[0].splitlines()[1:]
    named = dict(line.strip().split(": ", 1) for line in lines)
    assert set(named) == {"Dockerfile", ".dockerignore"} | CI_FILES[ci] - {".github/dependabot.yml", "renovate.json"}
    for name in ("Dockerfile", ".dockerignore"):
        assert named[name] in (folder / name).read_text(encoding="utf-8").splitlines()
    for name in set(named) - {"Dockerfile", ".dockerignore"}:
        assert "python -m unittest" in (folder / name).read_text(encoding="utf-8")


def test_a_dockerfile_of_ones_own_finds_its_files_as_before(tmp_path: Path) -> None:
    files = {"Dockerfile": "FROM scratch\nCOPY src/ /src/\n", "src/a.py": "", "app.py": "app = None\n"}
    folder = write_files(tmp_path / "output" / NAME, files)
    text = add(folder).stdout
    assert not (folder / ".dockerignore").exists()
    assert "  3. Build the image and run it:" in text
    assert "It contains an example, which works with the template's app.py only." in text


@pytest.mark.parametrize("theirs", ["data/new.csv", ".gitignore"])
def test_a_new_gitignore_that_ignores_files_of_theirs_is_said(theirs: str, tmp_path: Path) -> None:
    text = add(write_files(tmp_path / "output" / NAME, {theirs: "1"})).stdout
    assert ("The new .gitignore ignores data/" in text) == (theirs != ".gitignore")


def test_a_dockerfile_of_ones_own_needs_no_tests(tmp_path: Path) -> None:
    files = {"Dockerfile": "FROM scratch\n", "model_lib/model.py": MODEL["model_lib/model.py"]}
    assert "There is no tests/" not in add(write_files(tmp_path / "output" / NAME, files)).stdout
