"""The Kubernetes manifests of a repository: valid for the last versions, and true to the image."""

from __future__ import annotations

import copy
import functools
import itertools
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import kubernetes_validate
import pytest
import yaml
from dockerfile import parse
from kubernetes_validate.utils import all_versions, major_minor
from rendering import Tree, render_typed
from repository import QUESTIONS, TEMPLATE

pytestmark = pytest.mark.command

STACKS = list(itertools.product(QUESTIONS["framework"], QUESTIONS["accelerator"]))

#: The last ones, of which Kubernetes maintains three.
VERSIONS = list(dict.fromkeys(map(major_minor, all_versions())))[-4:]

COMMON = ["--name", "leaves", "--namespace", "models", "--claim", "jobs"]
OPTIONS = {
    "server": [],
    "server-with-all": [*COMMON, "--port", "9000", "--replicas", "2", "--max-replicas", "5"],
    "job": ["--job", "--claim", "jobs"],
    "job-with-all": [*COMMON, "--job", "--shards", "8", "--inputs", "in", "--outputs", "out"],
}

Manifest = dict[str, Any]


@pytest.fixture(scope="module", params=STACKS, ids="-".join)
def tree(request: pytest.FixtureRequest) -> Tree:
    """Return the files of a repository, for each framework and accelerator in turn."""
    framework, accelerator = request.param
    return render_typed(framework=framework, accelerator=accelerator)


def print_manifests(tree: Tree, *options: str) -> list[Manifest]:
    """Run the command with the repository's `model.yaml`."""
    return list(yaml.safe_load_all(run_command(tree["model.yaml"], tree["Dockerfile"], *options)))


@functools.cache
def run_command(metadata: bytes, dockerfile: bytes, *options: str) -> str:
    """Run the command in a folder with two files, which many repositories have alike; return what it prints."""
    command = [sys.executable, "-m", "flask_psc_model", "kubernetes", "--image", "registry.example.com/leaves:1"]
    variables = {"PYTHONPATH": str(TEMPLATE), "PYTHONDONTWRITEBYTECODE": "1"}
    with TemporaryDirectory() as folder:
        (Path(folder) / "model.yaml").write_bytes(metadata)
        (Path(folder) / "Dockerfile").write_bytes(dockerfile)
        return subprocess.run(
            [*command, *options],
            cwd=folder,
            env={**os.environ, **variables},
            check=True,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        ).stdout


def validate(manifest: Manifest) -> None:
    """Check a manifest for each version of Kubernetes; no key may be there that the version does not know.

    Raises:
        kubernetes_validate.ValidationError: it is not valid.
    """
    for version in VERSIONS:
        assert kubernetes_validate.validate(manifest, version, strict=True) == version


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_the_manifests_are_valid(tree: Tree, options: list[str]) -> None:
    manifests = print_manifests(tree, *options)
    assert len(manifests) == (1 if "--job" in options else 4)
    for manifest in manifests:
        validate(manifest)


def test_the_commands_of_the_page_about_kubernetes_work(tree: Tree) -> None:
    page = tree["docs/server/kubernetes.md"].decode()
    commands = re.findall(r"^python -m flask_psc_model.cli.kubernetes ((?:.*\\\n)*.*)", page, re.M)
    counts = []
    for command in commands:
        options, _, rest = command.replace("\\\n", "").partition("|")
        assert rest.split() == ["kubectl", "apply", "-f", "-"]
        counts.append(len(print_manifests(tree, *options.split())))
    assert counts == [4, 1]


@pytest.fixture(scope="module")
def printed() -> list[Manifest]:
    """Return the manifests of the repository that the default answers give."""
    return print_manifests(render_typed())


MISTAKES: dict[str, Callable[[Manifest], object]] = {
    "an unknown key": lambda spec: spec.update(replica=1),
    "an unknown key further in": lambda spec: find_container(spec).update(livenessprobe={}),
    "a key in the wrong place": lambda spec: spec.update(securityContext={}),
    "a missing key": lambda spec: spec.pop("selector"),
    "a missing key further in": lambda spec: find_container(spec).pop("name"),
    "a text for a number": lambda spec: spec.update(progressDeadlineSeconds="600"),
    "a number for a text": lambda spec: find_container(spec)["env"][0].update(value=8080),
}


@pytest.mark.parametrize("make_mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_would_be_noticed(printed: list[Manifest], make_mistake: Callable[[Manifest], object]) -> None:
    deployment = copy.deepcopy(printed[0])
    validate(deployment)
    make_mistake(deployment["spec"])
    with pytest.raises(kubernetes_validate.ValidationError):
        validate(deployment)


def test_a_gpu_is_requested_where_cuda_is(tree: Tree) -> None:
    limits = find_container(print_manifests(tree)[0]["spec"])["resources"]["limits"]
    asked = yaml.safe_load(tree["model.yaml"])["resources"]
    assert limits["memory"] == asked["memory"]["size"] + "i"
    assert limits["cpu"] == str(asked["cpu"]["count"])
    assert int(limits.get("nvidia.com/gpu", 0)) == asked["gpu"]["count"]


def test_the_pods_are_those_of_the_image(tree: Tree, printed: list[Manifest]) -> None:
    pod, container = find_pod(printed[0]["spec"]), find_container(printed[0]["spec"])
    dockerfile = {instruction.keyword: instruction.rest for instruction in parse(tree["Dockerfile"].decode())}
    context = pod["securityContext"]
    assert dockerfile["USER"] == f"{context['runAsUser']}:{context['runAsGroup']}"
    (variable,) = container["env"]
    (port,) = container["ports"]
    assert f"{variable['name']}={variable['value']}\n".encode() in tree["Dockerfile"]
    assert dockerfile["EXPOSE"] == variable["value"] == str(port["containerPort"])
    assert b"HOME=/tmp " in tree["Dockerfile"]
    (mounted,) = set(re.findall(rb'-v "\$PWD/data:([^"]+)"', tree["README.md"]))
    assert [each["mountPath"] for each in container["volumeMounts"]] == [mounted.decode(), "/tmp"]


@pytest.mark.parametrize(
    ("user", "ids", "shown"),
    [
        ("root", (0, 0), ["Root must be able to", "as root", "`baseline`"]),
        (
            "1000:1000",
            (1000, 1000),
            ["User 1000 or group 1000 must", "as user 1000, without capabilities", "`restricted`"],
        ),
        ("12345", (12345, None), ["User 12345 must be able to", "as user 12345, without", "`restricted`"]),
    ],
)
def test_the_pods_run_as_the_user_that_was_answered(user: str, ids: tuple[int, int | None], shown: list[str]) -> None:
    tree = render_typed(container_user=user)
    for options in OPTIONS.values():
        for manifest in print_manifests(tree, *options):
            validate(manifest)
    context = find_pod(print_manifests(tree)[0]["spec"])["securityContext"]
    assert (context["runAsUser"], context.get("runAsGroup")) == ids
    page = tree["docs/server/kubernetes.md"].decode()
    assert [text for text in shown if text not in page] == []


def find_pod(spec: Manifest) -> Manifest:
    """Return the `spec` of the pods."""
    return dict(spec["template"]["spec"])


def find_container(spec: Manifest) -> Manifest:
    """Return the only container of the pods."""
    (container,) = spec["template"]["spec"]["containers"]
    found: Manifest = container
    return found
