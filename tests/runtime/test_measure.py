"""The command `python -m flask_psc_model.cli.measure`, without containers."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest
import yaml
from click.testing import CliRunner
from flask_psc_model.cli import measure
from flask_psc_model.model.metadata import Metadata
from flask_psc_model.model.spec import ModelSpec
from flask_psc_model.model.units import parse_duration
from flask_psc_model.tools.containers.engine import EngineError
from flask_psc_model.tools.measurement import memory, session, subject
from flask_psc_model.tools.measurement.measurement import Measurement, Times
from flask_psc_model.tools.measurement.proposal import EXAMPLE, propose
from flask_psc_model.tools.measurement.record import Record
from flask_psc_model.tools.metadata_file import MetadataFile

from . import models
from .commands import run_python
from .processes import is_alive, list_tree, wait_until
from .project import make_project, write

METADATA = """\
# kept
version: 1.2.3
inputs: {input.txt: {maxSize: 1K}}
outputs: {results.json: {}}
resources:
  memory:
    size: 3G  # a guess
timeout:
  status: 55s
  run: 44s
"""

EDITED = re.compile(
    re.escape(METADATA)
    .replace("3G", r"(\d+[MG])")
    .replace("55s", r"(\d+s)")
    .replace("44s", r"(\d+s)")
)


def make(folder, cases, metadata=METADATA):
    """Make a project with example cases, given as their input by their name."""
    project = make_project(folder / "project", models.ACTOR)
    write(project, "model.yaml", metadata)
    for name, text in cases.items():
        case = os.path.join("tests", "data", "examples", name)
        os.makedirs(os.path.join(project, case))
        write(project, os.path.join(case, "input.txt"), text)
    return project


def run_measure(project, *args, **environment):
    """Run the command in the folder of a project."""
    return run_python(
        "-m", "flask_psc_model.cli.measure", *args, folder=project, **environment
    )


def check_refused(project, *args, **environment):
    """Check that the command fails with one line and changes nothing; return it."""
    before = read_metadata(project)
    ending = run_measure(project, "--starts", "1", "--runs", "1", *args, **environment)
    assert ending.code == 1, ending
    assert "Traceback" not in ending.errors
    [line] = [each for each in ending.errors.splitlines() if each.startswith("error: ")]
    assert ending.errors.endswith(line + "\n")
    assert read_metadata(project) == before
    assert not os.path.exists(os.path.join(project, "measurement.json"))
    return line


def read_metadata(project):
    """Return the text of a project's `model.yaml`."""
    with open(
        os.path.join(project, "model.yaml"), encoding="utf-8", newline=""
    ) as file:
        return file.read()


@pytest.mark.server
def test_the_local_server_is_measured_and_the_values_are_written(tmp_path):
    project = make(tmp_path, {"one": "a", "two": "sleep 0"})
    write(project, "Dockerfile", "HEALTHCHECK --timeout=3s CMD check_status\n")
    ending = run_measure(project, "--write", "--starts", "2", "--runs", "2")
    assert ending.code == 0, ending
    for title in ("loading the model", "case one", "case two", "peak memory"):
        assert re.search("^{} +[0-9]".format(title), ending.output, re.MULTILINE)
    assert "start 2 of 2: running 2 cases" in ending.errors
    edited = EDITED.fullmatch(read_metadata(project))
    assert edited, read_metadata(project)
    seconds = parse_duration(edited.group(2))
    with open(os.path.join(project, "Dockerfile"), encoding="utf-8") as file:
        assert "--timeout={:g}s ".format(seconds + 10) in file.read()
    assert "HEALTHCHECK in {}".format(project) in ending.output
    assert re.search("^jobs per second, .* with 64$", ending.output, re.MULTILINE)
    for value, old in zip(edited.groups(), ("3G", "55s", "44s")):
        assert ": {}  (now {})".format(value, old) in ending.output
    with open(os.path.join(project, "measurement.json"), encoding="utf-8") as file:
        content = json.load(file)
    assert list(content["runs"]) == ["one", "two"]
    assert content["version"] == "1.2.3"
    record = Record.load(project)
    assert record.load_seconds >= content["load"]["median"] > 0
    assert record.run_seconds > 0
    assert "The memory is lower here than in a container" in ending.output
    # a Python with Flask in it, and no more than this machine has
    assert 10 * 1024**2 < record.peak_memory < 1024**4


def test_nothing_is_written_without_the_option(tmp_path, monkeypatch):
    project = make(tmp_path, {"one": "a"})
    ending = measure_quickly(project, monkeypatch)
    assert ending.exit_code == 0, ending.output
    for line in (
        "loading the model    675 ms     1.2 s",
        "case one               6 ms     11 ms",
        "  resources.memory.size: 128M  (now 3G)",
        "Add --write to put these values into {}.".format(
            os.path.join(os.path.realpath(project), "model.yaml")
        ),
    ):
        assert line in ending.output.splitlines()
    assert read_metadata(project) == METADATA
    assert not os.path.exists(os.path.join(project, "measurement.json"))


