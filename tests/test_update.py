"""A repository takes the next version of the template with `cruft update`, and its user's files stay as they are."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from commands import CommandFailed, run
from repository import QUESTIONS, ROOT, TEMPLATE, Repository, cookiecutter

from template_extensions.images import runtime_version

pytestmark = pytest.mark.command

NAME = "color-name-predictor"
MODEL = "model_lib/model.py"
VERSION = "flask_psc_model/version.py"
RUNTIME = f"{TEMPLATE.name}/flask_psc_model"
#: The last commit whose extensions were three modules instead of a package.
BEFORE_PACKAGE = "32f475c"

#: What the user makes of the repository; the template has files of these names, too.
THEIRS = {
    MODEL: 'class MyModel:\n    """Mine."""\n',
    "README.md": "# Mine\n",
    "model.yaml": "name: Mine\n",
    "tests/test_model.py": '"""My tests."""\n',
    "tests/data/examples/mine/input.txt": "123456",
    "model_lib/mine.py": "mine = True\n",
    "notes.md": "My notes.\n",
}

#: What an update skips, by `[tool.cruft]` in the generated pyproject.toml.
SKIPPED = ("README.md", "asset_bundle", "model.yaml", "model_lib", "tests")

each_answers = pytest.mark.parametrize(
    "answers",
    [
        pytest.param({}, id="defaults"),
        pytest.param({"framework": "pytorch", "accelerator": "cuda", "author": 'Ann "Q"'}, id="pytorch"),
        pytest.param({"runtime": "package", "description": "C:\\new is\n'it'"}, id="package"),
    ],
)


class Folder(Repository):
    """A folder under Git: of the template, or of a repository made from it."""

    def git(self, *arguments: str) -> str:
        """Run Git with an identity of its own, whatever the settings of this machine."""
        identity = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "commit.gpgsign=false")
        return self.run("git", *identity, *arguments)

    def commit(self) -> str:
        """Commit everything; return the commit."""
        self.git("init", "--quiet")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "Go on")
        return self.git("rev-parse", "HEAD").strip()

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        (self.path / name).parent.mkdir(exist_ok=True, parents=True)
        (self.path / name).write_text(text, encoding="utf-8")

    def replace(self, name: str, old: str, new: str) -> None:
        """Replace a text in a file, which has to be there."""
        text = self.read(name)
        assert old in text
        self.write(name, text.replace(old, new))

    def contents(self) -> dict[str, bytes]:
        """Return the bytes of every file, but for those of Git and cruft."""
        return {
            name: (self.path / name).read_bytes()
            for name in self.files()
            if not name.startswith(".git/") and name != ".cruft.json"
        }


class Cruft:
    """The real command, apart from the settings of whoever runs the tests."""

    def __init__(self, folder: Path, template: Folder) -> None:
        """Choose where its settings and temporary files are, and the template."""
        self.template = template
        self.folder = folder
        self.temporary = folder / "temporary"
        self.temporary.mkdir(parents=True)
        settings = folder / "settings.json"
        settings.write_text(json.dumps({"replay_dir": str(folder / "replay")}), encoding="utf-8")
        self.variables = {
            **os.environ,
            "COOKIECUTTER_CONFIG": str(settings),
            "TMPDIR": str(self.temporary),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.output = ""

    def create(self, answers: dict[str, str]) -> Folder:
        """Make a repository of the template's last commit, with the user's changes, and commit it."""
        created = Folder(self.folder / answers.get("model_slug", NAME))
        self.run("create", self.template.path, "--no-input", "--extra-context", json.dumps(answers))
        return created

    def update(self, repository: Folder, **answers: str) -> None:
        """Bring a repository to the template's last commit."""
        changed = ["--variables-to-update", json.dumps(answers)] if answers else []
        self.run("update", "--skip-apply-ask", "--project-dir", repository.path, *changed)

    def run(self, *arguments: str | Path) -> None:
        """Run one of its commands."""
        self.output = run([sys.executable, "-m", "cruft", *arguments], folder=self.folder, environment=self.variables)


@pytest.fixture
def template(template: Path) -> Folder:
    """Return a copy of the template, to make versions of; its copy has no commit yet."""
    return Folder(template)


@pytest.fixture
def cruft(tmp_path: Path, template: Folder) -> Cruft:
    """Return the command, for that copy."""
    return Cruft(tmp_path / "cruft", template)


