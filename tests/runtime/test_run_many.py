"""The command `python -m flask_psc_model.cli.run_many`, on one machine."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from random import Random

import pytest
from flask_psc_model.bulk.shard import Shard
from flask_psc_model.procfs import find_host

from . import models
from .commands import run_python
from .processes import is_alive, list_children, wait_until
from .project import make_project
from .template import TEMPLATE

#: Both are written by a model that does what its input says.
OUTPUTS = ["results.json", "second.json"]


#: Writes a folder with an empty file, whose name is the input.
FOLDERS = """
import os

from flask_psc_model import ModelBase


class Model(ModelBase):
    input_filenames = "input.txt"
    output_filenames = "pages"

    def run(self, input_path, output_path):
        os.mkdir(output_path)
        with open(input_path) as file:
            open(os.path.join(output_path, file.read()), "w").close()
"""


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


def test_resume_runs_what_has_no_whole_result(bulk):
    bulk.give("append {}".format(bulk.log), count=6)
    assert bulk.run().code == 0
    bulk.log.unlink()
    (bulk.outputs / "0001" / "second.json").unlink()
    # the process id is larger than any that a system gives
    half = ".psc-{}-{}-1-1".format(find_host(), 2**22 + 1)
    (bulk.outputs / "0002" / half).mkdir(0o700)
    (bulk.outputs / "0003" / "results.json").write_text("")
    (bulk.inputs / "0004" / "input.txt").write_text("append {}\n".format(bulk.log))
    bulk.give(new="append {}".format(bulk.log))
    ending = bulk.run("--resume")
    assert ending.code == 0, ending
    assert "2 of 7 jobs are done already" in ending.output
    assert "5 of 5 jobs" in ending.output
    assert bulk.begun() == ["0001", "0002", "0003", "0004", "new"]
    assert not (bulk.outputs / "0002" / half).exists()
    ending = bulk.run("--resume")
    assert (ending.code, len(bulk.begun())) == (0, 5)
    assert "no job is left" in ending.output


def test_results_without_a_record_are_not_believed(bulk):
    bulk.give("append {}".format(bulk.log), count=2)
    bulk.leave("0000", *OUTPUTS)
    bulk.outputs.joinpath("errors.jsonl").write_text('{"job": "0001"}\n{"job": "00')
    assert bulk.run("--resume").code == 0
    assert bulk.begun() == bulk.results() == ["0000", "0001"]
    assert bulk.errors() == {}


def test_failed_jobs_stay_failed_unless_they_may_run_again(bulk):
    bulk.give("append {}".format(bulk.log), "fail badly", count=1)
    bulk.give(refused=["append {}".format(bulk.log), "refuse a cat"])
    assert bulk.run().code == 1
    ending = bulk.run("--resume")
    assert ending.code == 1, ending
    assert "0 of 2 jobs are done already, 2 stay failed" in ending.output
    assert "no job is left" in ending.output
    assert bulk.begun() == ["0000", "refused"]
    ending = bulk.run("--resume", "--retries", "2")
    assert ending.code == 1, ending
    assert bulk.begun() == ["0000", "0000", "0000", "refused"]
    assert sorted(bulk.errors()) == ["0000", "refused"]


@pytest.mark.parametrize("shards", [1, 2])
def test_another_version_of_the_model_runs_everything_again(bulk, tmp_path, shards):
    bulk.give("append {}".format(bulk.log), count=4)
    assert bulk.run().code == 0
    bulk.project = make_project(
        tmp_path / "p", models.ACTOR, outputs=OUTPUTS, version="9.9.9"
    )
    if shards == 1:
        assert bulk.run("--resume").code == 0
    else:
        check_refused(bulk.run("--resume", "--shard", "0/2"), "--allow-mixed")
        for shard in ("0/2", "1/2"):
            assert bulk.run("--resume", "--allow-mixed", "--shard", shard).code == 0
    assert bulk.begun() == sorted(["0000", "0001", "0002", "0003"] * 2)


def test_another_image_runs_everything_again(bulk):
    bulk.give("append {}".format(bulk.log), count=2)
    assert bulk.run(PSC_IMAGE_REVISION="abc").code == 0
    assert bulk.run("--resume", PSC_IMAGE_REVISION="abc").code == 0
    assert len(bulk.begun()) == 2
    assert bulk.run("--resume", PSC_IMAGE_REVISION="def").code == 0
    assert len(bulk.begun()) == 4


def test_without_resume_every_job_runs_again(bulk):
    bulk.give("append {}".format(bulk.log), count=2)
    assert bulk.run().code == 0
    assert bulk.run().code == 0
    assert bulk.begun() == ["0000", "0000", "0001", "0001"]
    assert bulk.results() == ["0000", "0001"]


def test_shards_share_the_jobs(bulk):
    bulk.give("append {}".format(bulk.log), count=20)
    bulk.give(zzz="fail badly")
    endings = [
        bulk.run("--shard", "0/2"),
        bulk.run(JOB_COMPLETION_INDEX="1", PSC_SHARD_COUNT="2"),
    ]
    failed = Shard(1, 2).has("zzz")
    assert [ending.code for ending in endings] == [int(not failed), int(failed)]
    assert bulk.begun() == bulk.results()
    assert len(bulk.begun()) == 20
    assert list(bulk.errors("errors-{}-of-2.jsonl".format(int(failed)))) == ["zzz"]
    assert bulk.errors("errors-{}-of-2.jsonl".format(int(not failed))) == {}
    ending = bulk.run("--resume", "--shard", "0/3")
    assert "no job is left" in ending.output
    assert len(bulk.begun()) == 20


def test_a_list_of_jobs_runs_in_the_folders_that_it_names(bulk):
    bulk.give("hello", count=2)
    lines = [{"name": "x", "input": "0001", "output": "deep/x"}, {"name": "0000"}]
    path = bulk.folder / "jobs.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    assert bulk.run("--jobs", str(path)).code == 0
    assert (bulk.outputs / "deep" / "x" / "results.json").read_text() == "hello"
    assert (bulk.outputs / "0000" / "results.json").read_text() == "hello"
    assert "no job is left" in bulk.run("--jobs", str(path), "--resume").output


def test_a_folder_of_files_becomes_a_folder_of_files(bulk, tmp_path):
    bulk.project = make_project(tmp_path / "p", models.ACTOR)
    bulk.inputs.mkdir()
    for name in ("a.txt", "b.md"):
        (bulk.inputs / name).write_text(name)
    (bulk.inputs / "bad.txt").write_text("fail badly")
    ending = bulk.run("--flat")
    assert ending.code == 1, ending
    assert sorted(os.listdir(str(bulk.outputs))) == [
        "a.txt.json",
        "b.md.json",
        "done-0-of-1.jsonl",
        "errors.jsonl",
    ]
    assert (bulk.outputs / "b.md.json").read_text() == "b.md"
    assert list(bulk.errors()) == ["bad.txt"]
    assert "2 of 3 jobs are done" in bulk.run("--flat", "--resume").output


def test_a_folder_of_files_may_become_folders_again_and_again(bulk, tmp_path):
    bulk.project = make_project(tmp_path / "p", FOLDERS, outputs=["pages"])
    bulk.inputs.mkdir()
    for text in ("old", "new"):
        (bulk.inputs / "a.txt").write_text(text)
        ending = bulk.run("--flat")
        assert ending.code == 0, ending
        assert os.listdir(str(bulk.outputs / "a.txt")) == [text]
    assert "1 of 1 jobs are done" in bulk.run("--flat", "--resume").output


TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"


def test_a_run_that_cannot_begin_has_a_report_too(bulk, tmp_path):
    bulk.give("", count=3).project = make_project(tmp_path / "p", "import nothing_such")
    path = bulk.folder / "report.json"
    assert bulk.run("--report", str(path)).code == 1
    report = json.loads(path.read_text())
    assert (report["notRun"], report["exitStatus"]) == (3, 1)


def test_the_report_has_the_summary_for_programs(bulk):
    bulk.give("fine", count=2).give(refused="refuse a cat")
    path = bulk.folder / "report.json"
    assert bulk.run("--accept-refused", "--report", str(path)).code == 0
    report = json.loads(path.read_text())
    assert report.pop("seconds") > 0
    assert re.fullmatch(TIME, report.pop("started"))
    assert re.fullmatch(TIME, report.pop("ended"))
    assert report == {
        "jobs": 3,
        "done": 2,
        "failed": 1,
        "notRun": 0,
        "failedByStatus": {"422": 1},
        "errors": str(bulk.outputs / "errors.jsonl"),
        "exitStatus": 0,
    }


@pytest.mark.parametrize("resume", [[], ["--resume"]])
def test_a_full_disk_of_the_output_harms_neither_jobs_nor_report(bulk, resume):
    bulk.give("fine", count=2)
    path = bulk.folder / "report.json"
    with open("/dev/full", "w") as full:
        args = ["--report", str(path)] + resume
        ending = bulk.run(*args, stdout=full, PSC_LOG_LEVEL="ERROR")
    message = "error: cannot write standard output: No space left on device\n"
    assert (ending.code, ending.errors) == (1, message)
    assert bulk.results() == ["0000", "0001"]
    assert json.loads(path.read_text())["done"] == 2
    assert "2 of 2 jobs are done" in bulk.run("--resume").output


def test_a_full_disk_leaves_the_exit_status_of_the_jobs(bulk):
    bulk.give("fail badly", count=1)
    with open("/dev/full", "w") as full:
        ending = bulk.run("--max-failures", "0", stdout=full)
    assert ending.code == 3, ending
    assert "error: cannot write standard output: No space left" in ending.errors


def test_a_full_disk_of_the_progress_ends_nothing(bulk):
    bulk.give("fine", count=2)
    with open("/dev/full", "w") as full:
        assert bulk.run("--verbose", stderr=full).code == 0
    assert bulk.results() == ["0000", "0001"]


def test_a_report_that_cannot_be_written_is_one_line(bulk):
    bulk.give("fine", count=2)
    ending = bulk.run("--report", "/dev/full", PSC_LOG_LEVEL="ERROR")
    message = "error: cannot write /dev/full: No space left on device\n"
    assert (ending.code, ending.errors) == (1, message)
    assert "2 done, 0 failed" in ending.output


def test_all_that_went_wrong_is_one_line(bulk, tmp_path):
    bulk.give("", count=1).project = make_project(tmp_path / "p", "import nothing_such")
    ending = bulk.run("--report", "/dev/full")
    line = ending.errors.splitlines()[-1]
    assert (ending.code, line[:6]) == (1, "error:")
    assert "No module named 'nothing_such'" in line
    assert line.endswith("; cannot write /dev/full: No space left on device")


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


def test_options_that_do_not_fit_are_refused(bulk):
    bulk.give("", count=1)
    check_refused(bulk.run("--flat"), "one input and one output")
    path = bulk.folder / "jobs.jsonl"
    path.write_text("{}")
    check_refused(bulk.run("--jobs", str(path), "--flat"), "exclude each other")
    check_refused(bulk.run("--jobs", str(path)), "line 1 of", "jobs.jsonl")
    path.write_text('{"name": "0000"}\n{"name": "x", "output": "0000/"}')
    folder = str(bulk.outputs / "0000")
    check_refused(bulk.run("--jobs", str(path)), "line 2 of", "jobs.jsonl", folder)
    check_refused(bulk.run("--report", str(bulk.folder / "no" / "r.json")), "r.json")
    assert not bulk.outputs.exists()


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


def test_jobs_that_could_not_start_are_left_for_another_run(tmp_path):
    project = make_project(tmp_path / "project", models.SCRIPT)
    load = os.path.join(project, "load")
    break_load = "open({!r}, 'w').write('raise RuntimeError(7)')".format(load)
    bulk = Bulk(project, tmp_path).give("pass", count=5)
    bulk.give(crash=[break_load, "import os", "os._exit(7)"])
    jobs = tmp_path / "jobs.jsonl"
    names = ["crash"] + ["{:04}".format(number) for number in range(5)]
    jobs.write_text("".join(json.dumps({"name": name}) + "\n" for name in names))
    command = ["--jobs", str(jobs), "--processes", "1", "--resume"]
    ending = bulk.run(*command)
    assert ending.code == 1, ending
    # of the first two, either may be the first that is ready
    assert re.search("^[45] have not run: continue with --resume", ending.output, re.M)
    assert ending.errors.splitlines()[-1].startswith("error: the model could not be")
    assert list(bulk.errors()) == ["crash"]
    os.remove(load)
    ending = bulk.run(*command)
    assert re.search("^([45]) of \\1 jobs in .*: \\1 done", ending.output, re.M), ending
    assert list(bulk.errors()) == ["crash"]


def test_the_next_job_is_made_ready_while_one_runs(bulk):
    next_started = bulk.folder / "go"
    bulk.give("wait-for {}".format(next_started), count=2)
    process = bulk.start("--processes", "1", stderr=subprocess.DEVNULL)
    started = bulk.outputs / "started-0-of-1.jsonl"
    wait_until(lambda: started.exists() and "0001" in started.read_text())
    next_started.write_text("")
    assert process.wait(20) == 0
    assert bulk.results() == ["0000", "0001"]


def test_a_model_is_closed_at_the_end(tmp_path):
    project = make_project(tmp_path / "project", models.SCRIPT)
    closed = tmp_path / "closed"
    with open(os.path.join(project, "close"), "w") as file:
        file.write("open({!r}, 'w').close()".format(str(closed)))
    bulk = Bulk(project, tmp_path).give("pass", count=3)
    ending = bulk.run("--processes", "1")
    assert ending.code == 0, ending
    assert closed.exists()


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
    # of the first two, either may be the first that is ready
    assert bulk.results() == bulk.begun()
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


def test_jobs_that_are_killed_again_and_again_end_right(bulk):
    lines = ["append {}".format(bulk.log), "sleep 0.02"]
    bulk.give(*lines, count=60).give(refused="refuse a cat")
    random = Random(7)
    for _ in range(10):
        process = bulk.start(
            "--resume",
            "--processes",
            "2",
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            process.wait(random.uniform(0.3, 1.2))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    ending = bulk.run("--resume")
    assert bulk.results() == ["{:04}".format(number) for number in range(60)], ending
    assert bulk.errors() == {"refused": "a cat"}
    assert "no job is left" in bulk.run("--resume").output


@pytest.mark.slow
def test_what_the_journal_has_survives_a_power_cut(bulk, request):
    disk = bulk.folder / "disk"
    _make_disk(str(disk), str(bulk.outputs), request)
    # long enough for three commits
    bulk.give("sleep 0.04", count=350)
    process = bulk.start("--processes", "1", stderr=subprocess.DEVNULL)
    journal = bulk.outputs / "done-0-of-1.jsonl"
    sizes = set()

    def has_grown():
        if journal.exists():
            sizes.add(journal.stat().st_size)
        return len(sizes - {0}) > 1

    # what it had before is on the disk then
    wait_until(has_grown, 20)
    assert 0 < _check_copy(disk, bulk.folder / "early", request) < 350
    assert process.wait() == 0
    # at once: no time for the system to write it by itself
    assert _check_copy(disk, bulk.folder / "late", request) == 350


def _make_disk(path, folder, request):
    """Mount a new file system at a folder."""
    with open(path, "wb") as file:
        file.truncate(64 * 1024 * 1024)
    subprocess.check_call(["mkfs.ext4", "-q", "-N", "2000", path])
    _mount(path, folder, request)


def _mount(path, folder, request):
    os.mkdir(folder)
    if subprocess.call(["mount", "-o", "loop", path, folder]):
        pytest.skip("this machine mounts no disk images")
    request.addfinalizer(lambda: subprocess.check_call(["umount", folder]))


def _check_copy(disk, folder, request):
    """Check the results on a copy of a disk; return how many the journal has."""
    copy = folder.with_suffix(".disk")
    shutil.copyfile(str(disk), str(copy))
    _mount(str(copy), str(folder), request)
    with (folder / "done-0-of-1.jsonl").open() as file:
        entries = [json.loads(line) for line in file]
    for entry in entries:
        for name, size in entry["outputs"].items():
            assert size > 0
            assert (folder / entry["job"] / name).stat().st_size == size
    return len(entries)


def test_a_job_that_kills_its_run_ends_as_lost(bulk):
    bulk.give("append {}".format(bulk.log), count=5)
    # the parent of the model process is the run
    bulk.give(poison="kill-parent")
    codes = []
    for _ in range(3):
        codes.append(bulk.run("--resume", "--processes", "1").code)
    assert codes == [-signal.SIGKILL] * 3
    ending = bulk.run("--resume", "--processes", "1")
    assert ending.code == 1, ending
    assert bulk.results() == ["{:04}".format(number) for number in range(5)]
    assert bulk.errors() == {"poison": "its run was lost 3 times"}
    assert "no job is left" in bulk.run("--resume").output


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