SIZES = """
import os


class Model(ModelBase):
    input_filenames = "input.txt"
    output_filenames = "results.json"

    def run(self, source, target):
        folder = os.path.dirname(os.path.dirname(os.path.dirname(source)))
        with open(os.environ["SIZES"], "a") as file:
            print(len(os.listdir(folder)), file=file)
        with open(target, "w") as file:
            file.write("done")
"""


@pytest.mark.server
def test_the_files_of_a_run_are_removed_before_the_next(tmp_path):
    project = make(tmp_path, {"one": "a", "two": "b"})
    source = "from flask_psc_model import ModelBase\n" + SIZES
    write(project, "model_lib/model.py", source)
    sizes = tmp_path / "sizes"
    ending = run_measure(project, "--starts", "1", "--runs", "3", SIZES=str(sizes))
    assert ending.code == 0, ending
    # then come the jobs of many clients, at the same time
    assert sizes.read_text().split()[:6] == ["1"] * 6


def measure_quickly(project, monkeypatch, *args):
    """Run the command with made-up figures, and return how it ended."""
    # the handlers of signals would outlive the test
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.chdir(project)
    monkeypatch.setattr(
        session, "measure", lambda *_: make_measurement(10**8, 1.25, 0.011)
    )
    return CliRunner().invoke(measure.main, args)


def test_the_values_are_written_before_they_are_shown(tmp_path, monkeypatch):
    project = make(tmp_path, {"one": "a"})

    def show(*_):
        raise BrokenPipeError

    monkeypatch.setattr(session, "_show", show)
    measure_quickly(project, monkeypatch, "--write")
    assert EDITED.fullmatch(read_metadata(project)).groups() == ("128M", "10s", "10s")
    assert Record.load(project).peak_memory == 10**8


def test_figures_that_cannot_be_written_are_shown_all_the_same(tmp_path, monkeypatch):
    project = make(tmp_path, {"one": "a"})
    os.mkdir(os.path.join(project, "measurement.json"))
    ending = measure_quickly(project, monkeypatch, "--write")
    assert ending.exit_code == 1
    assert "case one               6 ms     11 ms" in ending.output
    # no value without its record
    assert read_metadata(project) == METADATA


@pytest.mark.server
def test_a_reader_that_leaves_does_not_end_a_measurement(tmp_path):
    project = make(tmp_path, {"one": "a", "cut \udce9\n": "b"})
    process = subprocess.Popen(
        [sys.executable, "-m", "flask_psc_model.cli.measure", "--write"]
        + ["--starts", "1", "--runs", "1"],
        cwd=project,
        env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1", PYTHONIOENCODING="ascii"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    with process.stderr:
        errors = process.stderr.read().decode()
    assert process.wait(60) == 0, errors
    assert EDITED.fullmatch(read_metadata(project))
    with open(os.path.join(project, "measurement.json"), encoding="utf-8") as file:
        assert sorted(json.load(file)["runs"]) == ["cut \udce9\n", "one"]


@pytest.mark.server
def test_a_name_that_cannot_be_shown_is_escaped(tmp_path):
    project = make(tmp_path, {"cut \udce9\n": "refuse a cat"})
    line = check_refused(project)
    assert r"the case cut \udce9\n was answered 422" in line


@pytest.mark.server
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_leaves_no_server_and_no_folder(tmp_path, name):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    project = make(tmp_path, {"one": "a"})
    process = subprocess.Popen(
        [sys.executable, "-m", "flask_psc_model.cli.measure", "--runs", "100000"],
        cwd=project,
        env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1", TMPDIR=str(temporary)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        start_new_session=True,
    )
    with process:
        tree = wait_until(
            lambda: (
                len(list_tree(process.pid)) > 3
                and os.listdir(str(temporary))
                and list_tree(process.pid)
            )
        )
        number = getattr(signal, name)
        # a shell sends it again, and so does an impatient user
        for _ in range(3):
            os.killpg(process.pid, number)
            time.sleep(0.05)
        errors = process.communicate(timeout=60)[1]
    assert process.returncode == 128 + number, errors
    assert "Traceback" not in errors
    wait_until(lambda: not any(map(is_alive, tree)))
    assert os.listdir(str(temporary)) == []


@pytest.mark.server
def test_a_case_that_does_not_run_is_one_line(tmp_path):
    project = make(tmp_path, {"one": "a", "two": "refuse a cat, please"})
    line = check_refused(project, "--write")
    assert "the case two was answered 422: a cat, please" in line


@pytest.mark.server
def test_a_model_that_does_not_load_is_one_line(tmp_path):
    project = make(tmp_path, {"one": "a"})
    write(project, "model_lib/model.py", "raise RuntimeError('no weights')")
    line = check_refused(project)
    assert "GET /status was answered 500" in line
    assert "no weights" in line


@pytest.mark.server
def test_a_server_that_does_not_start_is_one_line_with_the_end_of_its_log(tmp_path):
    project = make(tmp_path, {"one": "a"})
    write(project, "gunicorn.conf.py", "import sys; sys.exit('error: no settings')")
    line = check_refused(project)
    assert "./entrypoint.sh exited with code" in line
    assert "the last line of its log: error: no settings" in line


@pytest.mark.server
def test_an_app_that_does_not_import_is_one_line_with_its_error(tmp_path):
    project = make(tmp_path, {"one": "a"})
    with open(os.path.join(project, "app.py"), "a") as file:
        file.write("import nonexistent_pkg\n")
    line = check_refused(project)
    assert line == (
        "error: the server ./entrypoint.sh exited with code 3; the last error in its"
        " log: ModuleNotFoundError: No module named 'nonexistent_pkg'"
    )


TRACEBACK = """\
ready
[7] [ERROR] Exception in worker process
Traceback (most recent call last):
  File "a.py", line 1, in <module>
    import a
KeyError: 'first'

During handling of the above exception, another exception occurred:

{0}Traceback (most recent call last):
{0}  File "b.py", line 1, in <module>
{0}    import b
{0}ValueError: two lines:

{0}the second
{0}Worker failed to boot.
"""


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("", "the last line of its log: (nothing)"),
        ("ready\nNo space. \n\n", "the last line of its log: No space."),
        (TRACEBACK.format(""), "the last error in its log: ValueError: two lines:"),
        (TRACEBACK.format("    "), "the last error in its log: ValueError: two lines:"),
        (
            "Traceback (most recent call last):\n  File",
            "the last line of its log: File",
        ),
    ],
)
def test_what_ends_a_log_is_found(log, expected):
    assert subject.describe_log(log) == expected