@each_answers
def test_cruft_and_cookiecutter_give_the_same_tree(
    template: Folder, cruft: Cruft, tmp_path: Path, answers: dict[str, str]
) -> None:
    template.commit()
    created = cruft.create(answers)
    given = [f"{key}={value}" for key, value in answers.items()]
    result = cookiecutter(tmp_path / "output", "--no-input", *given)
    assert result.returncode == 0, result.stderr
    assert created.contents() == Folder(tmp_path / "output" / NAME).contents()
    assert f"is in {NAME}/" in cruft.output
    assert "nvidia/cuda" not in created.read(".cruft.json"), "the table of images stays in the template"


@each_answers
def test_the_next_version_is_taken_over_an_edited_model(
    template: Folder, cruft: Cruft, tmp_path: Path, answers: dict[str, str]
) -> None:
    now = make_older(template)
    repository = make_theirs(cruft.create(answers))
    if "runtime" not in answers:
        assert '"0.0.9"' in repository.read(VERSION)
    head = restore(template, now)

    cruft.update(repository)

    assert "as clean as possible" in cruft.output
    assert "The repository of your model" not in cruft.output, "nothing was made: cruft compares two versions"
    assert_renewed(repository, render(tmp_path / "fresh", answers))
    assert_theirs(repository)
    assert json.loads(repository.read(".cruft.json"))["commit"] == head
    assert list(cruft.temporary.glob("*/")) == []
    repository.check_style()


def test_a_repository_below_the_folder_for_temporary_files_is_created_with_a_summary(
    template: Folder, cruft: Cruft
) -> None:
    template.commit()
    cruft.run("create", template.path, "--no-input", "--output-dir", cruft.temporary)
    assert f"The repository of your model is in {NAME}/." in cruft.output
    shutil.rmtree(cruft.temporary / NAME)


def test_an_unknown_key_is_let_be_and_a_value_that_cannot_be_used_is_not(template: Folder, cruft: Cruft) -> None:
    template.commit()
    created = cruft.create({"retired_question": "x", "author": "Ann"})
    assert created.metadata()["author"] == "Ann"
    answers = cruft.folder / "answers.yaml"
    answers.write_text("default_context: {python_version: 3.8, retired_question: x}", encoding="utf-8")
    with pytest.raises(CommandFailed, match=r'write python_version: "3\.8"') as refusal:
        cruft.run("create", template.path, "--no-input", "--config-file", answers, "--output-dir", cruft.temporary)
    assert "retired_question is" not in str(refusal.value)
    assert not (cruft.temporary / NAME).exists()


def test_an_update_brings_no_example_into_a_repository_that_had_a_model(
    template: Folder, cruft: Cruft, tmp_path: Path
) -> None:
    now = make_older(template)
    repository = Folder(tmp_path / "output" / NAME)
    repository.write(MODEL, THEIRS[MODEL])
    repository.commit()
    options = ("--no-input", "--overwrite-if-exists", "--skip-if-file-exists")
    result = cookiecutter(tmp_path / "output", *options, template=template.path)
    assert result.returncode == 0, result.stderr
    cruft.run("link", template.path, "--no-input", "--project-dir", repository.path)
    repository.commit()
    before = example_files(repository)
    assert before == {MODEL}
    restore(template, now)
    cruft.update(repository)
    assert runtime_version() in repository.read(VERSION)
    assert example_files(repository) == before
    assert repository.read(MODEL) == THEIRS[MODEL]


def test_an_update_brings_no_example_back_once_it_is_replaced(template: Folder, cruft: Cruft) -> None:
    now = make_older(template)
    repository = cruft.create({})
    for name in example_files(repository):
        (repository.path / name).unlink()
    repository.write(MODEL, THEIRS[MODEL])
    repository.commit()
    restore(template, now)
    cruft.update(repository)
    assert runtime_version() in repository.read(VERSION)
    assert example_files(repository) == {MODEL}


def test_a_package_can_take_the_place_of_the_folder(template: Folder, cruft: Cruft) -> None:
    template.commit()
    repository = make_theirs(cruft.create({}))
    cruft.update(repository, runtime="package")
    assert not (repository.path / "flask_psc_model").exists()
    assert f"flask-psc-model=={runtime_version()}\n" in repository.read("requirements.txt")
    assert_theirs(repository)
    repository.commit()
    cruft.update(repository, runtime="vendored")
    assert (repository.path / VERSION).read_bytes() == (TEMPLATE / VERSION).read_bytes()
    assert_theirs(repository)


