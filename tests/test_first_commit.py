"""The first commit: continuous integration that is valid, checks that pass, and Git only when it is wanted."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from commands import run
from repository import CI_FILES, QUESTIONS, ROOT, Repository, cookiecutter

from template_extensions.images import tool_version

if TYPE_CHECKING:
    from conftest import Bake

NAME = "color-name-predictor"
WORKFLOW = ".github/workflows/ci.yml"
TOOLS = Path(sys.executable).parent

each_ci = pytest.mark.parametrize("ci", CI_FILES)
each_answers = pytest.mark.parametrize(
    "answers",
    [
        pytest.param({}, id="defaults"),
        pytest.param({"runtime": "package", "python_version": "3.6"}, id="package"),
        pytest.param({"framework": "pytorch", "python_version": "3.8", "image_registry": "modzy"}, id="modzy"),
        pytest.param({"framework": "keras", "accelerator": "cuda"}, id="cuda"),
    ],
)

#: The hooks of the two repositories that the configuration names, by their names there.
HOOKS = {
    "https://github.com/astral-sh/ruff-pre-commit": {
        "ruff-check": "ruff check --force-exclude",
        "ruff-format": "ruff format --force-exclude",
    },
    "https://github.com/pre-commit/mirrors-mypy": {"mypy": "mypy"},
}


#: The files that managers of Renovate read by default, of which pre-commit is off unless it is turned on.
MANAGERS = {
    "dockerfile": r"(^|/|\.)([Dd]ocker|[Cc]ontainer)file$",
    "gitlabci": r"\.gitlab-ci\.ya?ml$",
    "pip_requirements": r"(^|/)[\w-]*requirements([-.]\w+)?\.(txt|pip)$",
    "pip_setup": r"(^|/)setup\.py$",
    "pipenv": r"(^|/)Pipfile$",
    "pre-commit": r"(^|/)\.pre-commit-config\.ya?ml$",
}


@each_ci
def test_only_the_files_that_fit_are_there(bake: Bake, defaults: Repository, ci: str) -> None:
    repository = bake(ci=ci)
    assert set(repository.files()) == set(defaults.files()) | CI_FILES[ci]
    assert (repository.path / ".github").exists() == (ci == "github")


@pytest.mark.command
@each_answers
def test_the_workflow_is_valid(bake: Bake, answers: dict[str, str]) -> None:
    repository = bake(ci="github", **answers)
    repository.run("git", "init", "--quiet")
    # it looks for shellcheck on the path, and checks the commands with it
    repository.run(TOOLS / "actionlint", "-oneline", PATH=f"{TOOLS}{os.pathsep}{os.environ['PATH']}")
    check_schema(repository, ".github/workflows/ci.yml", "github-workflows")
    check_schema(repository, ".github/dependabot.yml", "dependabot")


@pytest.mark.command
@each_answers
def test_the_pipeline_is_valid(bake: Bake, answers: dict[str, str], tmp_path: Path) -> None:
    repository = bake(ci="gitlab", **answers)
    check_schema(repository, ".gitlab-ci.yml", "gitlab-ci")
    check_schema(repository, "renovate.json", "renovate")
    found = jobs(repository, ".gitlab-ci.yml")
    assert "lint" in found
    for name, job in found.items():
        script = tmp_path / f"{name}.sh"
        script.write_text("\n".join(["#!/bin/sh", *job.get("before_script", []), *job["script"]]), encoding="utf-8")
        repository.run(TOOLS / "shellcheck", script)


def test_the_engine_of_the_pipeline_listens_on_its_socket_only(bake: Bake) -> None:
    job = jobs(bake(ci="gitlab"), ".gitlab-ci.yml")["build"]
    assert job["variables"]["DOCKER_HOST"].startswith("unix:///")
    # given options only, the entry point of docker:dind adds a host that anybody on the network reaches
    engine = job["before_script"][0].partition(">")[0]
    assert shlex.split(engine) == ["dockerd-entrypoint.sh", "dockerd", "--host", "$DOCKER_HOST"]


@each_answers
@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_it_checks_builds_and_pushes_at_a_tag(bake: Bake, answers: dict[str, str], ci: str) -> None:
    repository = bake(ci=ci, **answers)
    lint, *_, image = map(str, commands(repository, ci))
    assert "pre-commit run --all-files" in lint
    expected = [
        f"docker buildx build --load --tag {NAME}:latest ",
        "python -m unittest",
        f"flask_psc_model.cli.check_container {NAME}:latest",
        "docker buildx build --sbom=true --provenance=true --push ",
    ]
    positions = [image.find(step) for step in expected]
    assert -1 not in positions
    assert positions == sorted(positions)
    assert ("aws ecr get-login-password" in image) == ("image_registry" in answers)
    assert ("flask-psc-model==" in image) == ("runtime" in answers)
    # pip would look at the index too, and may prefer what it has
    assert "--find-links" not in image
    # the machines of continuous integration have no GPU, and frameworks round each in their own way
    assert ("--gpus 0" in image) == ("accelerator" in answers)
    assert ("--tolerance" in image) == ("framework" in answers)
    assert image.index('version="$(python') < image.index("docker buildx")
    if ci == "github":
        found = jobs(repository, WORKFLOW)
        assert found["release"]["if"] == "github.ref_type == 'tag'"
        assert found["image"]["if"] == "github.ref_type != 'tag'"
        # a tag is checked as a change is
        names = [[step.get("name") for step in found[name]["steps"]] for name in ("image", "release")]
        assert [name for name in names[1] if name in names[0]] == names[0]
    else:
        assert 'if [ -n "$CI_COMMIT_TAG" ]' in image


@each_answers
def test_the_workflow_has_the_least_permissions_and_pins_every_action(bake: Bake, answers: dict[str, str]) -> None:
    repository = bake(ci="github", **answers)
    workflow = yaml.safe_load(repository.read(WORKFLOW))
    read = {"contents": "read"}
    assert workflow["permissions"] == read
    permissions = {name: job.get("permissions", read) for name, job in workflow["jobs"].items()}
    assert permissions == {"lint": read, "image": read, "release": {**read, "packages": "write"}}
    for content in (repository.read(WORKFLOW), Repository(ROOT).read(WORKFLOW)):
        uses = re.findall(r"uses: (.*)", content)
        assert [use for use in uses if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", use)] == []


@pytest.mark.command
@each_answers
def test_zizmor_finds_nothing(bake: Bake, answers: dict[str, str]) -> None:
    repository = bake(ci="github", **answers)
    repository.run("git", "init", "--quiet")
    for folder in (repository, Repository(ROOT)):
        output = folder.run(TOOLS / "zizmor", "--offline", "--no-progress", ".github", NO_COLOR="1")
        assert "No findings to report" in output


@pytest.mark.parametrize("python", ["3.12", "3.6"])
def test_no_packages_and_no_base_image_are_proposed(bake: Bake, python: str) -> None:
    dependabot = yaml.safe_load(bake(ci="github", python_version=python).read(".github/dependabot.yml"))
    assert {update["package-ecosystem"] for update in dependabot["updates"]} == {"pre-commit", "github-actions"}
    repository = bake(ci="gitlab", python_version=python)
    renovate = json.loads(repository.read("renovate.json"))
    disabled = {name for rule in renovate["packageRules"] if not rule["enabled"] for name in rule["matchManagers"]}
    enabled = {name for name, pattern in MANAGERS.items() if name not in disabled and find(repository, pattern)}
    assert enabled == {"gitlabci", "pre-commit"}
    assert renovate["pre-commit"]["enabled"]


def test_the_workflow_of_the_template_is_valid() -> None:
    template = Repository(ROOT)
    template.run(TOOLS / "actionlint", "-oneline", WORKFLOW, PATH=f"{TOOLS}{os.pathsep}{os.environ['PATH']}")
    check_schema(template, WORKFLOW, "github-workflows")


def test_the_workflow_of_the_template_runs_the_checks_on_every_python(bake: Bake) -> None:
    template = Repository(ROOT)
    check, test = jobs(template, WORKFLOW).values()
    assert "make check" in check["steps"][-1]["run"]
    assert "make test " in test["steps"][-1]["run"]
    # GitHub has no Python 3.6 for its systems of today
    assert set(test["steps"][1]["with"]["python-version"].split()) == set(QUESTIONS["python_version"]) - {"3.6"}
    generated = bake(ci="github").read(WORKFLOW)
    used = re.findall(r"uses: (\S+)", template.read(WORKFLOW))
    assert used
    assert set(used) <= set(re.findall(r"uses: (\S+)", generated))


def test_a_mistake_in_a_pipeline_is_noticed(bake: Bake) -> None:
    repository = bake(ci="gitlab")
    pipeline = repository.path / ".gitlab-ci.yml"
    pipeline.write_text(repository.read(pipeline.name).replace("script:", "scripts:"), encoding="utf-8")
    with pytest.raises(Exception, match="Schema validation errors"):
        check_schema(repository, pipeline.name, "gitlab-ci")


@pytest.fixture(scope="module")
def mirrors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the variables under which pre-commit installs hooks from stand-ins of their repositories.

    The hooks have the names that they have there, and their tools are the real ones.
    """
    folder = tmp_path_factory.mktemp("mirrors")
    return {"PRE_COMMIT_HOME": str(folder / "home"), **make_mirrors(folder)}