def test_a_missing_key_is_reported_before_anything_is_measured(tmp_path):
    metadata = METADATA.replace("  run: 44s\n", "")
    project = make(tmp_path, {"one": "fail badly"}, metadata)
    line = check_refused(project, "--write")
    assert 'has no key timeout.run: add the line "run: 20s" below "timeout:"' in line


def test_missing_cases_are_one_line(tmp_path):
    project = make(tmp_path, {})
    line = check_refused(project)
    folder = os.path.join(project, "tests", "data", "examples")
    assert "there are no cases in {}: add".format(os.path.realpath(folder)) in line


def test_a_folder_without_metadata_is_one_line(tmp_path):
    ending = run_measure(tmp_path, PYTHONPATH=make(tmp_path, {}))
    assert ending.code == 1, ending
    assert "there is no model.yaml" in ending.errors
    assert "Traceback" not in ending.errors


def test_an_image_without_an_engine_is_one_line(tmp_path):
    project = make(tmp_path, {"one": "a"})
    line = check_refused(project, "some-image", PATH=str(tmp_path))
    assert "there is no container engine that answers: docker cannot be run" in line


def make_measurement(peak, load, run):
    """Return a measurement with one case."""
    measurement = Measurement()
    measurement.peak_memory = peak
    measurement.load.seconds = [0.1, load]
    measurement.runs["one"] = Times()
    measurement.runs["one"].seconds = [run, 0.001]
    return measurement


@pytest.mark.parametrize(
    ("measured", "proposed"),
    [
        ((30 * 1024**2, 0.5, 0.01), ("64M", "10s", "10s")),
        ((52 * 1024**2, 3.4, 5), ("128M", "15s", "15s")),
        ((900 * 1024**2, 41, 30.1), ("1152M", "125s", "95s")),
        ((1600 * 1024**2, 20, 1000), ("2G", "60s", "3000s")),
    ],
)
def test_a_margin_is_added_and_rounded_up(measured, proposed):
    values = propose(make_measurement(*measured))
    assert tuple(values.values()) == proposed
    assert list(values) == list(EXAMPLE)


def test_the_processes_of_a_process_count():
    code = "import subprocess, sys; subprocess.call([sys.executable, '-c', {!r}])"
    child = "data = bytearray(50 * 1024**2); print(len(data), flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", code.format(child)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        process.stdout.readline()
        total = memory.measure_tree(process.pid)
        own = memory.measure_process(process.pid)
        process.stdin.close()
    assert total > own + 50 * 1024**2
    assert memory.measure_process(process.pid) == 0