def test_an_update_crosses_a_change_of_an_internal_module(template: Folder, cruft: Cruft, tmp_path: Path) -> None:
    now = make_older(template)
    change_extensions(template)
    repository = make_theirs(cruft.create({}))
    assert "(older)" in repository.read("Dockerfile")
    restore(template, now)
    cruft.update(repository)
    assert repository.read("Dockerfile").encode() == render(tmp_path / "fresh", {})["Dockerfile"]
    assert_theirs(repository)


def test_an_update_crosses_a_change_of_a_filter(template: Folder, cruft: Cruft) -> None:
    now = make_older(template)
    for path in template.path.rglob("*.py"):
        name = path.relative_to(template.path).as_posix()
        template.write(
            name, template.read(name).replace("docstring=docstring", "doc=docstring").replace("| docstring", "| doc")
        )
    template.commit()
    repository = make_theirs(cruft.create({}))
    restore(template, now)
    cruft.update(repository)
    assert (repository.path / VERSION).read_bytes() == (TEMPLATE / VERSION).read_bytes()
    assert_theirs(repository)


def test_a_module_is_imported_again_though_its_size_and_time_are_the_same(tmp_path: Path) -> None:
    package = tmp_path / "template_extensions"
    shutil.copytree(ROOT / package.name, package, ignore=shutil.ignore_patterns("__pycache__"))
    program = """if True:
        import os, sys, template_extensions
        path = sys.modules["template_extensions.text"].__file__
        modified = os.stat(path).st_mtime_ns
        text = open(path).read()
        open(path, "w").write(text.replace("MIN_SLUG, MAX_SLUG = 2, 63", "MIN_SLUG, MAX_SLUG = 2, 45"))
        os.utime(path, ns=(modified, modified))
        template_extensions.forget_modules({})
        import template_extensions.text
        print(template_extensions.text.MAX_SLUG)
    """
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    assert run([sys.executable, "-c", program], folder=tmp_path, environment=variables) == "45\n"


def test_an_update_from_before_the_extensions_were_a_package(template: Folder, cruft: Cruft, tmp_path: Path) -> None:
    now = template.path.with_name("now")
    shutil.copytree(template.path, now)
    check_out(template, BEFORE_PACKAGE)
    repository = cruft.create({})
    edited = repository.read(MODEL) + "\n# mine\n"
    repository.write(MODEL, edited)
    repository.commit()
    restore(template, now)

    cruft.update(repository)

    assert "as clean as possible" in cruft.output
    assert repository.read(MODEL) == edited
    assert_renewed(repository, render(tmp_path / "fresh", {}))
    assert "template_extensions" in repository.read(".cruft.json")
    assert "_base_images" not in repository.read(".cruft.json")
    assert "OK" in repository.run(sys.executable, "-m", "unittest", "tests.test_model")


