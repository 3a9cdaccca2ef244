"""The command `python -m flask_psc_model.cli.try_container`, with a fake engine.

`tests/containers` in this repository has the tests with a real one.
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys

import pytest
from flask_psc_model.tools.container_job import make_tag, match_files

from .commands import run_python
from .fake_engines import FakeEngine
from .processes import is_alive, wait_until
from .project import write
from .template import TEMPLATE
from .web_servers import answer_with

METADATA = """\
inputs: {photo.png: {}, config.json: {}}
outputs: {result.json: {}, mask.bin: {}}
resources: {memory: {size: 512M}, gpu: {count: 1}}
timeout: {status: 20s, run: 20s}
"""

NAMES = ["photo.png", "config.json"]

RESULT = '{"label": "cat"}\n'


@pytest.fixture
def engine(tmp_path):
    """Return a fake engine."""
    return FakeEngine(tmp_path / "engine")


@pytest.fixture
def project(tmp_path):
    """Return a folder with a model of two inputs, and files for them."""
    folder = tmp_path / "My Model"
    folder.mkdir()
    write(folder, "model.yaml", METADATA)
    write(folder, "cat.png", "a cat")
    write(folder, "settings.json", "{}")
    return str(folder)


@pytest.fixture
def temporary(tmp_path):
    """Return the folder for temporary files of the command."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