def test_samples_keep_the_peak():
    figures = iter([1, 7, 2])
    seen = threading.Event()

    def read():
        figure = next(figures, None)
        if figure is None:
            seen.set()
        return figure or 3

    with memory.Memory(read, "figures") as sampled:
        assert seen.wait(20)
        assert sampled.read_peak() == 7


class FakeContainer:
    """A container that runs, and an engine that answers what a test gives."""

    name = "psc-fake"

    def __init__(self, answers, inspected=None):
        self.answers = answers
        self.inspected = inspected or {"State": {"Pid": 0}, "Id": "abc"}
        self.engine = self
        self.command = "docker"

    def call(self, *args):
        """Answer a command by its last argument, as an engine does."""
        assert args[0] in ("exec", "stats")
        if args[-1] not in self.answers:
            raise EngineError("no such file")
        return self.answers[args[-1]]

    def inspect(self):
        """Return what is known about the container."""
        return self.inspected


#: A file of 200 MB is cached, another of 10 MB is mapped, and 50 MB are in use.
VERSION_2 = """\
274726912
anon 52428800
file 220200960
file_mapped 10485760
inactive_file 209715200
active_file 10485760
slab_reclaimable 2097152
"""
VERSION_1 = """\
272629760
mapped_file 1
inactive_file 2
active_file 3
total_mapped_file 10485760
total_inactive_file 209715200
total_active_file 10485760
"""


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/sys/fs/cgroup/memory.stat", VERSION_2),
        ("/sys/fs/cgroup/memory/memory.stat", VERSION_1),
    ],
)
def test_files_that_the_kernel_can_drop_do_not_count(path, text):
    with memory.watch_container(FakeContainer({path: text})) as watched:
        assert watched.read_peak() == 60 * 1024**2
        assert watched.source == "sampled from its cgroup"


@pytest.mark.parametrize("text", ["", "a", "1\nx", "1\nx y"])
def test_what_is_no_usage_of_a_cgroup_is_an_error(text):
    with pytest.raises(ValueError):
        memory.count_used(text)


TABLE = """\
CONTAINER ID   NAME       CPU %     MEM USAGE / LIMIT   MEM %     NET I/O      BLOCK I/O
0123456789ab   psc-fake   0.02%     {} / 23.54GiB       0.21%     876B / 0B    0B / 0B
"""


@pytest.mark.parametrize(
    ("shown", "size"),
    [("50.5MiB", int(50.5 * 1024**2)), ("876B", 876), ("1.2kB", int(1.2 * 1024))],
)
def test_without_a_record_of_the_kernel_the_engine_is_polled(shown, size):
    container = FakeContainer({"psc-fake": TABLE.format(shown)})
    with memory.watch_container(container) as watched:
        assert watched.read_peak() == size
        assert watched.source == "samples of docker stats"


@pytest.mark.parametrize(
    "table", ["", "no table", TABLE.format("0B"), "psc-fake   --   -- / --   --   --"]
)
def test_a_container_without_figures_has_no_memory(table):
    with memory.watch_container(FakeContainer({"psc-fake": table})) as watched:
        assert watched.read_peak() == 0


def test_the_record_of_a_container_is_found_on_this_machine(monkeypatch):
    lines = (
        "5:cpu,memory:/docker/abc\n4:freezer:/docker/abc\n0::/system.slice/abc.scope\n"
    )
    monkeypatch.setattr(memory, "_read_text", {"/proc/7/cgroup": lines}.__getitem__)
    state = {"State": {"Pid": 7}, "Id": "abc"}
    first, second = "memory/docker/abc", "system.slice/abc.scope"
    assert memory.find_cgroup_files(state) == [
        [
            "/sys/fs/cgroup/{}/memory.usage_in_bytes".format(first),
            "/sys/fs/cgroup/{}/memory.stat".format(first),
        ],
        [
            "/sys/fs/cgroup/{}/memory.current".format(second),
            "/sys/fs/cgroup/{}/memory.stat".format(second),
        ],
    ]
    # the process of another container, under the same id in a virtual machine
    assert memory.find_cgroup_files(dict(state, Id="def")) == []


@pytest.mark.parametrize("content", [[], {}, {"version": "1", "load": 1}, None])
def test_a_record_of_something_else_is_refused(content):
    with pytest.raises(ValueError, match="not what"):
        Record.parse(json.dumps(content))


def test_what_is_written_is_yaml_that_the_server_reads(tmp_path):
    project = make(tmp_path, {})
    file = MetadataFile(os.path.join(project, "model.yaml"))
    file.change(propose(make_measurement(10**9, 1, 2)))
    limits = ModelSpec.decode(Metadata(yaml.safe_load(file.text))).limits
    assert (limits.memory, limits.status_timeout, limits.run_timeout) == (
        1216 * 1024**2,
        10,
        10,
    )