@pytest.mark.slow
@pytest.mark.xdist_group("pre-commit")
@pytest.mark.parametrize("answers", [{}, {"runtime": "package", "ci": "github", "framework": "keras"}])
def test_every_hook_passes_on_the_first_commit(bake: Bake, answers: dict[str, str], mirrors: dict[str, str]) -> None:
    repository = bake(**answers)
    repository.run(TOOLS / "pre-commit", "validate-config")
    commit_all(repository.path)
    output = run_hooks(repository, mirrors)
    assert re.findall(r"\.\.(\w+)$", output, re.MULTILINE) == ["Passed"] * 3
    (repository.path / "app.py").write_text("import os\n", encoding="utf-8")
    with pytest.raises(Exception, match="F401"):
        run_hooks(repository, mirrors)


@pytest.mark.command
def test_git_is_left_alone_by_default(tmp_path: Path) -> None:
    result = generate(tmp_path)
    assert not (tmp_path / "output" / NAME / ".git").exists()
    assert "Git:" not in result.stdout


@pytest.mark.command
def test_a_first_commit_holds_every_file(tmp_path: Path) -> None:
    identity = "[user]\nname = Ann\nemail = ann@example.com\n[init]\ndefaultBranch = trunk\n"
    result = generate(tmp_path, "git=yes", "ci=github", identity=identity)
    repository = Repository(tmp_path / "output" / NAME)
    assert repository.run("git", "status", "--porcelain") == ""
    committed = repository.run("git", "ls-files").split()
    assert committed == sorted(name for name in repository.files() if not name.startswith(".git/"))
    assert f"Git: the first commit is {repository.run('git', 'rev-parse', '--short', 'HEAD').strip()}." in result.stdout
    assert repository.run("git", "log", "--format=%an <%ae>").strip() == "Ann <ann@example.com>"
    assert repository.run("git", "branch", "--show-current") == "main\n"
    assert "100755" in repository.run("git", "ls-files", "--stage", "entrypoint.sh")