class Model:
    """The answers of a container's server, which sees the folder of the container."""

    def __init__(self, engine, outputs, status=(200, "ready"), answer=(200, "done")):
        self.engine = engine
        self.outputs = outputs
        self.status = status
        self.answer = answer
        self.inputs = {}

    def get(self, route, missing):
        """Answer one request."""
        if route == "GET /status":
            return self.status
        if route != "POST /run":
            return missing
        arguments = self.engine.calls("run")[-1]
        mounted = arguments[arguments.index("--mount") + 1]
        job = os.path.join(re.search("source=(.*),target=/data", mounted)[1], "1")
        for name in os.listdir(os.path.join(job, "input")):
            with open(os.path.join(job, "input", name)) as file:
                self.inputs[name] = file.read()
        for name, data in self.outputs.items():
            path = os.path.join(job, "output", name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(data)
        return self.answer


@contextlib.contextmanager
def serve_model(engine, **options):
    """Let every container have the server of a model."""
    options.setdefault("outputs", {"result.json": RESULT.encode()})
    model = Model(engine, **options)
    with answer_with(model) as (url, model.requests):
        model.url = url
        engine.say(int(url.rsplit(":", 1)[1]))
        yield model


def start_environment(engine, temporary):
    """Return the environment of the command."""
    return {
        "PATH": engine.folder,
        "TMPDIR": str(temporary),
        "PYTHONPATH": TEMPLATE,
    }


def try_container(project, engine, temporary, *args):
    """Run the command in a project, to its end."""
    environment = start_environment(engine, temporary)
    command = ("-m", "flask_psc_model.cli.try_container")
    return run_python(*command + args, folder=project, **environment)


def check_refused(ending, *texts):
    """Check that no job was run, and that one line says why."""
    assert ending.code == 2, ending
    line = ending.errors.splitlines()[-1]
    assert line.startswith("error: ")
    assert "Traceback" not in ending.errors
    for text in texts:
        assert text in line


# --- a run ------------------------------------------------------------------------


def test_it_builds_runs_shows_the_outputs_and_removes_the_container(
    project, engine, temporary
):
    outputs = {"result.json": RESULT.encode(), "mask.bin": b"\0\1", "a/b.txt": b"more"}
    with serve_model(engine, outputs=outputs) as model:
        ending = try_container(
            project, engine, temporary, "cat.png", "settings.json", "--gpus", "0"
        )
    assert ending.code == 0, ending
    assert model.inputs == {"photo.png": "a cat", "config.json": "{}"}
    [build], [run] = engine.calls("build"), engine.calls("run")
    assert build == ["build", "--tag", "my-model:latest", os.path.realpath(project)]
    assert run[-1] == "my-model:latest"
    assert "536870912b" in run
    assert "--gpus" not in run
    for pattern in (
        r"^Built it in \d+\.\d\d s\.$",
        r"^The model was ready after \d+\.\d\d s\.$",
        r"^The job took \d+\.\d\d s: 200$",
    ):
        assert re.search(pattern, ending.output, re.MULTILINE), ending
    # the declared ones first
    assert ending.output.endswith(
        'result.json (17B):\n  {"label": "cat"}\n'
        "mask.bin (2B), add --output FOLDER to get the whole file\n"
        "a/b.txt (4B):\n  more\n"
    )
    assert "step 1" in ending.errors
    assert engine.containers() == []
    assert os.listdir(str(temporary)) == []


def test_outputs_are_copied_to_a_folder(project, engine, temporary, tmp_path):
    outputs = {"result.json": b"x" * 5000, "mask.bin": b"\0", "deep/er.txt": b"a\tb"}
    target = str(tmp_path / "new" / "folder")
    with serve_model(engine, outputs=outputs):
        ending = try_container(
            project, engine, temporary, "cat.png", "settings.json", "-o", target
        )
    assert ending.code == 0, ending
    for name, data in outputs.items():
        with open(os.path.join(target, name), "rb") as file:
            assert file.read() == data
    shown = "result.json (5000B), written to {}/result.json:\n  {}\n"
    assert shown.format(target, "x" * 4000) in ending.output
    assert "--output" not in ending.output


def test_an_output_cannot_control_the_terminal(project, engine, temporary):
    with serve_model(engine, outputs={"result.json": b"\x1b[2J\tred\n"}):
        ending = try_container(project, engine, temporary, "cat.png", "settings.json")
    assert ending.output.endswith(":\n  \\x1b[2J    red\n"), ending


@pytest.mark.parametrize("keep", [True, False])
def test_a_container_can_be_kept(project, engine, temporary, keep):
    with serve_model(engine) as model:
        args = ["cat.png", "settings.json"] + ["--keep"] * keep
        ending = try_container(project, engine, temporary, *args)
        assert ending.code == 0, ending
        assert len(engine.containers()) == len(os.listdir(str(temporary))) == keep
        if not keep:
            return
        lines = ending.output.splitlines()
        assert "is running at {}, and sees".format(model.url) in lines[-4]
        again, remove = lines[-3].strip(), lines[-1].strip()
        assert again.startswith("python -m flask_psc_model.cli.run_job ")
        job = run_python(
            *again.split()[1:], folder=project, **start_environment(engine, temporary)
        )
        assert job.code == 0, job
        bodies = [json.loads(each.body) for each in model.requests if each.body]
        assert len(bodies) == 2
        assert bodies[0] == bodies[1]
    path = os.pathsep.join([engine.folder, os.environ["PATH"]])
    subprocess.check_call(["sh", "-c", remove], env=dict(os.environ, PATH=path))
    assert engine.containers() == os.listdir(str(temporary)) == []


def test_a_job_that_is_refused_shows_the_message_and_the_log(
    project, engine, temporary
):
    engine.write("log", "a line of the model\n")
    with serve_model(engine, answer=(422, "no cat")):
        ending = try_container(project, engine, temporary, "cat.png", "settings.json")
    assert ending.code == 1, ending
    assert re.search(r"^The job took .* s: 422: no cat$", ending.output, re.MULTILINE)
    assert engine.containers() == []


def test_a_model_that_does_not_load_shows_the_message_and_the_log(
    project, engine, temporary
):
    engine.write("log", "a line of the model\n")
    with serve_model(engine, status=(500, "no weights")):
        ending = try_container(project, engine, temporary, "cat.png", "settings.json")
    assert ending.code == 1, ending
    assert ending.output.endswith("GET /status: 500: no weights\n")
    assert "  a line of the model\n" in ending.errors
    assert engine.containers() == []


def test_a_container_that_exits_shows_its_log(project, engine, temporary):
    engine.write("log", "no module named model_lib\n")
    engine.say(None, 3)
    ending = try_container(project, engine, temporary, "cat.png", "settings.json")
    check_refused(ending, "the container exited with code 3")
    assert "  no module named model_lib\n" in ending.errors
    assert engine.containers() == []


def test_a_build_that_fails_ends_the_command(project, engine, temporary):
    engine.write("unbuildable", "")
    ending = try_container(project, engine, temporary, "cat.png", "settings.json")
    check_refused(ending, "docker build ended with exit status 1: see its output above")
    assert "no such package" in ending.errors
    assert engine.calls("run") == []


def test_the_build_can_be_told_more(project, engine, temporary):
    args = ["--tag", "mine:1", "--build-option=--network=host", "--build-option=--pull"]
    with serve_model(engine):
        try_container(project, engine, temporary, "cat.png", "settings.json", *args)
    [build] = engine.calls("build")
    assert build[1:-1] == ["--tag", "mine:1", "--network=host", "--pull"]


def test_gpus_are_those_of_the_model(project, engine, temporary):
    engine.write("unable", 'could not select device driver "" [[gpu]]')
    ending = try_container(project, engine, temporary, "cat.png", "settings.json")
    check_refused(ending, "could not select device driver", "--gpus 0")
    assert "--gpus" in engine.calls("run")[0]


@pytest.mark.parametrize(
    "when", ["while it builds", "while it starts", "while its status is awaited"]
)
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_an_interrupt_leaves_nothing(project, engine, temporary, name, when):
    number = getattr(signal, name)
    hold, held = {
        "while it builds": ("hold-build", "held-build"),
        "while it starts": ("hold", "held"),
    }.get(when, ("", ""))
    if hold:
        engine.write(hold, "")
    with socket.socket() as silent, contextlib.ExitStack() as stack:
        silent.bind(("127.0.0.1", 0))
        silent.listen(9)
        engine.say(silent.getsockname()[1])
        process = subprocess.Popen(
            [sys.executable, "-m", "flask_psc_model.cli.try_container", "--keep"]
            + ["cat.png", "settings.json"],
            cwd=project,
            env=dict(
                os.environ,
                PYTHONDONTWRITEBYTECODE="1",
                **start_environment(engine, temporary),
            ),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            # as in a terminal, where Ctrl-C reaches the whole group
            start_new_session=True,
        )
        if hold:
            wait_until(lambda: os.path.exists(engine.path(held)))
        else:
            stack.enter_context(silent.accept()[0])
        os.killpg(process.pid, number)
        if when == "while it starts":
            os.remove(engine.path(hold))
        errors = process.communicate(timeout=60)[1]
    assert process.returncode == 128 + number, errors
    assert "Traceback" not in errors
    if when == "while it builds":
        with open(engine.path(held)) as file:
            assert not is_alive(int(file.read()))
    assert engine.containers() == []
    assert os.listdir(str(temporary)) == []


# --- the files --------------------------------------------------------------------


def match(folder, *paths):
    """Match files of a folder, and return what is after it."""
    for path in paths:
        write(str(folder), path.rpartition("=")[2], "")
    prefix = str(folder) + os.sep
    given = []
    for path in paths:
        name, equals, rest = path.rpartition("=")
        given.append(name + equals + prefix + rest)
    return [path[len(prefix) :] for path in match_files(given, NAMES).values()]


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        # in order
        (["cat.png", "settings.json"], ["cat.png", "settings.json"]),
        (["x.json", "y.png"], ["x.json", "y.png"]),
        # by their own names
        (["config.json", "photo.png"], ["photo.png", "config.json"]),
        (["config.yaml", "photo.jpg"], ["photo.jpg", "config.yaml"]),
        (["config.json", "cat.png"], ["cat.png", "config.json"]),
        # by a name that is given
        (["config.json=a", "b"], ["b", "a"]),
        (["photo.png=config.json", "x"], ["config.json", "x"]),
        # a name that the model does not have is a part of the path
        (["a=b.png", "c"], ["a=b.png", "c"]),
    ],
)
def test_files_are_matched_by_name_or_in_order(tmp_path, paths, expected):
    if "a=b.png" in paths:
        for name in paths:
            write(str(tmp_path), name, "")
        given = [os.path.join(str(tmp_path), name) for name in paths]
        assert list(match_files(given, NAMES).values()) == given
    else:
        assert match(tmp_path, *paths) == expected


