"""The command `python -m flask_psc_model.cli.run_many`, on one machine."""

import json
import os
import pty
import signal
import subprocess
import sys

import pytest
from flask_psc_model.procfs import find_host

from . import models
from .commands import run_python
from .processes import is_alive, list_children, wait_until
from .project import make_project
from .template import TEMPLATE

#: Both are written by a model that does what its input says.
OUTPUTS = ["results.json", "second.json"]


class Bulk:
    """The folders of a bulk run.

    Attributes:
        inputs, outputs: their paths.
        log: names the input folder of every job that the model began, where a job's
            input says so.
    """

    def __init__(self, project, folder):
        self.project = project
        self.folder = folder
        self.inputs = folder / "in"
        self.outputs = folder / "out"
        self.log = folder / "log"

    def give(self, *lines, count=0, **jobs):
        """Write the inputs of jobs: the same lines for each of a number, or their own.

        Args:
            lines: of each of `count` jobs.
            count: of jobs called 0000 and so on.
            jobs: the lines of other jobs by their names.
        """
        jobs.update(("{:04}".format(number), lines) for number in range(count))
        for name, text in jobs.items():
            (self.inputs / name).mkdir(parents=True)
            text = text if isinstance(text, str) else "\n".join(text)
            (self.inputs / name / "input.txt").write_text(text)
        return self

    def leave(self, job, *names):
        """Write outputs of a job, as an earlier run would have."""
        (self.outputs / job).mkdir(parents=True, exist_ok=True)
        for name in names:
            (self.outputs / job / name).write_text("old")

    def arguments(self, *args):
        """Return the arguments of the command."""
        module = "flask_psc_model.cli.run_many"
        return ("-m", module, str(self.inputs), str(self.outputs)) + args

    def run(self, *args, **environment):
        """Run the command to its end."""
        return run_python(*self.arguments(*args), folder=self.project, **environment)

    def start(self, *args, no_color="1", **streams):
        """Start the command; its colours can be turned off or on."""
        return subprocess.Popen(
            (sys.executable,) + self.arguments(*args),
            cwd=self.project,
            env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1", NO_COLOR=no_color),
            universal_newlines=True,
            **streams,
        )

    def results(self):
        """Return the names of the jobs that have a result, after checking it."""
        names = [each.name for each in self.outputs.iterdir() if each.is_dir()]
        for name in names:
            wanted = (self.inputs / name / "input.txt").read_text()
            found = {each.name: each for each in (self.outputs / name).iterdir()}
            assert sorted(found) == OUTPUTS
            assert {each.read_text() for each in found.values()} == {wanted}
        return sorted(names)

    def errors(self, name="errors.jsonl"):
        """Return the messages of the jobs that failed."""
        path = self.outputs / name
        if not path.exists():
            return {}
        entries = [json.loads(line) for line in path.read_text().splitlines()]
        assert len({entry["job"] for entry in entries}) == len(entries)
        return {entry["job"]: entry["message"] for entry in entries}

    def begun(self):
        """Return the names of the jobs that the model began."""
        if not self.log.exists():
            return []
        return sorted(map(os.path.basename, self.log.read_text().splitlines()))


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Return a repository whose model does what its input says, for at most 1 s."""
    folder = tmp_path_factory.mktemp("run_many") / "project"
    return make_project(folder, models.ACTOR, {"run": "1s"}, outputs=OUTPUTS)


@pytest.fixture
def bulk(project, tmp_path):
    """Return the folders of a bulk run without jobs."""
    return Bulk(project, tmp_path)


def check_refused(ending, *texts):
    """Check that the command ended at its usage, with a clear message."""
    assert ending.code == 2, ending
    assert "Traceback" not in ending.errors
    for text in texts:
        assert text in ending.errors


# --- results ---------------------------------------------------------------------


def test_every_folder_is_a_job_that_runs_once(bulk):
    bulk.give("append {}".format(bulk.log), count=60)
    bulk.give(**{"name with spaces": "hello"})
    (bulk.inputs / "a file").write_text("no job")
    (bulk.inputs / ".hidden").mkdir()
    ending = bulk.run("--processes", "2")
    assert ending.code == 0, ending
    assert "61 of 61 jobs" in ending.output
    assert "61 done, 0 failed" in ending.output
    assert bulk.begun() == ["{:04}".format(number) for number in range(60)]
    assert len(bulk.results()) == 61
    assert bulk.errors() == {}


def test_a_job_that_fails_is_recorded_and_the_others_go_on(bulk):
    bulk.give("fine", count=3)
    bulk.give(
        refused="refuse a cat, please",
        failed="fail badly",
        crashed=["write results.json half", "exit 3"],
        hanging=["write extra.txt half", "sleep 60"],
    )
    (bulk.inputs / "without-input").mkdir()
    ending = bulk.run("--processes", "1")
    assert ending.code == 1, ending
    assert "8 of 8 jobs" in ending.output
    assert "3 done, 5 failed" in ending.output
    assert str(bulk.outputs / "errors.jsonl") in ending.output
    assert bulk.results() == ["0000", "0001", "0002"]
    errors = bulk.errors()
    assert errors.pop("refused") == "a cat, please"
    assert "RuntimeError: badly" in errors.pop("failed")
    assert "exited with code 3" in errors.pop("crashed")
    assert "time limit of 1 s" in errors.pop("hanging")
    assert "input.txt does not exist" in errors.pop("without-input")
    assert errors == {}


def test_the_jobs_of_a_batch_model_run_in_batches(tmp_path):
    project = make_project(tmp_path / "project", models.BATCH, {"run": "5s"})
    bulk = Bulk(project, tmp_path).give("predict: time.sleep(0.01)", count=40)
    bulk.give(bad="predict: os.abort()", refused="preprocess: raise ValueError('no')")
    ending = bulk.run("--processes", "1")
    assert ending.code == 1, ending
    errors = bulk.errors()
    assert set(errors) == {"bad", "refused"}
    assert "SIGABRT" in errors["bad"]
    for number in range(40):
        output = bulk.outputs / "{:04}".format(number) / "results.json"
        assert output.read_text() == "result of\npredict: time.sleep(0.01)"
    with open(os.path.join(project, "trace")) as file:
        sizes = [len(json.loads(line)) for line in file]
    # the model's process has two batches in hand
    assert max(sizes) == 8


def test_resume_runs_what_has_failed_or_has_no_whole_result(bulk):
    bulk.give("append {}".format(bulk.log), count=6)
    bulk.leave("0000", *OUTPUTS)
    bulk.leave("0001", "results.json")
    bulk.leave("0002", *OUTPUTS)
    # the process id is larger than any that a system gives
    half = ".psc-{}-{}-1-1".format(find_host(), 2**22 + 1)
    (bulk.outputs / "0002" / half).mkdir(0o700)
    bulk.leave("0003", *OUTPUTS)
    lines = [json.dumps({"job": "0003", "message": "bad"}), '{"job": "00']
    (bulk.outputs / "errors.jsonl").write_text("\n".join(lines))
    bulk.leave("0004", ".something")
    ending = bulk.run("--resume")
    assert ending.code == 0, ending
    assert "1 of 6 jobs are done already" in ending.output
    assert "5 of 5 jobs" in ending.output
    assert bulk.begun() == ["0001", "0002", "0003", "0004", "0005"]
    assert (bulk.outputs / "0000" / "results.json").read_text() == "old"
    assert not (bulk.outputs / "0002" / half).exists()
    assert not (bulk.outputs / "errors.jsonl").exists()
    ending = bulk.run("--resume")
    assert (ending.code, len(bulk.begun())) == (0, 5)
    assert "no job is left" in ending.output


def test_without_resume_every_job_runs_again(bulk):
    bulk.give("append {}".format(bulk.log), count=2)
    bulk.leave("0000", *OUTPUTS)
    (bulk.outputs / "errors.jsonl").write_text('{"job": "0001", "message": "bad"}\n')
    assert bulk.run().code == 0
    assert bulk.begun() == bulk.results() == ["0000", "0001"]
    assert bulk.errors() == {}


def test_shards_share_the_jobs(bulk):
    bulk.give("append {}".format(bulk.log), count=5)
    bulk.give(zzz="fail badly")
    endings = [
        bulk.run("--shard", "0/2"),
        bulk.run(JOB_COMPLETION_INDEX="1", PSC_SHARD_COUNT="2"),
    ]
    for index, ending in enumerate(endings):
        assert ending.code == index, ending
        assert "3 of 3 jobs" in ending.output
    assert bulk.begun() == bulk.results()
    assert len(bulk.begun()) == 5
    assert list(bulk.errors("errors-1-of-2.jsonl")) == ["zzz"]
    assert bulk.errors("errors-0-of-2.jsonl") == bulk.errors() == {}


# --- what is refused -------------------------------------------------------------


def test_a_pod_without_the_number_of_pods_is_refused(bulk):
    ending = bulk.give("", count=1).run(JOB_COMPLETION_INDEX="3")
    check_refused(ending, "PSC_SHARD_COUNT")
    assert not bulk.outputs.exists()


def test_inputs_without_a_folder_are_refused(bulk):
    check_refused(bulk.run(), "does not exist")
    bulk.inputs.mkdir()
    check_refused(bulk.run(), "there is no folder in INPUTS")


def test_outputs_in_the_inputs_are_refused(bulk):
    bulk.give("", count=1).outputs = bulk.inputs / "out"
    check_refused(bulk.run(), "outside it")


def test_another_folder_than_the_repository_is_refused(bulk, tmp_path, project):
    bulk.give("", count=1).project = tmp_path
    check_refused(bulk.run(PYTHONPATH=project), "there is no app.py")


def test_a_broken_setting_is_one_message(bulk, tmp_path):
    bulk.give("", count=1).project = make_project(
        tmp_path / "project", models.ECHO, resources={"cpu": {"count": "many"}}
    )
    check_refused(bulk.run(), "model.yaml: resources.cpu.count is 'many'")


def test_resume_needs_declared_outputs(bulk, tmp_path):
    bulk.give("", count=1).project = make_project(
        tmp_path / "project", models.ACTOR, outputs={}
    )
    with open(os.path.join(bulk.project, "model.yaml"), "w") as file:
        file.write("inputs: {input.txt: {}}\n")
    check_refused(bulk.run("--resume"), "--resume", "model.yaml has none: add them")


def test_ray_that_is_not_installed_is_one_message(bulk):
    code = "import sys; sys.modules['ray'] = None; import runpy; {}".format(
        "runpy.run_module('flask_psc_model.cli.run_many', run_name='__main__')"
    )
    args = [str(bulk.give("", count=1).inputs), str(bulk.outputs), "--ray", "auto"]
    ending = run_python("-c", code, *args, folder=bulk.project)
    assert ending.code == 1, ending
    assert "Traceback" not in ending.errors
    assert "requirements-ray.txt" in ending.errors


def test_a_model_that_cannot_be_loaded_stops_the_run(bulk, tmp_path):
    bulk.give("", count=3).project = make_project(tmp_path / "p", "import nothing_such")
    ending = bulk.run()
    assert ending.code == 1, ending
    assert "0 of 3 jobs" in ending.output
    assert "3 have not run" in ending.output
    assert ending.errors.splitlines()[-1].startswith("error: the model could not be")
    assert "No module named 'nothing_such'" in ending.errors
    assert bulk.results() == []
    assert bulk.errors() == {}


# --- interruptions ---------------------------------------------------------------


def test_an_interrupted_run_ends_its_running_job_and_can_go_on(bulk):
    here, go = bulk.folder / "here", bulk.folder / "go"
    wait = ["append {}".format(bulk.log), "touch {}".format(here)]
    bulk.give(*wait + ["wait-for {}".format(go)], count=3)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = bulk.start("--processes", "1", **streams)
    wait_until(here.exists)
    process.send_signal(signal.SIGINT)
    for line in process.stderr:
        if line.startswith("stopping:"):
            break
    go.write_text("")
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "1 of 3 jobs" in output
    assert "--resume" in output
    assert bulk.results() == ["0000"]
    assert bulk.run("--resume").code == 0
    assert bulk.begun() == bulk.results() == ["0000", "0001", "0002"]


def test_a_second_signal_drops_the_running_job(bulk, tmp_path):
    here = bulk.folder / "here"
    bulk.project = make_project(tmp_path / "p", models.ACTOR, {"run": "1h"})
    half = ["write results.json half", "write extra.txt half"]
    bulk.give(*half + ["touch {}".format(here), "sleep 60"], count=3)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = bulk.start("--processes", "1", **streams)
    wait_until(here.exists)
    process.send_signal(signal.SIGINT)
    for line in process.stderr:
        if line.startswith("stopping:"):
            break
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 143
    assert "0 of 3 jobs" in output
    assert os.listdir(str(bulk.outputs)) == []


def test_a_killed_run_leaves_no_process_and_can_go_on(bulk):
    here, go = bulk.folder / "here", bulk.folder / "go"
    bulk.give("touch {}".format(here), "wait-for {}".format(go), count=1)
    process = bulk.start(stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    wait_until(here.exists)
    [model] = list_children(process.pid)
    process.kill()
    process.wait()
    wait_until(lambda: not is_alive(model))
    go.write_text("")
    assert bulk.run("--resume").code == 0
    assert bulk.results() == ["0000"]


# --- what is shown ---------------------------------------------------------------


@pytest.mark.parametrize("no_color", ["", "1"])
def test_a_terminal_shows_a_bar(bulk, no_color):
    bulk.give("fine", count=1).give(broken="fail badly")
    reader, writer = pty.openpty()
    process = bulk.start(stdout=subprocess.DEVNULL, stderr=writer, no_color=no_color)
    os.close(writer)
    shown = read_all(reader)
    assert process.wait() == 1
    assert "[####################] 100% 2/2 jobs" in shown
    assert "1 error" in shown
    assert ("\x1b[31m1 error\x1b[0m" in shown) == (not no_color)


def read_all(reader):
    """Return all that is written into a terminal."""
    data = b""
    while True:
        try:
            part = os.read(reader, 65536)
        except OSError:
            part = b""
        if not part:
            os.close(reader)
            return data.decode()
        data += part


def test_help_says_how_it_goes():
    ending = run_python("-m", "flask_psc_model.cli.run_many", "--help", folder=TEMPLATE)
    assert ending.code == 0
    for text in ("--processes", "--resume", "--shard", "--ray", "errors.jsonl"):
        assert text in ending.output
