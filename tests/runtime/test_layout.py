"""The layout of the runtime: data flows one way, and its public names stay."""

import ast
import os
import shutil
from importlib import import_module

import flask_psc_model
import pytest

from .commands import run_python
from .template import TEMPLATE

RUNTIME = os.path.join(TEMPLATE, "flask_psc_model")

#: A package imports from those above it and from the modules beside them, no other.
LAYERS = [
    "model",
    "jobs",
    "workers",
    "server",
    "testing",
    "bulk",
    "tools",
    "cli",
]

#: The modules that every package may import; they import each other at most.
ROOT = ["client", "errors", "log_output", "logs", "procfs", "settings", "version"]

#: They bring packages together: the public names, and the program of a package.
EXEMPT = ("__init__", "__main__")

#: What the tests of existing models and their repositories import.
PUBLIC = [
    "flask_psc_model:ModelBase",
    "flask_psc_model:api",
    "flask_psc_model:create_app",
    "flask_psc_model:load_metadata",
    "flask_psc_model.server.gunicorn:settings",
    "flask_psc_model.testing:AppTestCase",
    "flask_psc_model.testing:AutoAppTestCase",
    "flask_psc_model.testing:LiveAppTestCase",
    "flask_psc_model.testing:find_case_file",
    "flask_psc_model.cli.check_container:main",
    "flask_psc_model.cli.check_status:main",
    "flask_psc_model.cli.checklist:main",
    "flask_psc_model.cli.kubernetes:main",
    "flask_psc_model.cli.lock:main",
    "flask_psc_model.cli.measure:main",
    "flask_psc_model.cli.new_model:main",
    "flask_psc_model.cli.record:main",
    "flask_psc_model.cli.run_job:main",
    "flask_psc_model.cli.run_many:main",
    "flask_psc_model.cli.run_model:main",
    "flask_psc_model.cli.try_container:main",
]

TOOLS = [
    "check_container",
    "checklist",
    "kubernetes",
    "lock",
    "measure",
    "new_model",
    "record",
    "try_container",
]


def list_modules():
    """Return the parts of the dotted path of each module below the package."""
    modules = []
    for folder, _, names in os.walk(RUNTIME):
        parts = os.path.relpath(folder, RUNTIME).split(os.sep)
        parts = [] if parts == ["."] else parts
        modules += [parts + [name[:-3]] for name in names if name.endswith(".py")]
    return sorted(modules)


def list_imports(module):
    """Return the parts of each path that a module imports, from this package or not."""
    with open(os.path.join(RUNTIME, *module) + ".py", encoding="utf-8") as file:
        tree = ast.parse(file.read())
    own, others = [], []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = module[: len(module) - node.level]
            for alias in node.names:
                path = node.module.split(".") if node.module else [alias.name]
                own.append(base + path)
        elif isinstance(node, ast.ImportFrom):
            others.append(node.module.split("."))
        elif isinstance(node, ast.Import):
            others += [alias.name.split(".") for alias in node.names]
    return own, others


def is_allowed(module, imported):
    """Return whether a module may import a path."""
    source, target = module[0], imported[0]
    if len(module) == 1:
        return source in EXEMPT or target in ROOT
    if source == target or target in ROOT:
        return True
    return target in LAYERS[: LAYERS.index(source)]


def test_a_package_imports_only_the_packages_above_it():
    modules = list_modules()
    assert {module[0] for module in modules if len(module) > 1} == set(LAYERS)
    assert {module[0] for module in modules if len(module) == 1} == set(ROOT) | set(
        EXEMPT
    )
    wrong = [
        (".".join(module), ".".join(imported))
        for module in modules
        for imported in list_imports(module)[0]
        if not is_allowed(module, imported)
    ]
    assert wrong == []
    assert ["jobs", "outputs"] in list_imports(["jobs", "execution"])[0]


def test_its_own_modules_are_imported_by_relative_paths():
    # else the test above would not see them
    for module in list_modules():
        assert "flask_psc_model" not in [path[0] for path in list_imports(module)[1]]


def test_nothing_knows_http_before_the_server():
    before = LAYERS[: LAYERS.index("server")] + ROOT
    for module in list_modules():
        if module[0] in before:
            imported = {path[0] for path in list_imports(module)[1]}
            assert not imported & {"flask", "werkzeug", "gunicorn"}, module


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_where_it_was(name):
    module, attribute = name.split(":")
    assert getattr(import_module(module), attribute)


def test_the_package_lists_its_public_names():
    for name in flask_psc_model.__all__:
        assert getattr(flask_psc_model, name)


@pytest.fixture
def image_folder(tmp_path):
    """Return a folder with the runtime as an image of a vendored repository has it."""
    folder = tmp_path / "app"
    shutil.copytree(
        RUNTIME,
        str(folder / "flask_psc_model"),
        ignore=shutil.ignore_patterns("__pycache__", "tools"),
    )
    return folder


def test_an_image_lists_the_commands_that_run_there(image_folder):
    ending = run_python("-m", "flask_psc_model", folder=image_folder)
    assert ending.code == 0, ending
    listed = [
        line.split()[0] for line in ending.output.split("Commands:\n")[1].splitlines()
    ]
    assert listed == ["check_status", "run_job", "run_many"]


@pytest.mark.parametrize("command", TOOLS)
@pytest.mark.parametrize(
    "start", [["flask_psc_model"], ["flask_psc_model.cli."]], ids=["listed", "module"]
)
def test_a_command_that_cannot_run_in_an_image_says_where_it_runs(
    image_folder, command, start
):
    if start == ["flask_psc_model"]:
        args = start + [command, "--help"]
    else:
        args = [start[0] + command]
    ending = run_python("-m", *args, folder=image_folder)
    assert ending.code == 2, ending
    assert "run this command on a developer's machine" in ending.errors
    assert "Traceback" not in ending.errors