def test_the_exact_name_comes_before_the_extension(tmp_path):
    assert match(tmp_path, "photo.jpg", "photo.png") == ["photo.png", "photo.jpg"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "expected 2 files, got 0"),
        (["cat.png"], "expected 2 files, got 1"),
        (["cat.png", "settings.json", "more"], "expected 2 files, got 3"),
        (["config.json=x", "config.json=x"], "there is no file x for config.json"),
        (["cat.png", "nothing.json"], "there is no file nothing.json for config.json"),
        (["photo.png=", "settings.json"], "there is no file  for photo.png"),
    ],
)
def test_a_wrong_number_and_a_missing_file_name_the_inputs(
    project, engine, temporary, args, message
):
    ending = try_container(project, engine, temporary, *args)
    expected = " ".join(message.split())
    check_refused(ending, expected, "the model's inputs are photo.png, config.json")
    assert engine.calls("build") == []


def test_one_input_is_one_file(tmp_path):
    with pytest.raises(ValueError) as caught:
        match_files([], ["input.txt"])
    assert str(caught.value) == (
        "expected 1 file, got 0: the model's input is input.txt"
    )


def test_a_model_without_inputs_is_one_line(project, engine, temporary):
    write(project, "model.yaml", "outputs: {a: {}}\n")
    ending = try_container(project, engine, temporary, "cat.png")
    check_refused(ending, "model.yaml: inputs should name the model's files")


@pytest.mark.parametrize(
    ("folder", "tag"),
    [
        ("leaf-finder", "leaf-finder:latest"),
        ("leaf_finder.v2", "leaf_finder.v2:latest"),
        ("My Model (2)", "my-model-2:latest"),
        ("..a__b--", "a-b:latest"),
        ("模型", "model:latest"),
    ],
)
def test_an_image_is_named_after_the_folder(folder, tag):
    assert make_tag("/home/me/" + folder) == tag
