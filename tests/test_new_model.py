"""The command that replaces the example: its files, its skeletons with each framework, and the way to a model."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from rendering import Tree, render_typed
from repository import QUESTIONS, TEMPLATE, Repository
from test_checklist import run, run_checklist

if TYPE_CHECKING:
    from conftest import Bake

#: In a process of its own, as the runtime is not on the path of these tests.
DIGEST = """
import json, sys
sys.path.insert(0, sys.argv[1])
from flask_psc_model.tools.new_model import example
trees = json.load(sys.stdin)
models = sorted({example.digest_model(source) for source in trees})
print(json.dumps([models, sorted(example.MODELS)]))
"""

#: The files of a model with several inputs, of which one has a type and a size.
PHOTO = ["--input", "photo.png:image/png:10M", "--input", "config.json", "--output", "text.json"]

#: Enough of PyTorch for the skeleton.
TORCH = """
class cuda:
    is_available = is_initialized = staticmethod(lambda: False)

device = str
inference_mode = lambda: lambda function: function
"""

PREDICT = "return {'size': len(photo), 'name': config['name']}"
BATCH = "return [{'size': len(photo), 'name': config['name']} for photo, config in batch]"
TODO = 'raise NotImplementedError("write predict() in model_lib/model.py")'


def new_model(repository: Repository, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command in a repository."""
    return subprocess.run(
        [sys.executable, "-m", "flask_psc_model.cli.new_model", *arguments],
        cwd=repository.path,
        input=typed,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def read_tree(repository: Repository) -> Tree:
    """Return the content of each file, without bytecode."""
    return {name: (repository.path / name).read_bytes() for name in repository.files() if "__pycache__" not in name}


# --- what belongs to the example -------------------------------------------------------------------------------


def render_stacks() -> Iterator[Tree]:
    """Yield a repository of each framework on each Python."""
    for framework in QUESTIONS["framework"]:
        for python in QUESTIONS["python_version"]:
            for name in ("Color Name Predictor", "Leaf"):
                description = "Finds leaves." if name == "Leaf" else QUESTIONS["description"]
                yield render_typed(framework=framework, python_version=python, model_name=name, description=description)


def test_the_example_of_every_framework_is_known() -> None:
    sources = [tree["model_lib/model.py"].decode() for tree in render_stacks()]
    command = [sys.executable, "-B", "-c", DIGEST, str(TEMPLATE)]
    result = subprocess.run(command, input=json.dumps(sources), capture_output=True, encoding="utf-8", check=True)
    found, known = json.loads(result.stdout)
    assert found == known, "write these digests into MODELS"
    assert len(known) > 4


def test_the_other_files_of_the_example_are_known(defaults: Repository) -> None:
    code = "import json, os; from flask_psc_model.tools.new_model import example as e;"
    code += "print(json.dumps([list(e.list_unchanged('.', 'ColorNamePredictorModel')), list(e.FILES),"
    code += " {name: e.digest_file(name, 'ColorNamePredictorModel') for name in e.FILES}]))"
    unchanged, known, digests = json.loads(run(defaults, "-c", code).stdout)
    assert unchanged == known, f"write these digests into FILES: {digests}"
    prefixes = ("tests/data/", "tests/test_model.py", "model_lib/colors.py")
    assert sorted(known) == [name for name in defaults.files() if name.startswith(prefixes)]


# --- the way to a model ----------------------------------------------------------------------------------------


@pytest.mark.server
@pytest.mark.parametrize("framework", ["none", "pytorch"])
def test_a_new_model_passes_its_tests_on_the_whole_way_to_a_finished_one(bake: Bake, framework: str) -> None:
    repository = bake(framework=framework)
    result = new_model(repository, *PHOTO)
    assert result.returncode == 0, result.stderr
    if framework == "pytorch":
        (repository.path / "torch.py").write_text(TORCH, encoding="utf-8")
    tests = run(repository, "-m", "unittest", "-v")
    assert tests.returncode == 0, tests.stderr
    assert tests.stderr.endswith("OK (skipped=4)\n")
    for kind in ("examples", "validation-error"):
        assert f"the case is to be filled in; see TODO.md in {repository.path}/tests/data/{kind}/first" in tests.stderr
    _, problems = run_checklist(repository)
    assert problems["your model replaces the example"] == []
    assert [line.split(":")[0] for line in problems["there are test cases, and they pass"]] == [
        "tests/data/examples/first",
        "tests/data/validation-error/first",
    ]

    # the inputs alone
    first = repository.path / "tests" / "data" / "examples" / "first"
    (first / "TODO.md").unlink()
    (first / "photo.jpg").write_bytes(b"\xff\xd8")
    (first / "config.json").write_text('{"name": "leaf"}', encoding="utf-8")
    tests = run(repository, "-m", "unittest")
    assert tests.returncode == 1
    assert "the server answered 500" in tests.stderr
    assert "write predict() in model_lib/model.py" in tests.stderr

    # the model, too
    model = repository.path / "model_lib" / "model.py"
    source = model.read_text(encoding="utf-8")
    assert source.count(TODO) == 1
    model.write_text(source.replace(TODO, PREDICT if framework == "none" else BATCH), encoding="utf-8")
    tests = run(repository, "-m", "unittest")
    assert tests.returncode == 1
    assert "has no text.json: it holds config.json, photo.jpg;" in tests.stderr
    assert "python -m flask_psc_model.cli.record adds what the model writes" in tests.stderr

    # and what is expected of it
    recorded = run(repository, "-m", "flask_psc_model.cli.record")
    assert recorded.returncode == 0, recorded.stderr
    assert json.loads((first / "text.json").read_text(encoding="utf-8")) == {"size": 2, "name": "leaf"}
    tests = run(repository, "-m", "unittest")
    assert tests.stderr.endswith("OK (skipped=2)\n"), tests.stderr

    # a refusal is next
    refusal = repository.path / "tests" / "data" / "validation-error" / "first"
    (refusal / "photo.png").write_bytes(b"")
    (refusal / "config.json").write_text("{", encoding="utf-8")
    recorded = run(repository, "-m", "flask_psc_model.cli.record", "validation-error/first")
    assert recorded.returncode == 0, recorded.stderr
    assert "Expecting property name" in (refusal / "message.txt").read_text(encoding="utf-8")
    tests = run(repository, "-m", "unittest")
    assert tests.stderr.endswith("OK\n"), tests.stderr


def test_it_writes_what_it_says_and_leaves_the_rest(bake: Bake) -> None:
    repository = bake(description="Reads what is on a photo.", model_name="Photo Reader")
    before, lines = read_tree(repository), repository.read("model.yaml").splitlines()
    result = new_model(repository, *PHOTO)
    assert result.returncode == 0, result.stderr
    after = read_tree(repository)
    written = {name for name, content in after.items() if before.get(name) != content}
    cases = {f"tests/data/{kind}/first/TODO.md" for kind in ("examples", "validation-error")}
    assert written == {"model.yaml", "model_lib/model.py", "tests/test_model.py"} | cases
    prefixes = ("tests/data/", "model_lib/colors.py")
    assert set(before) - set(after) == {name for name in before if name.startswith(prefixes)}
    assert [path.name for path in (repository.path / "tests" / "data" / "examples").iterdir()] == ["first"]
    for name in written - {"model.yaml"}:
        assert f"\n  {name}\n" in result.stdout
    assert "1. Complete predict() in model_lib/model.py." in result.stdout
    assert "Kept" not in result.stdout

    metadata = repository.metadata()
    assert metadata["inputs"] == {
        "photo.png": {"acceptedMediaTypes": ["image/png"], "maxSize": "10M", "description": ""},
        "config.json": {"acceptedMediaTypes": ["application/json"], "description": ""},
    }
    assert metadata["outputs"] == {"text.json": {"mediaType": "application/json", "description": ""}}
    new = repository.read("model.yaml").splitlines()
    # all else is as it was, comments included
    assert new[: lines.index("inputs:")] == lines[: lines.index("inputs:")]
    assert (
        new[new.index("# The resources of one container.") :]
        == (lines[lines.index("# The resources of one container.") :])
    )
    assert "# The model's output files." in new

    model = repository.model_class()
    assert (model.name, ast.get_docstring(model)) == ("PhotoReaderModel", "Reads what is on a photo.")
    methods = list_methods(repository.read("model_lib/model.py"))
    assert methods["run"] == ["photo_path", "config_path", "text_path"]
    todo = repository.read("tests/data/examples/first/TODO.md")
    assert "`photo.png`, `config.json`" in todo
    assert "cli.record examples/first" in todo


def test_a_second_model_is_not_the_examples_and_stays(bake: Bake) -> None:
    repository = bake()
    assert new_model(repository, *PHOTO).returncode == 0
    before = read_tree(repository)
    result = new_model(repository, *PHOTO)
    assert result.returncode == 1
    assert result.stderr.startswith("error: model_lib/model.py is not the template's example, or no longer")
    assert read_tree(repository) == before


@pytest.mark.parametrize("old", ["NAMES = 5", "return scores[-1]", "import math", "ModelBase):"])
def test_a_model_that_was_edited_stays(bake: Bake, old: str) -> None:
    repository = bake()
    path = repository.path / "model_lib" / "model.py"
    path.write_text(repository.read("model_lib/model.py").replace(old, "") + "# mine\n", encoding="utf-8")
    before = read_tree(repository)
    result = new_model(repository, *PHOTO)
    assert result.returncode == 1
    assert "is not the template's example, or no longer" in result.stderr
    assert read_tree(repository) == before


def test_a_renamed_model_with_windows_line_ends_is_still_the_example(bake: Bake) -> None:
    repository = bake()
    for name in ("model_lib/model.py", "tests/test_model.py", "app.py", "model.yaml"):
        text = repository.read(name).replace("ColorNamePredictorModel", "Renamed")
        (repository.path / name).write_bytes(text.replace("\n", "\r\n").encode())
    result = new_model(repository, *PHOTO)
    assert result.returncode == 0, result.stderr
    assert repository.model_class().name == "Renamed"
    assert list(repository.metadata()["inputs"]) == ["photo.png", "config.json"]
    assert b"\n" not in (repository.path / "model.yaml").read_bytes().replace(b"\r\n", b"")


def test_files_that_were_edited_or_added_are_kept(bake: Bake) -> None:
    repository = bake()
    edited = ["model_lib/colors.py", "tests/test_model.py", "tests/data/examples/black/input.txt"]
    for name in edited:
        with (repository.path / name).open("a", encoding="utf-8") as file:
            file.write("# mine\n")
    own = repository.path / "tests" / "data" / "validation-error" / "black" / "notes.md"
    own.parent.mkdir()
    own.write_text("mine", encoding="utf-8")
    result = new_model(repository, *PHOTO)
    assert result.returncode == 0, result.stderr
    for name in edited:
        assert repository.read(name).endswith("# mine\n")
        assert f"\n  {name}\n" in result.stdout.split("since they were edited:")[1]
    assert own.read_text(encoding="utf-8") == "mine"
    # a case is left in each folder
    assert list(repository.path.rglob("TODO.md")) == []


# --- a command that is stopped ---------------------------------------------------------------------------------

#: Stops the command at each step that changes a folder, then runs it again, each time in a copy of the repository.
STOP = """
import contextlib, importlib, io, json, os, shutil, sys

repository, work, kind, first, second = sys.argv[1:]
sys.path.insert(0, repository)
from flask_psc_model.tools.new_model.session import create_model
importlib.import_module("flask_psc_model.tools.checklist.example")
error = {"full disk": OSError(28, "No space left on device"), "Ctrl-C": KeyboardInterrupt()}[kind]
EVENTS = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "tempfile.mkstemp")
left = 0
steps = []

def stop(event, args):
    global left
    if event in EVENTS and left:
        left -= 1
        if not left:
            steps.append(event)
            raise error

def copy(name):
    folder = os.path.join(work, name)
    shutil.copytree(repository, folder, ignore=shutil.ignore_patterns("flask_psc_model", "__pycache__", ".git"))
    os.chdir(folder)
    return folder

def read(folder):
    found = {}
    for parent, folders, names in os.walk(folder):
        for name in folders + names:
            path = os.path.join(parent, name)
            content = None if os.path.isdir(path) else open(path, "rb").read().decode("utf-8", "replace")
            found[os.path.relpath(path, folder)] = content
    return found

def run(texts):
    inputs, outputs = json.loads(texts)
    with contextlib.redirect_stdout(io.StringIO()) as output:
        create_model(inputs, outputs)
    return output.getvalue()

whole = copy("whole")
run(second)
expected, problems = read(whole), []
sys.addaudithook(stop)
for number in range(1, 1000):
    folder = copy(f"stopped-{number}")
    left = number
    try:
        run(first)
        if left:
            break
        # a folder that stays empty, or is there already, stops nothing
        assert steps[-1] in ("os.rmdir", "os.mkdir"), steps[-1]
        continue
    except (OSError, KeyboardInterrupt):
        pass
    try:
        output = run(second)
        if read(folder) != expected or ("Kept" in output) != ("mine" in str(expected)):
            problems.append([number, steps[-1], output])
    except Exception as failure:
        problems.append([number, steps[-1], repr(failure)])
    shutil.rmtree(folder)
print(json.dumps([steps, problems]))
"""


@pytest.mark.parametrize("kind", ["full disk", "Ctrl-C"])
@pytest.mark.parametrize("is_edited", [False, True])
def test_a_second_call_completes_one_that_was_stopped(bake: Bake, tmp_path: Path, kind: str, is_edited: bool) -> None:
    repository = bake()
    if is_edited:
        for name in ("tests/test_model.py", "tests/data/examples/black/input.txt"):
            with (repository.path / name).open("a", encoding="utf-8") as file:
                file.write("# mine\n")
    files = [json.dumps([["photo.png"], ["text.json"]]), json.dumps([["scan.png", "notes.txt"], ["mask.png"]])]
    command = [sys.executable, "-B", "-c", STOP, str(repository.path), str(tmp_path / "work"), kind, *files]
    result = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert result.returncode == 0, result.stderr
    steps, problems = json.loads(result.stdout)
    assert {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "tempfile.mkstemp"} == set(steps)
    assert len(steps) > 30
    assert problems == []


# --- the skeletons ---------------------------------------------------------------------------------------------

#: The input and output files of models.
FILES = [
    [["photo.png:image/png:10M", "config.json"], ["text.json"]],
    [["input.txt"], ["results.json"]],
    [["data.bin:application/octet-stream"], ["labels.txt", "mask.png", "result.json"]],
    [
        [
            *("the-photograph-of-the-whole-patient.png", "the-photograph-of-the-left-lung.png"),
            *("class.json", "2 words.txt", "写真.txt", "json.txt", "deep/Größe.json"),
        ],
        ["the-heat-map-of-the-whole-patient.json", "1.csv", "import.txt"],
    ],
    [[f"a-rather-long-name-{letter}.txt" for letter in "abcdefghij"], ["self.json"]],
    [["image_path.txt", "image.txt", "x/image.txt", "str.json"], ["out.json", "np.txt"]],
]

#: Writes a model for each of them.
WRITE_MODELS = """
import json, sys
from flask_psc_model.tools.new_model.example import Example
from flask_psc_model.tools.new_model.files import NewFile
from flask_psc_model.tools.new_model.skeleton import make_model

example = Example.read(".")
for number, files in enumerate(json.loads(sys.argv[1])):
    inputs, outputs = ([NewFile.parse(text) for text in texts] for texts in files)
    with open(f"model_lib/model_{number}.py", "w", encoding="utf-8") as file:
        file.write(make_model(example, inputs, outputs))
"""

STACKS = [("none", "3.12"), ("pytorch", "3.12"), ("pytorch", "3.6"), ("tensorflow", "3.12"), ("keras", "3.12")]


@pytest.mark.command
@pytest.mark.parametrize(("framework", "python"), [*STACKS, ("keras", "3.6")])
def test_the_skeleton_is_clean_with_any_files(bake: Bake, framework: str, python: str, tmp_path: Path) -> None:
    repository = bake(framework=framework, python_version=python)
    repository.run(sys.executable, "-c", WRITE_MODELS, json.dumps(FILES))
    repository.check_style()
    repository.run(sys.executable, "-m", "mypy", "model_lib", MYPY_CACHE_DIR=str(tmp_path))
    imported = {"none": "import json\n", "pytorch": "import torch\n", "tensorflow": "import tensorflow as tf\n"}
    for number, (inputs, outputs) in enumerate(FILES):
        source = repository.read(f"model_lib/model_{number}.py")
        assert imported.get(framework, "keras\n") in source
        assert ("WEIGHTS" in source) is (framework != "none")
        assert ("    @torch.inference_mode()\n    def predict" in source) is (framework == "pytorch")
        methods = list_methods(source)
        if framework == "none":
            assert list(methods) == ["__init__", "run", "predict"]
            paths = methods["run"]
        else:
            assert list(methods) == ["__init__", "preprocess", "predict", "postprocess"]
            paths = methods["preprocess"] + methods["postprocess"][1:]
        assert len(paths) == len(set(paths)) == len(inputs) + len(outputs)
        assert all(path.endswith("_path") for path in paths)


def list_methods(source: str) -> dict[str, list[str]]:
    """Return the arguments of each method of the only class in a module, without `self`."""
    (model,) = (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
    methods = (each for each in model.body if isinstance(each, ast.FunctionDef))
    return {each.name: [argument.arg for argument in each.args.args[1:]] for each in methods}


# --- the files of the model ------------------------------------------------------------------------------------


def test_it_asks_for_what_is_missing_until_it_can_be_used(bake: Bake) -> None:
    repository = bake()
    typed = ["", "../a.png", "scan.dcm2::10M", "not a type", "", "notes.txt:text/plain:huge", "notes.txt", ""]
    result = new_model(repository, "--output", "mask.png", typed="\n".join(typed) + "\n")
    assert result.returncode == 0, result.stderr
    for text in (
        "The input files, such as photo.png, photo.png:image/png or photo.png:image/png:10M;",
        "The model needs an input file.",
        "error: '../a.png' is not the name of a file in the folder of a job",
        "Media type of scan.dcm2 [application/octet-stream]: error: 'not a type' is not a media type such as image/png",
        "error: the size of notes.txt is 'huge': expected a size such as 512M",
    ):
        assert text in result.stdout
    assert "The output files" not in result.stdout
    inputs = repository.metadata()["inputs"]
    assert {name: file["acceptedMediaTypes"] for name, file in inputs.items()} == {
        "scan.dcm2": ["application/octet-stream"],
        "notes.txt": ["text/plain"],
    }
    assert inputs["scan.dcm2"]["maxSize"] == "10M"


def test_the_end_of_the_answers_changes_nothing(bake: Bake) -> None:
    repository = bake()
    before = read_tree(repository)
    result = new_model(repository, "--input", "photo.png", typed="mask.png\n")
    assert result.returncode == 1
    assert result.stderr.endswith("Aborted!\n")
    assert read_tree(repository) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-i", "a.txt", "-o", "a.json"], "the files a.txt and a.json differ only in their extensions"),
        (["-i", "a.txt", "-o", "a.txt"], "there are two files a.txt: rename one of them"),
        (["-i", "message.png", "-o", "b.txt"], "message.txt holds the expected error message of a case, whatever"),
        (["-i", "a.txt:x", "-o", "b.txt"], "'x' is not a media type such as image/png"),
        (["-i", "a.txt:text/plain:0", "-o", "b.txt"], "the size of a.txt is '0': expected a size"),
        (["-i", "a.txt:text/plain:1K:2K", "-o", "b.txt"], "is not NAME:MEDIA_TYPE:MAX_SIZE"),
        (["-i", "", "-o", "b.txt"], "the file has no name"),
        (["-i", "/a.txt", "-o", "b.txt"], "'/a.txt' is not the name of a file in the folder of a job"),
        (["-i", "a/../../b", "-o", "b.txt"], "is not the name of a file"),
        (["-i", 'a".txt', "-o", "b.txt"], "has characters that cannot be used"),
        (["-i", "a\nb.txt", "-o", "b.txt"], "has characters that cannot be used"),
        (["-i", ".psc-a", "-o", "b.txt"], "begins with .psc-, which is reserved for the server"),
        (["-i", "message.txt", "-o", "b.txt"], "rename the file message.txt"),
        (["-i", "message/a.txt", "-o", "b.txt"], "message of message/a.txt and message.txt are a folder and a file"),
        (["-i", "a/b.png", "-i", "a.txt", "-o", "b.txt"], "a of a/b.png and a.txt are a folder and a file"),
        (["-i", ".cfg.txt", "-o", "b.txt"], "the file .cfg.txt is hidden, and cases skip hidden files"),
        (["-i", "a.txt~:text/plain", "-o", "b.txt"], "is the name of a backup, and cases skip those"),
        (["-i", ".:text/plain", "-o", "b.txt"], "'.' is not the name of a file"),
        (["-i", "TODO.txt", "-o", "b.txt"], "'TODO.txt' is the note on a case"),
    ],
)
def test_files_that_cannot_be_used_change_nothing(bake: Bake, arguments: Sequence[str], message: str) -> None:
    repository = bake()
    before = read_tree(repository)
    result = new_model(repository, *arguments)
    assert result.returncode == 1, result.stdout
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert read_tree(repository) == before


