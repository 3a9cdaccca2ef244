"""A model by itself: `python -m model_lib.model input.txt results.json`."""

import pytest

from . import models
from .commands import run_python
from .project import make_project
from .template import TEMPLATE

MAIN = """

if __name__ == "__main__":
    from flask_psc_model.cli import run_model

    run_model.main(Model)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Return a project whose model does what its input says."""
    folder = tmp_path_factory.mktemp("run_model") / "project"
    return make_project(folder, models.ACTOR + MAIN)


def run_model(project, *args):
    """Run the model of a project."""
    return run_python("-m", "model_lib.model", *args, folder=project)


def test_a_model_runs_on_the_files_of_the_command_line(project, job):
    job.give(["print something", "more"])
    target = job.folder / "somewhere.txt"
    ending = run_model(project, str(job.input / "input.txt"), str(target))
    assert (ending.code, ending.output, ending.errors) == (0, "something\n", "")
    assert target.read_text() == "print something\nmore"


@pytest.mark.parametrize(
    ("line", "texts"),
    [
        ("refuse a cat, please", ("error: ", "a cat, please")),
        ("missing /nowhere/at-all", ("error: ", "/nowhere/at-all")),
    ],
)
def test_what_the_model_refuses_is_one_message(project, job, line, texts):
    job.give(line)
    ending = run_model(project, str(job.input / "input.txt"), str(job.folder / "x"))
    assert ending.code == 1, ending
    assert "Traceback" not in ending.errors
    for text in texts:
        assert text in ending.errors


def test_a_missing_input_is_one_message(project, job):
    ending = run_model(project, str(job.input / "nothing.txt"), str(job.folder / "x"))
    assert ending.code == 1
    assert "Traceback" not in ending.errors
    assert "nothing.txt" in ending.errors


def test_a_bug_in_the_model_shows_its_traceback(project, job):
    job.give("fail badly")
    ending = run_model(project, str(job.input / "input.txt"), str(job.folder / "x"))
    assert ending.code == 1
    assert "Traceback" in ending.errors
    assert "RuntimeError: badly" in ending.errors


@pytest.mark.parametrize("args", [(), ("one",), ("one", "two", "three")])
def test_a_wrong_number_of_files_shows_the_usage(project, args):
    ending = run_model(project, *args)
    assert ending.code == 2, ending
    assert "Usage:" in ending.errors
    assert "INPUT.TXT RESULTS.JSON" in ending.errors
    assert "Traceback" not in ending.errors


def test_help_names_the_files_and_what_the_model_does(project):
    ending = run_model(project, "--help")
    assert ending.code == 0
    assert "INPUT.TXT RESULTS.JSON" in ending.output
    assert "Does what its input says." in ending.output


def test_the_module_itself_shows_how_a_model_is_run():
    command = ["-m", "flask_psc_model.cli.run_model", "--help"]
    ending = run_python(*command, folder=TEMPLATE)
    assert ending.code == 0
    assert "python -m model_lib.model input.txt results.json" in ending.output


def test_many_files_come_in_their_order(tmp_path):
    names = {"inputs": ["b.txt", "a.txt"], "outputs": ["2.json", "1.json"]}
    project = make_project(tmp_path / "project", models.ECHO + MAIN, **names)
    for name in "ba":
        (tmp_path / name).write_text(name)
    paths = [str(tmp_path / name) for name in ("b", "a", "from-b", "from-a")]
    assert run_model(project, *paths).code == 0
    assert (tmp_path / "from-b").read_text() == "b"
    assert (tmp_path / "from-a").read_text() == "a"


def test_names_that_differ_only_by_a_sign_are_kept_apart(tmp_path):
    names = {"inputs": ["a-b.txt", "a_b.txt"], "outputs": ["A.B.txt", "a b.txt"]}
    project = make_project(tmp_path / "project", models.ECHO + MAIN, **names)
    for name in "12":
        (tmp_path / name).write_text(name)
    paths = [str(tmp_path / name) for name in ("1", "2", "from-1", "from-2")]
    ending = run_model(project, *paths)
    assert ending.code == 0, ending
    assert (tmp_path / "from-1").read_text() == "1"
    assert (tmp_path / "from-2").read_text() == "2"