def test_a_replay_gives_the_same_tree(tmp_path: Path) -> None:
    answers = {"author": 'Ann "Q"', "framework": "keras", "runtime": "package"}
    expected = render(tmp_path / "first", answers)
    (saved,) = (tmp_path / "first.replay").iterdir()
    result = cookiecutter(tmp_path / "second", "--replay-file", saved)
    assert result.returncode == 0, result.stderr
    assert Folder(tmp_path / "second" / NAME).contents() == expected


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return what Cookiecutter saves for the defaults, and the files that it renders."""
    folder = tmp_path_factory.mktemp("replayed")
    files = render(folder / "first", {})
    (saved,) = (folder / "first.replay").iterdir()
    return json.loads(saved.read_text(encoding="utf-8")), files


@pytest.mark.parametrize("key", [key for key in QUESTIONS if key.startswith("__") and key != "__prompts__"])
def test_a_replay_from_before_a_derived_answer_gives_the_same_tree(
    key: str, replayed: tuple[dict[str, Any], dict[str, bytes]], tmp_path: Path
) -> None:
    result = replay_without(key, replayed[0], tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert Folder(tmp_path / "second" / NAME).contents() == replayed[1]


@pytest.mark.parametrize("key", [key for key in QUESTIONS if not key.startswith("_")])
def test_a_replay_from_before_a_question_asks_it_alone(
    key: str, replayed: tuple[dict[str, Any], dict[str, bytes]], tmp_path: Path
) -> None:
    answer = replayed[0]["cookiecutter"][key]
    result = replay_without(key, replayed[0], tmp_path, "1" if isinstance(QUESTIONS[key], list) else answer)
    assert result.returncode == 0, result.stdout + result.stderr
    prompt = QUESTIONS["__prompts__"][key]
    assert f"[1/1] {prompt['__prompt__'] if isinstance(prompt, dict) else prompt}" in result.stdout
    assert Folder(tmp_path / "second" / NAME).contents() == replayed[1]


def replay_without(
    key: str, context: dict[str, Any], folder: Path, answer: str = ""
) -> subprocess.CompletedProcess[str]:
    """Replay what was saved without a key, as in a file from an earlier version."""
    saved = folder / "replay.json"
    answers = {name: value for name, value in context["cookiecutter"].items() if name != key}
    saved.write_text(json.dumps({**context, "cookiecutter": answers}), encoding="utf-8")
    return cookiecutter(folder / "second", "--replay-file", saved, keys=f"{answer}\n")


def test_the_changelog_tells_of_the_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (\S+)", changelog, re.MULTILINE)[0] == runtime_version()


def make_older(template: Folder) -> Path:
    """Commit an earlier version instead of the template's; return where the template's is kept meanwhile."""
    now = template.path.with_name("now")
    shutil.copytree(template.path, now)
    template.replace(f"{RUNTIME}/version.py", runtime_version(), "0.0.9")
    template.replace(f"{RUNTIME}/server/routes.py", "import", "# an older comment\nimport")
    template.write(f"{RUNTIME}/retired.py", "# no longer there\n")
    (template.path / RUNTIME / "model" / "units.py").unlink()
    for name in (MODEL, "README.md", "Dockerfile", ".gitignore"):
        template.write(f"{TEMPLATE.name}/{name}", "# older\n" + template.read(f"{TEMPLATE.name}/{name}"))
    template.replace("templates/requirements/versions.yaml", "torch==2.14.1", "torch==2.14.0")
    for path in (template.path / "templates" / "requirements").glob("pytorch-2.14.1-*"):
        path.rename(path.with_name(path.name.replace("2.14.1", "2.14.0")))
    template.commit()
    return now


def change_extensions(template: Folder) -> None:
    """Let the earlier version have another function in an internal module of the extensions, and other text."""
    for name in ("__init__", "answers", "text"):
        module = f"template_extensions/{name}.py"
        template.write(module, re.sub(r"\bslug\b(?!=)", "make_slug", template.read(module)))
    template.replace("template_extensions/text.py", '" ".join(text.split())', '" ".join([*text.split(), "(older)"])')
    template.commit()


def check_out(template: Folder, commit: str) -> None:
    """Commit the files of an earlier commit of this repository instead of the template's."""
    parts = ["cookiecutter.json", "hooks", "*.py", "requirements-dev.txt", "templates", TEMPLATE.name]
    archive = template.path.with_name("archive.tar")
    try:
        run(["git", "-C", ROOT, "archive", f"--output={archive}", commit, "--", *parts])
    except CommandFailed:
        pytest.skip(f"skipped: commit {commit} is not in this clone; fetch it with git fetch --unshallow")
    for path in template.path.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    run(["tar", "-xf", archive, "-C", template.path])
    template.commit()


def restore(template: Folder, now: Path) -> str:
    """Commit the template as it is; return the commit."""
    for path in template.path.iterdir():
        if path.name != ".git":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(now, template.path, dirs_exist_ok=True)
    return template.commit()


def make_theirs(repository: Folder) -> Folder:
    """Let the user change a repository, and commit it."""
    for name, text in THEIRS.items():
        repository.write(name, text)
    repository.commit()
    return repository


def example_files(repository: Folder) -> set[str]:
    """Return the files of the example, or of the model that took its place."""
    return {name for name in repository.files() if name.startswith(("asset_bundle/", "model_lib/", "tests/"))}


def assert_theirs(repository: Folder) -> None:
    """Check that the user's files are as the user left them."""
    assert {name: repository.read(name) for name in THEIRS} == THEIRS


def assert_renewed(repository: Folder, fresh: dict[str, bytes]) -> None:
    """Check that all but the user's files are those of a fresh repository."""
    for name, content in repository.contents().items():
        if name not in THEIRS and not name.startswith(SKIPPED):
            assert content == fresh[name], name
    assert {name for name in fresh if not name.startswith(("model_lib", "tests"))} <= repository.contents().keys()


def render(output: Path, answers: dict[str, str]) -> dict[str, bytes]:
    """Return the files that Cookiecutter renders."""
    result = cookiecutter(output, "--no-input", *(f"{key}={value}" for key, value in answers.items()))
    assert result.returncode == 0, result.stderr
    return Folder(output / NAME).contents()