@pytest.mark.parametrize("name", ["yes", "1.0", "- a", "a # b.txt", "é.png", "null", "{a}", "it's"])
def test_any_name_arrives_in_the_metadata_unchanged(bake: Bake, name: str) -> None:
    repository = bake()
    result = new_model(repository, "-i", f"{name}:text/plain", "-o", "other.json")
    assert result.returncode == 0, result.stderr
    assert list(repository.metadata()["inputs"]) == [name]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\ninputs:\n", "\nmore:\n", "has no key inputs: add the line"),
        ("\noutputs:\n", '\n"outputs":\n', "outputs cannot be replaced by itself"),
        ("\ninputs:\n", "\ninputs: &files\n", None),
        ("\ntimeout:\n", "\ntimeout: [\n", "is not valid YAML"),
    ],
)
def test_a_model_yaml_that_cannot_be_edited_changes_nothing(
    bake: Bake, old: str, new: str, message: str | None
) -> None:
    repository = bake()
    path = repository.path / "model.yaml"
    path.write_text(repository.read("model.yaml").replace(old, new), encoding="utf-8")
    before = read_tree(repository)
    result = new_model(repository, *PHOTO)
    if message is None:
        assert result.returncode == 0, result.stderr
        assert list(yaml.safe_load(repository.read("model.yaml"))["inputs"]) == ["photo.png", "config.json"]
    else:
        assert result.returncode == 1
        assert message in result.stderr
        assert read_tree(repository) == before