@pytest.mark.command
def test_a_folder_that_is_not_new_is_not_committed(tmp_path: Path) -> None:
    existing = tmp_path / "output" / NAME
    existing.mkdir(parents=True)
    (existing / "secrets.txt").write_text("mine", encoding="utf-8")
    result = generate(tmp_path, "git=yes", "--overwrite-if-exists", "--skip-if-file-exists")
    assert "Git: no commit was made, since the folder is not new" in result.stdout
    assert not (existing / ".git").exists()


@pytest.mark.command
def test_a_repository_around_the_folder_is_not_nested_into(tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    run(["git", "init", "--quiet", tmp_path / "output"])
    result = generate(tmp_path, "git=yes")
    assert "Git: no commit was made, since the folder is in a repository already" in result.stdout
    assert not (tmp_path / "output" / NAME / ".git").exists()


@pytest.mark.command
def test_without_an_identity_the_repository_is_there_without_a_commit(tmp_path: Path) -> None:
    result = generate(tmp_path, "git=yes", identity="")
    assert "git does not know your name and email. Set them with git config --global" in result.stdout
    assert not (tmp_path / "output" / NAME / ".git").exists()


@pytest.mark.command
def test_without_git_the_repository_is_there_without_a_commit(tmp_path: Path) -> None:
    result = generate(tmp_path, "git=yes", PATH=str(tmp_path / "empty"))
    assert "git is not installed. Later: git init" in result.stdout
    assert (tmp_path / "output" / NAME / "app.py").exists()


@pytest.mark.command
def test_a_commit_that_git_refuses_is_told(tmp_path: Path) -> None:
    refusing = tmp_path / "hooks" / "pre-commit"
    refusing.parent.mkdir()
    refusing.write_text("#!/bin/sh\necho not today >&2\nexit 1\n", encoding="utf-8")
    refusing.chmod(0o755)
    settings = f"[user]\nname = Ann\nemail = ann@example.com\n[core]\nhooksPath = {refusing.parent}\n"
    result = generate(tmp_path, "git=yes", identity=settings)
    assert "Git: git commit failed; make the first commit yourself:\nnot today" in result.stdout


@pytest.mark.command
def test_under_cruft_the_commit_is_left_to_the_user(template: Path, tmp_path: Path) -> None:
    commit_all(template)
    options = ["--no-input", "--extra-context", '{"git": "yes"}', "--default-config"]
    # its own folder for temporary files, since what is rendered there is only compared
    (tmp_path / "temporary").mkdir()
    variables = {**os.environ, "HOME": str(tmp_path), "TMPDIR": str(tmp_path / "temporary")}
    output = run([sys.executable, "-m", "cruft", "create", template, *options], tmp_path, variables)
    assert "cruft adds a file later" in output
    assert not (tmp_path / NAME / ".git").exists()


def test_the_tools_are_those_that_the_template_is_tested_with(defaults: Repository) -> None:
    config = yaml.safe_load(defaults.read(".pre-commit-config.yaml"))
    assert [entry["rev"] for entry in config["repos"]] == [f"v{tool_version(name)}" for name in ("ruff", "mypy")]
    assert [entry["repo"] for entry in config["repos"]] == list(HOOKS)
    output = run([sys.executable, "-m", "ruff", "--version"])
    assert output.split()[1] == tool_version("ruff")


def check_schema(repository: Repository, name: str, schema: str) -> None:
    """Check a file against a published schema, of which check-jsonschema brings a copy."""
    repository.run(TOOLS / "check-jsonschema", "--builtin-schema", f"vendor.{schema}", name)


def find(repository: Repository, pattern: str) -> list[str]:
    """Return the files of a repository that match a pattern."""
    return [name for name in repository.files() if re.search(pattern, name)]


def jobs(repository: Repository, name: str) -> dict[str, Any]:
    """Return the jobs of a workflow or a pipeline."""
    content = yaml.safe_load(repository.read(name))
    return dict(content.get("jobs") or {key: job for key, job in content.items() if isinstance(job, dict)})


def commands(repository: Repository, ci: str) -> list[str]:
    """Return the commands of each job."""
    if ci == "github":
        found = jobs(repository, ".github/workflows/ci.yml").values()
        return ["\n".join(step.get("run", "") for step in job["steps"]) for job in found]
    found = jobs(repository, ".gitlab-ci.yml").values()
    return ["\n".join([*job.get("before_script", []), *job["script"]]) for job in found]


def run_hooks(repository: Repository, variables: dict[str, str]) -> str:
    """Run every hook on every file; return what pre-commit says."""
    return run(
        [TOOLS / "pre-commit", "run", "--all-files"], folder=repository.path, environment={**os.environ, **variables}
    )


def make_mirrors(folder: Path) -> dict[str, str]:
    """Make a stand-in for each repository of hooks; return the settings by which Git takes it instead."""
    settings = {"GIT_CONFIG_COUNT": str(len(HOOKS))}
    for number, (url, hooks) in enumerate(HOOKS.items()):
        mirror = folder / url.rpartition("/")[2]
        mirror.mkdir()
        tool = next(iter(hooks.values())).split()[0]
        setup = f"setup(name='stand-in', py_modules=[], install_requires=['{tool}=={tool_version(tool)}'])"
        (mirror / "setup.py").write_text(f"from setuptools import setup\n{setup}\n", encoding="utf-8")
        described = [
            {"id": name, "name": name, "entry": entry, "language": "python", "types_or": ["python", "pyi"]}
            for name, entry in hooks.items()
        ]
        (mirror / ".pre-commit-hooks.yaml").write_text(json.dumps(described), encoding="utf-8")
        commit_all(mirror)
        run(["git", "-C", mirror, "tag", f"v{tool_version(tool)}"])
        settings[f"GIT_CONFIG_KEY_{number}"] = f"url.{mirror.as_uri()}.insteadOf"
        settings[f"GIT_CONFIG_VALUE_{number}"] = url
    return settings


def commit_all(folder: Path) -> None:
    """Put a folder under Git with all that is in it, whatever the settings of this machine."""
    settings = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "commit.gpgsign=false")
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "All of it"]):
        run(["git", *settings, "-C", folder, *command])


def generate(
    folder: Path, *options: str, identity: str = "[user]\nname = Ann\nemail = ann@example.com\n", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the real command with settings of Git's own."""
    settings = folder / "gitconfig"
    settings.write_text(identity, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"GIT_CONFIG_GLOBAL": str(settings), "GIT_CONFIG_SYSTEM": os.devnull, **variables}.items():
            patch.setenv(name, value)
        result = cookiecutter(folder / "output", "--no-input", *options)
    assert result.returncode == 0, result.stderr
    return result
