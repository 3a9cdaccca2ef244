"""The command `python -m flask_psc_model.cli.checklist`, and each of its points."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
from functools import partial

import pytest
import yaml
from click.testing import CliRunner
from flask_psc_model.cli import checklist
from flask_psc_model.model.metadata import _loaded
from flask_psc_model.tools.checklist import (
    example,
    image,
    metadata,
    requirements,
    suite,
    system_packages,
)
from flask_psc_model.tools.checklist.point import Point, Problem
from flask_psc_model.tools.checklist.points import make_points

from . import models
from .commands import run_python
from .processes import is_alive, wait_until
from .project import make_project, write
from .template import TEMPLATE

POINTS = make_points(60)

METADATA = """\
specification: "0.3"
type: file
source: A company
version: 1.2.3
name: Echo
author: Ann
description:
  summary: Copies.
  details: Copies a text.
  technical: Reads and writes.
  performance: Perfect.
releaseNotes: The first.
tags: []
filters: []
metrics: []
inputs:
  input.txt: {acceptedMediaTypes: [text/plain], maxSize: 1K, description: A text.}
outputs:
  results.json: {mediaType: text/plain, maxSize: 1K, description: The same text.}
resources: {memory: {size: 64M}, cpu: {count: 1}, gpu: {count: 0}}
timeout: {status: 20s, run: 20s}
internal:
  recommended: false
  experimental: false
  available: true
  features: {explainable: false, adversarialDefense: false}
"""

DOCKERFILE = """\
FROM python:3.12-slim-bookworm
COPY requirements.txt ./
# COPY nothing/ nothing/
COPY --chown=1000:1000 flask_psc_model/ flask_psc_model/
COPY app.py entrypoint.sh gunicorn.conf.py \\
    model.yaml ./
COPY ["model_lib/", "model_lib/"]
"""

IGNORED = """\
# all but these
*
!app.py
!entrypoint.sh
!flask_psc_model/
!gunicorn.conf.py
!model.yaml
!model_lib/
**/__pycache__/
"""

TESTS = """\
import unittest


class Test(unittest.TestCase):
    def test_it(self):
        self.assertEqual(1, {})
"""

RECORD = {
    "version": "1.2.3",
    "load": {"worst": 1.5},
    "runs": {"one": {"worst": 0.1}, "two": {"worst": 2}},
    "peakMemory": 40 * 1024**2,
}


@pytest.fixture
def project(tmp_path):
    """Return a project of which nothing is open."""
    # the folder of a test that has passed is another test's, if pytest removes it
    _loaded.clear()
    folder = make_project(tmp_path / "project", models.ECHO)
    shutil.copy(os.path.join(TEMPLATE, "model.schema.json"), folder)
    write(folder, "model.yaml", METADATA)
    write(folder, "Dockerfile", DOCKERFILE)
    write(folder, ".dockerignore", IGNORED)
    write(folder, "requirements.in", "flask\nPyYAML  # for model.yaml\n")
    write(folder, "requirements.txt", "flask==3.1.3\n    # via x\npyyaml==6.0.3\n")
    write(folder, "measurement.json", json.dumps(RECORD))
    for kind in ("examples", "validation-error"):
        add_file(folder, "tests/data/{}/one/input.txt".format(kind), "a")
    add_file(folder, "tests/__init__.py", "")
    add_file(folder, "tests/test_model.py", TESTS.format(1))
    return folder


def add_file(folder, name, text):
    """Write a file of a project, and the folders that it is in."""
    os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
    write(folder, name, text)


def run_checklist(folder, **environment):
    """Run the command in a folder."""
    return run_python(
        "-m", "flask_psc_model.cli.checklist", folder=folder, **environment
    )


def find_failures(folder):
    """Yield what is wrong with the tests of a project."""
    return suite.find_failures(folder, 60)


def list_problems(find, folder):
    """Return what a function finds, as text."""
    return [str(problem) for problem in Point("", find).list_problems(folder)]


def test_a_project_that_is_ready_has_no_open_point(project):
    ending = run_checklist(project)
    assert ending.code == 0, ending
    expected = "".join("[x] {}\n".format(point.title) for point in POINTS)
    assert ending.output == expected + "\nAll points are done.\n"
    assert "(checking {})\n".format(os.path.realpath(project)) in ending.errors


def test_open_points_show_what_to_do_and_where(project):
    os.remove(os.path.join(project, "measurement.json"))
    write(project, "requirements.txt", "flask==3.1.3\n")
    write(project, "tests/test_model.py", TESTS.format(2))
    ending = run_checklist(project)
    assert ending.code == 1, ending
    assert ending.output.count("[x] ") == len(POINTS) - 3
    for text in (
        "requirements.txt: has no pin of pyyaml",
        "tests: FAIL: test_it (tests.test_model.Test",
        "run python -m flask_psc_model.cli.measure IMAGE --write",
        "3 of {} points are open.".format(len(POINTS)),
    ):
        assert text in ending.output, ending


@pytest.mark.parametrize(("no_color", "is_coloured"), [("", True), ("1", False)])
def test_a_terminal_shows_colours_if_they_are_wanted(
    tmp_path, monkeypatch, no_color, is_coloured
):
    # the handlers of signals would outlive the test
    monkeypatch.setattr("signal.signal", lambda *_: None)
    write(str(tmp_path), "model.yaml", "{}")
    monkeypatch.chdir(str(tmp_path))
    monkeypatch.setenv("NO_COLOR", no_color)
    ending = CliRunner().invoke(checklist.main, [], color=True)
    assert ending.exit_code == 1, ending.output
    assert ("\x1b[" in ending.output) is is_coloured


def test_without_jsonschema_one_line_says_how_to_get_it(project):
    write(project, "jsonschema.py", "raise ImportError('hidden')")
    ending = run_checklist(project)
    assert ending.code == 2, ending
    assert ending.output == ""
    [line] = ending.errors.splitlines()
    assert "pip install -r requirements-dev.txt" in line


def test_outside_of_a_repository_one_line_says_so(tmp_path, project):
    ending = run_checklist(tmp_path, PYTHONPATH=project)
    assert ending.code == 2, ending
    [line] = ending.errors.splitlines()
    assert line.startswith("error: there is no model.yaml")


def test_a_blank_folder_has_open_points_and_no_traceback(tmp_path):
    is_open = {point.title: point.list_problems(str(tmp_path)) for point in POINTS}
    # what is not there is no example, and needs nothing
    assert [title for title, problems in is_open.items() if not problems] == [
        "your model replaces the example",
        "README.md and asset_bundle describe your model",
        "no requirements file names a private index",
        "system-packages.txt has what the code calls",
        "no measured image is out of date",
    ]
    assert "there is no file or folder" in str(is_open[POINTS[0].title][0])


@pytest.mark.parametrize(
    "name", ["Dockerfile", "model.schema.json", "requirements.in", "requirements.txt"]
)
def test_a_file_that_is_missing_is_named(project, name):
    os.remove(os.path.join(project, name))
    problems = [problem for point in POINTS for problem in point.list_problems(project)]
    assert [str(problem) for problem in problems] == [
        name + ": is missing: add it again"
    ]


@pytest.mark.parametrize(
    ("name", "find"),
    [
        ("requirements.in", requirements.find_unpinned),
        ("requirements.txt", requirements.find_unpinned),
        ("requirements-image.txt", requirements.find_unpinned),
        ("Dockerfile", image.find_uncopied),
        ("Dockerfile", metadata.find_short_health_check),
        (".dockerignore", image.find_uncopied),
    ],
)
def test_a_file_that_is_not_utf_8_is_named(project, name, find):
    path = os.path.join(project, name)
    with open(path, "ab") as file:
        file.write("# für\n".encode("latin-1"))
    [problem] = list_problems(find, project)
    assert problem.startswith("{} is not UTF-8: save it as UTF-8 (".format(path))


def test_a_comment_on_system_packages_may_be_in_any_encoding(project):
    with open(os.path.join(project, "system-packages.txt"), "wb") as file:
        file.write("ffmpeg # für\n".encode("latin-1"))
    write(project, "model_lib/model.py", "subprocess.run(['ffmpeg'])")
    assert list_problems(system_packages.find_unlisted, project) == []


def test_metadata_that_cannot_be_read_is_a_problem(project):
    write(project, "model.yaml", "a: b: c")
    for point in POINTS[:2]:
        [problem] = point.list_problems(project)
        assert "model.yaml is not valid YAML" in str(problem)


def test_texts_of_the_example_are_named_with_their_keys(project):
    metadata = yaml.safe_load(METADATA)
    metadata["author"] = "Your Name"
    metadata["description"]["details"] = ""
    metadata["outputs"]["results.json"]["description"] = (
        "The nearest colour names under `predictions`, nearest first, each with its\n"
        "`name` and a `score` from 0 to 1.\n"
    )
    write(project, "model.yaml", yaml.safe_dump(metadata))
    assert sorted(list_problems(example.find_texts, project)) == [
        "model.yaml, author: is still the example's: write your own",
        "model.yaml, description.details: is blank: fill it in",
        "model.yaml, outputs.results.json.description: is still the example's: write"
        " your own",
    ]


def test_code_of_the_example_is_found_wherever_it_was_moved_to(project):
    add_file(project, "other/names.py", "CSS_COLORS = {}")
    add_file(project, ".venv/colors.py", "CSS_COLORS = {}")
    add_file(project, "env/pyvenv.cfg", "")
    add_file(project, "env/lib/colors.py", "CSS_COLORS = {}")
    [problem] = list_problems(example.find_code, project)
    assert problem.startswith("other/names.py: still has code of the example")


@pytest.mark.parametrize(
    ("wanted", "pinned", "missing"),
    [
        ("flask", "Flask==1", []),
        ("Py_Yaml.x", "py-yaml-x==1", []),
        ("torch[cuda]>=2  # why\n", "torch==2 \\\n    --hash=sha256:0\n", []),
        ("torch", "torch[cuda]==2.0", []),
        ("https://example.org/mine-1.0-py3-none-any.whl\nflask", "", ["flask"]),
        ("git+https://example.org/mine.git@v1", "", []),
        ("wheels/mine-1.0-py3-none-any.whl\nmine.tar.gz", "", []),
        ("mine", "mine @ https://example.org/mine.whl", []),
        ("--extra-index-url https://example.org\n-r x.in\n# y\n", "", []),
        ('old; python_version < "3.7"\nflask # a; b', "click==1", ["flask"]),
        ("flask\nclick", "click==1", ["flask"]),
        ("flask", "flask>=1", ["flask"]),
        ("flask", "# flask==1", ["flask"]),
        ("flask", "flask-cors==1", ["flask"]),
    ],
)
def test_what_is_not_pinned_is_named(project, wanted, pinned, missing):
    write(project, "requirements.in", wanted)
    write(project, "requirements.txt", pinned)
    problems = list_problems(requirements.find_unpinned, project)
    assert [problem.split()[5].strip(",") for problem in problems] == missing


@pytest.mark.parametrize(
    ("code", "pinned", "missing"),
    [
        ("import joblib", "", "joblib"),
        ("def f():\n    import joblib.memory", "", "joblib"),
        ("from joblib.memory import a", "JobLib==1", ""),
        ("import cv2", "", "opencv-python-headless"),
        ("import cv2", "opencv-python==4", ""),
        ("from PIL import Image", "pillow==10", ""),
        ("from sklearn import svm", "", "scikit-learn"),
        ("import no_such_module_at_all", "", "no-such-module-at-all"),
        # this Python has it from another package than its name says
        ("import _pytest", "pytest==1", ""),
        ("import _pytest", "", "pytest"),
        ("import json, os.path, xml.dom, __main__, sys, _thread", "", ""),
        ("from . import other\nimport model_lib.other", "", ""),
        ("try:\n    import joblib\nexcept ImportError:\n    pass", "", ""),
        ("try:\n    import joblib\nexcept (KeyError, Exception):\n    pass", "", ""),
        ("try:\n    pass\nexcept ImportError:\n    import joblib", "", "joblib"),
        ("try:\n    import joblib\nexcept ValueError:\n    pass", "", "joblib"),
        ("if typing.TYPE_CHECKING:\n    import joblib", "", ""),
    ],
)
def test_an_import_without_a_pin_is_named(project, code, pinned, missing):
    write(project, "requirements.in", pinned.split("==")[0])
    write(project, "requirements.txt", pinned)
    write(project, "model_lib/model.py", code)
    write(project, "model_lib/other.py", "")
    problems = list_problems(requirements.find_unpinned, project)
    names = [problem.split(" add ")[1].split()[0] for problem in problems]
    assert names == missing.split()
    for problem in problems:
        assert problem.startswith("model_lib/model.py: imports ")
        assert problem.endswith(" run python -m flask_psc_model.cli.lock")


def test_what_the_image_with_a_framework_lacks_has_to_be_pinned_for_it(project):
    write(project, "requirements.in", "flask\njinja2\nscipy\ntorch==2.13.0\n")
    pins = "flask==3\njinja2==3\n    # via\n    #   flask\n    #   torch\nscipy==1\n"
    write(project, "requirements.txt", pins + "torch==2.13.0\n")
    assert list_problems(requirements.find_unpinned, project) == []
    write(project, "requirements-image.txt", "flask==3\n")
    [problem] = list_problems(requirements.find_unpinned, project)
    assert problem.startswith("requirements-image.txt: has no pin of scipy, which")
    assert problem.endswith(": run python -m flask_psc_model.cli.lock")


def test_a_requirement_without_a_pin_is_named_once(project):
    write(project, "requirements.in", "joblib")
    write(project, "model_lib/model.py", "import joblib")
    [problem] = list_problems(requirements.find_unpinned, project)
    assert problem.startswith("requirements.txt: has no pin of joblib")


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("--index-url https://packages.example.com/simple", "the address of a"),
        ("--extra-index-url=https://packages.example.com/simple", "the address of a"),
        ("-i http://10.0.0.1/simple", "the address of a"),
        ("#    uv pip compile --index-url http://10.0.0.1/simple", "the address of a"),
        ("    # from https://packages.example.com/simple", "the address of a"),
        ("--trusted-host packages.example.com", "the address of a"),
        ("--extra-index-url https://x:secret@download.pytorch.org/whl", "a password"),
        ("mine @ https://secret@example.com/mine.whl", "a password"),
        ("mine @ git+https://ann:secret@example.com/mine.git", "a password"),
        ("# pip-compile --index-url=https://ann:secret@example.com/", "a password"),
        ("--extra-index-url https://download.pytorch.org/whl/cpu", ""),
        ("--index-url https://pypi.org/simple", ""),
        ("--find-links wheels", ""),
        ("mine @ https://example.com/mine.whl", ""),
        ("mine @ https://${USER}:${TOKEN}@example.com/mine.whl", ""),
        ("mine @ git+ssh://git@example.com/mine.git", ""),
        ("# write to ann@example.com, see https://example.com", ""),
    ],
)
@pytest.mark.parametrize("name", ["requirements.in", "requirements-dev.txt"])
def test_a_private_index_and_a_password_are_named_and_not_shown(
    project, name, line, what
):
    write(project, name, "flask\n" + line + "\n")
    problems = list_problems(requirements.find_private_indexes, project)
    start = "{}, line 2: has {}".format(name, what)
    assert [problem.startswith(start) for problem in problems] == [True] * bool(what)
    assert "secret" not in str(problems)
    assert "packages.example" not in str(problems)


@pytest.mark.parametrize(
    ("call", "package"),
    [
        ('subprocess.run(["sox", a, b])', "sox"),
        ('subprocess.check_output("ffprobe -i x", shell=True)', "ffmpeg"),
        ('Popen(("tesseract", a))', "tesseract-ocr"),
        ('os.system(f"pdftotext {a}")', "poppler-utils"),
        ('subprocess.run(["psc-of-nobody"])', ""),
        ('subprocess.run(["sh", "-c", a])', ""),
        ("subprocess.run(command)", ""),
        ("subprocess.run([])", ""),
        ("subprocess.run()", ""),
        ('print("sox")', ""),
    ],
)
def test_a_command_whose_package_is_not_listed_is_named(project, call, package):
    write(project, "model_lib/model.py", call)
    problems = list_problems(system_packages.find_unlisted, project)
    assert [problem.split()[3].strip(",") for problem in problems] == package.split()
    text = "\ufeff# sound\r\n{}:amd64  # why\r\n".format(package)
    write(project, "system-packages.txt", text)
    assert list_problems(system_packages.find_unlisted, project) == []


def test_a_library_that_the_tests_do_not_find_names_its_package(project):
    text = "raise ImportError('libGL.so.1: cannot open shared object file: no')"
    write(project, "tests/test_model.py", text)
    first, second = list_problems(find_failures, project)
    assert first.startswith("system-packages.txt: add the Debian package libgl1 to")
    assert second.startswith("tests: ERROR: ")


def test_a_key_that_is_there_twice_is_named(project):
    write(project, "model.yaml", METADATA + "version: 1.2.4\n")
    [problem] = POINTS[0].list_problems(project)
    assert "version is there twice, in line 4 with the value '1.2.3'" in str(problem)


def test_pages_and_pictures_of_the_example_are_named(project):
    add_file(
        project,
        "README.md",
        "# A\n\nIts model names the CSS\ncolours nearest to a colour.\n",
    )
    shutil.copytree(
        os.path.join(TEMPLATE, "asset_bundle"), os.path.join(project, "asset_bundle")
    )
    problems = list_problems(example.find_pages, project)
    assert {problem.split(": ")[0] for problem in problems} == {
        "README.md",
        "asset_bundle/0.1.0/documentation.md",
        "asset_bundle/0.1.0/samples/input.json",
        "asset_bundle/0.1.0/samples/output.json",
        "asset_bundle/0.1.0/assets/imgs/image_background.png",
        "asset_bundle/0.1.0/assets/imgs/image_card.png",
        "asset_bundle/0.1.0/assets/imgs/image_thumbnail.png",
        "asset_bundle/0.1.0/assets/logos/company-image.png",
    }
    for problem in problems:
        write(project, problem.split(": ")[0], "Mine.")
    assert list_problems(example.find_pages, project) == []


@pytest.mark.parametrize("kind", ["examples", "validation-error"])
def test_a_file_beside_the_case_folders_is_named(project, kind):
    for name in (".gitkeep", "README.md", "input.txt"):
        add_file(project, "tests/data/{}/{}".format(kind, name), "")
    assert list_problems(find_failures, project) == [
        "tests/data/{}/input.txt: is in no case: a case is a folder, so move the file"
        " into one".format(kind)
    ]


@pytest.mark.parametrize("kind", ["examples", "validation-error"])
def test_missing_cases_are_named(project, kind):
    shutil.rmtree(os.path.join(project, "tests", "data", kind))
    [problem] = list_problems(find_failures, project)
    assert problem.startswith("tests/data/{}: has no case: add a folder".format(kind))


@pytest.mark.parametrize(
    ("tests", "expected"),
    [
        ("", "finds no tests: write some"),
        ("import nothing_at_all", "ERROR: "),
        ("import os; os._exit(7)", "ends with exit code 7"),
    ],
)
def test_tests_that_are_none_or_do_not_run_are_a_problem(project, tests, expected):
    write(project, "tests/test_model.py", tests)
    [problem] = list_problems(find_failures, project)
    assert expected in problem


PRINTING = """
import sys, unittest


class Test(unittest.TestCase):
    def test_it(self):
        print("ERROR: no colour found")
        print("FAIL: no colour found", file=sys.stderr)
        print("it said: Ran 0 tests")
        self.assertEqual(1, {})
"""


@pytest.mark.parametrize("value", [1, 2])
def test_words_of_unittest_that_a_test_prints_are_no_failure(project, value):
    write(project, "tests/test_model.py", PRINTING.format(value))
    problems = list_problems(find_failures, project)
    assert len(problems) == value - 1
    for problem in problems:
        assert problem.startswith("tests: FAIL: test_it (tests.test_model.Test")


def test_a_crash_is_no_failure_that_was_printed_before(project):
    code = "print('ERROR: no colour found', flush=True); import os; os._exit(7)"
    write(project, "tests/test_model.py", code)
    [problem] = list_problems(find_failures, project)
    assert problem == "tests: python -m unittest ends with exit code 7"


#: Tests that leave children: one with their output, and one without a parent in a
#: session of its own and without the variables of the tests.
LEAVING = """
import os, subprocess, sys, unittest

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
START = "import subprocess; print(subprocess.Popen({!r}, {}).pid)"
DETACHED = "env={}, start_new_session=True, stdout=subprocess.DEVNULL"


class Test(unittest.TestCase):
    def test_it(self):
        child = subprocess.Popen(SLEEP)
        start = [sys.executable, "-c", START.format(SLEEP, DETACHED)]
        orphan = subprocess.check_output(start, universal_newlines=True).strip()
        with open(os.environ["PIDS"], "w") as file:
            print(child.pid, orphan, os.environ["TMPDIR"], file=file)
        print("x" * 100000)
        self.assertEqual(1, RESULT)
"""


@pytest.mark.parametrize("result", [1, 2])
def test_children_that_tests_leave_are_ended_with_them(
    project, tmp_path, monkeypatch, result
):
    pids = tmp_path / "pids"
    monkeypatch.setenv("PIDS", str(pids))
    write(project, "tests/test_model.py", LEAVING.replace("RESULT", str(result)))
    problems = list_problems(find_failures, project)
    assert len(problems) == result - 1, problems
    for problem in problems:
        assert "FAIL: test_it" in problem
    *processes, folder = find_hanging(pids)
    assert len(processes) == 2
    assert not any(map(is_alive, processes))
    assert not os.path.exists(folder)


HANGING = """
import os, subprocess, sys, time, unittest

# as a server of a test, which has a session of its own
command = [sys.executable, "-c", "import time; time.sleep(600)"]
child = subprocess.Popen(command, start_new_session=True)
with open(os.environ["PIDS"], "w") as file:
    print(os.getpid(), child.pid, os.environ["TMPDIR"], file=file)
time.sleep(600)
"""


def find_hanging(pids):
    """Return what the hanging tests are: two process ids and a folder."""
    text = pids.read_text() if pids.exists() else ""
    return text.split() if text.endswith("\n") else None


def test_tests_that_hang_are_ended_with_what_they_have_started(
    project, tmp_path, monkeypatch
):
    pids = tmp_path / "pids"
    monkeypatch.setenv("PIDS", str(pids))
    write(project, "tests/test_model.py", HANGING)
    [problem] = Point("", partial(suite.find_failures, timeout=3)).list_problems(
        project
    )
    assert "did not end within 3 s: correct the test that hangs" in str(problem)
    *processes, folder = find_hanging(pids)
    wait_until(lambda: not any(map(is_alive, processes)))
    assert not os.path.exists(folder)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_the_tests_too(project, tmp_path, name):
    pids = tmp_path / "pids"
    write(project, "tests/test_model.py", HANGING)
    process = subprocess.Popen(
        [sys.executable, "-m", "flask_psc_model.cli.checklist"],
        cwd=project,
        env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1", PIDS=str(pids)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )
    with process:
        *processes, folder = wait_until(lambda: find_hanging(pids))
        for _ in range(2):
            process.send_signal(getattr(signal, name))
        errors = process.communicate(timeout=60)[1]
    assert process.returncode == 128 + getattr(signal, name)
    assert "Traceback" not in errors
    wait_until(lambda: not any(map(is_alive, processes)))
    assert not os.path.exists(folder)


def test_many_failures_are_counted(project):
    method = "    def test_{}(self):\n        self.fail()\n"
    methods = "".join(method.format(number) for number in range(7))
    head = TESTS.split("    def")[0]
    write(project, "tests/test_model.py", head + methods)
    problems = list_problems(find_failures, project)
    assert len(problems) == 6
    assert problems[-1] == "tests: 2 more fail (run python -m unittest)"


def test_modules_that_are_not_copied_are_named_with_what_imports_them(project):
    write(project, "model_lib/model.py", "from helpers import text\nimport numbers")
    add_file(project, "helpers/__init__.py", "")
    add_file(project, "helpers/text.py", "from . import words")
    add_file(project, "helpers/words.py", "import lonely")
    add_file(project, "lonely.py", "")
    add_file(project, "unused.py", "")
    assert list_problems(image.find_uncopied, project) == [
        "Dockerfile: does not copy helpers/__init__.py, which model_lib/model.py needs:"
        " add COPY helpers/ helpers/",
        "Dockerfile: does not copy lonely.py, which helpers/words.py needs: add COPY"
        " lonely.py ./",
    ]
    copies = "COPY helpers helpers\nCOPY lonely.py ./\n"
    write(project, "Dockerfile", DOCKERFILE + copies)
    assert list_problems(image.find_uncopied, project) == [
        ".dockerignore: excludes helpers/__init__.py, which model_lib/model.py needs:"
        " add !helpers/",
        ".dockerignore: excludes lonely.py, which helpers/words.py needs: add"
        " !lonely.py",
    ]
    write(project, ".dockerignore", IGNORED + "!helpers/\n!lonely.py\n")
    assert list_problems(image.find_uncopied, project) == []


@pytest.mark.parametrize(
    ("code", "is_named"),
    [
        ('open("weights/net.onnx")', True),
        ('open("./weights/net.onnx")', True),
        ('open("/opt/app/weights/net.onnx")', True),
        ('open(os.path.join(HERE, "../weights/net.onnx"))', True),
        ('open(os.path.join(HERE, "..", "weights", "net.onnx"))', True),
        ('load(ROOT / "weights" / "net.onnx")', True),
        ('load("weights/saved")', True),
        ('open("input.txt")', False),
        ('print("weights")', False),
        ('open("labels.json")', False),
        ('open("results.csv")', False),
        ('"""Reads net.onnx."""', False),
    ],
)
def test_data_files_that_the_code_names_have_to_be_copied(project, code, is_named):
    write(project, "model_lib/model.py", code)
    for name in (
        "weights/net.onnx",
        "weights/saved/graph.pb",
        "input.txt",
        "labels.json",
        "model_lib/labels.json",
        "docs/results.csv",
        ".cache/results.csv",
    ):
        add_file(project, name, "")
    problems = list_problems(image.find_uncopied, project)
    assert len(problems) == is_named
    for problem in problems:
        assert problem.startswith("Dockerfile: does not copy weights/")
        assert problem.endswith("needs: add COPY weights/ weights/")
    write(project, "Dockerfile", DOCKERFILE + "COPY weights/ weights/\n")
    problems = list_problems(image.find_uncopied, project)
    assert len(problems) == is_named
    for problem in problems:
        assert problem.endswith("needs: add !weights/")
    write(project, ".dockerignore", IGNORED + "!weights/\n")
    assert list_problems(image.find_uncopied, project) == []


#: An engine that has one image, whose files are in the folder `image`.
ENGINE = """#!/bin/sh
case "$1" in
image)
    [ "$3" = my-model ] && echo '[{{"Config": {{"WorkingDir": "/opt/app"}}}}]' ;;
create) touch {home}/container ;;
cp) cp "{home}/image/${{2#*:/opt/app/}}" "$3" ;;
rm) rm {home}/container ;;
esac
"""


@pytest.fixture
def built_image(project, tmp_path, monkeypatch):
    """Return the folder of an image's files, as after a build of a measured image."""
    (tmp_path / "docker").write_text(ENGINE.format(home=tmp_path))
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    write(project, "measurement.json", json.dumps(dict(RECORD, subject="my-model")))
    ignored = shutil.ignore_patterns("flask_psc_model")
    shutil.copytree(project, str(tmp_path / "image"), ignore=ignored)
    return str(tmp_path / "image")


def test_an_image_with_the_files_of_now_is_up_to_date(project, built_image):
    assert list_problems(metadata.find_outdated_image, project) == []
    assert not os.path.exists(os.path.join(project, "container"))


def test_an_image_of_before_an_edit_has_to_be_built_again(
    project, built_image, tmp_path
):
    write(project, "model.yaml", METADATA + "# edited\n")
    write(project, "model_lib/model.py", models.ECHO + "# edited\n")
    # the image does not have it, and may have it elsewhere
    os.remove(os.path.join(built_image, "app.py"))
    assert list_problems(metadata.find_outdated_image, project) == [
        "image my-model: has another model.yaml and another model_lib/model.py than"
        " this folder: build the image again"
    ]
    assert not (tmp_path / "container").exists()


@pytest.mark.parametrize("subject", ["", "another", "the server on this machine"])
def test_an_image_that_is_not_here_is_skipped(project, built_image, subject):
    write(project, "model.yaml", METADATA + "# edited\n")
    write(project, "measurement.json", json.dumps(dict(RECORD, subject=subject)))
    assert list_problems(metadata.find_outdated_image, project) == []


def test_without_an_engine_no_image_is_looked_at(project, built_image, monkeypatch):
    write(project, "model.yaml", METADATA + "# edited\n")
    monkeypatch.setenv("PATH", project)
    assert list_problems(metadata.find_outdated_image, project) == []


@pytest.mark.parametrize("name", ["model.yaml", "entrypoint.sh", "gunicorn.conf.py"])
def test_files_that_the_server_reads_have_to_be_copied(project, name):
    write(project, "Dockerfile", DOCKERFILE.replace(name, ""))
    [problem] = list_problems(image.find_uncopied, project)
    assert "does not copy {}, which".format(name) in problem


def test_a_model_that_is_named_by_its_path_has_to_be_copied(project):
    write(project, "Dockerfile", DOCKERFILE.replace('"model_lib/", ', ""))
    [problem] = list_problems(image.find_uncopied, project)
    assert "does not copy model_lib/__init__.py, which app.py needs" in problem


@pytest.mark.parametrize(
    ("line", "is_there"),
    [
        ("COPY src/model_lib/ model_lib/", False),
        ("COPY src/*/ model_lib/", False),
        ('COPY ["src/a b", "./"]', False),
        ("COPY /model_lib model_lib/", True),
        ("COPY 'app.py' \"./model.yaml\" ./", True),
        ("COPY 'src/app.py' ./", False),
        ("RUN cat <<END\nCOPY src ./\nEND", True),
        ("RUN echo '<< is no <<END' \\\n  COPY src src", True),
        ("COPY model_lib/*.py ./", True),
        ("COPY --from=build /src/model_lib model_lib/", True),
        ("COPY $SOURCE ./", True),
        ("ADD https://example.org/weights.bin ./", True),
        ("COPY <<END ./\nEND", True),
    ],
)
def test_what_is_copied_has_to_exist(project, line, is_there):
    write(project, "Dockerfile", DOCKERFILE + line + "\n")
    problems = list_problems(image.find_uncopied, project)
    assert (problems == []) is is_there
    for problem in problems:
        assert "which does not exist" in problem


@pytest.mark.parametrize(
    ("call", "is_there"),
    [
        ('create_app("model_lib.model.Model")', True),
        ('create_app("model_lib.model:Model")', True),
        ('create_app("model_lib.Model")', True),
        ('create_app("json.decoder.JSONDecoder")', True),
        ('create_app("model_lib.moved.Model")', False),
        ('flask_psc_model.create_app(model_factory="moved.model:Model")', False),
        ('print("moved.model.Model")', True),
    ],
)
def test_a_model_has_to_be_where_its_path_says(project, call, is_there):
    write(project, "app.py", "from flask_psc_model import create_app\n" + call)
    problems = list_problems(image.find_uncopied, project)
    assert (problems == []) is is_there
    for problem in problems:
        assert problem.startswith("app.py: names m")


def test_a_model_that_was_moved_below_another_folder_is_not_ready(project):
    os.mkdir(os.path.join(project, "src"))
    os.rename(os.path.join(project, "model_lib"), os.path.join(project, "src/moved"))
    ending = run_checklist(project)
    assert ending.code == 1, ending
    for line in (
        "Dockerfile: copies model_lib/, which does not exist: correct the path",
        "app.py: names model_lib.model.Model, and there is no model_lib/model.py:"
        " correct the path, or move the file there",
    ):
        assert "      {}\n".format(line) in ending.output


@pytest.mark.parametrize(
    ("line", "copies"),
    [
        ("COPY . .", True),
        ("COPY ./ /opt/app/", True),
        ("add a /a", True),
        ("COPY --chown=1 --chmod=755 ./a/b/ a/b/", True),
        ("COPY a/*/c.py a/b/", True),
        ("COPY a/**/c.py ./a/b/", True),
        ("COPY a/b/c.py a/b", True),
        ("COPY a/b/c.py a/b/c.py", True),
        ("COPY --parents a/b/c.py ./", True),
        ("COPY x \\\n  a /opt/app/a", True),
        ("COPY a/* a/b/", True),
        ("COPY a \\\n\n  # here\n  a/", True),
        ("COPY 'a' \"a/\"", True),
        ('COPY ["a", "a/"]', True),
        ("COPY $SOURCE ./", True),
        ("COPY a ${TARGET}/", True),
        ("COPY ${SOURCE}/a a", True),
        ("WORKDIR /opt/a\nCOPY a .", True),
        ("FROM x AS base\nWORKDIR /opt/a\nFROM base\nCOPY a ./", True),
        ("WORKDIR $HOME\nCOPY a ./", True),
        ("COPY a /src/\nFROM x\nCOPY --from=0 /src a", True),
        ("COPY --from=build a a", False),
        ("COPY *.py ./", False),
        ("COPY b a", False),
        ("COPY a/b/c.pyc ./", False),
        ("RUN cp a b", False),
        ("# COPY a a", False),
        ("COPY [broken", False),
        ("COPY 'a a", False),
        ("COPY", False),
        ("RUN cat <<END\nCOPY a a\nEND", False),
        ("COPY <<-'END' b\nCOPY a a\n\tEND", False),
    ],
)
def test_a_line_of_a_dockerfile_is_read_as_the_engine_reads_it(project, line, copies):
    write(project, "app.py", "import a.b.c")
    for name in ("a/b/c.py", "a/b/c.pyc", "b", "x"):
        add_file(project, name, "")
    write(project, ".dockerignore", "")
    write(project, "Dockerfile", DOCKERFILE + line + "\n")
    problems = list_problems(image.find_uncopied, project)
    assert (problems == []) is copies


@pytest.mark.parametrize(
    "line",
    [
        "COPY a ./",
        "COPY --chmod=755 a/ ./",
        "COPY a/ model_lib/ ./",
        "COPY a /opt/app/",
        "COPY a a/b/",
        "COPY a/b b/",
        "COPY a/* ./",
        "COPY a/*/c.py ./",
        "COPY a/b/c.py ./",
        'COPY ["a", "."]',
        "FROM x AS base\nWORKDIR /opt/a\nFROM x\nCOPY a ./",
        "FROM x\nWORKDIR /opt/a\nFROM x\nCOPY a ./",
        "WORKDIR /opt/a\nWORKDIR ../app\nCOPY a ./",
    ],
)
def test_the_image_needs_a_package_in_a_folder_of_its_name(project, line):
    write(project, "app.py", "import a.b.c")
    add_file(project, "a/b/c.py", "")
    write(project, ".dockerignore", "")
    write(project, "Dockerfile", DOCKERFILE + line + "\n")
    assert list_problems(image.find_uncopied, project) == [
        "Dockerfile: copies a/b/c.py, which app.py needs, to another folder of the"
        " image: write COPY a/ a/"
    ]


def test_a_data_file_may_be_in_another_folder_of_the_image(project):
    write(project, "model_lib/model.py", "open('/weights.bin')")
    add_file(project, "data/weights.bin", "")
    write(project, ".dockerignore", "")
    write(project, "Dockerfile", DOCKERFILE + "COPY data/ /\n")
    assert list_problems(image.find_uncopied, project) == []


@pytest.mark.parametrize(
    ("patterns", "ignored"),
    [
        (["a"], True),
        (["a/b/"], True),
        (["**/c.py"], True),
        (["*/b"], True),
        (["/a/b/c.py"], True),
        (["*", "!a/b", "a/?/c.p[xy]"], True),
        (["*", "!a"], False),
        (["c.py"], False),
        (["*.py"], False),
        ([], False),
    ],
)
def test_a_dockerignore_is_read_as_the_engine_reads_it(patterns, ignored):
    assert image.is_ignored("a/b/c.py", patterns) is ignored


def test_an_app_that_is_not_python_is_a_problem(project):
    write(project, "app.py", "this is no python")
    [problem] = list_problems(image.find_uncopied, project)
    assert problem.startswith("app.py is not Python")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"version": "1.2.2"}, "version: is 1.2.3, and version 1.2.2 was measured"),
        ({"peakMemory": 64 * 1024**2 + 1}, "resources.memory.size: allows"),
        ({"load": {"worst": 20.1}}, "timeout.status: allows 20 seconds, and 20.1"),
        ({"runs": {"one": {"worst": 21}}}, "timeout.run: allows 20 seconds, and 21"),
        ({"runs": {}}, "measurement.json: is not what"),
    ],
)
def test_values_that_do_not_cover_what_was_measured_are_named(
    project, change, expected
):
    write(project, "measurement.json", json.dumps(dict(RECORD, **change)))
    [problem] = list_problems(metadata.find_unmeasured, project)
    assert expected in problem


OTHER_SHAPES = {
    "blank": "",
    "cut off": "{",
    "too deep": "[" * 99999,
    "a list": [1, 2],
    "other keys": {"version": "1.2.3", "peak": 1, "load": 1.5, "runs": [0.1]},
    "a number for a load": dict(RECORD, load=1.5),
    "a list of runs": dict(RECORD, runs=[{"worst": 1}]),
    "an infinite peak": dict(RECORD, peakMemory=math.inf),
    "a text for a peak": dict(RECORD, peakMemory="64M"),
}


@pytest.mark.parametrize("shape", OTHER_SHAPES.values(), ids=OTHER_SHAPES)
def test_a_record_of_another_shape_has_to_be_measured_again(project, shape):
    text = shape if isinstance(shape, str) else json.dumps(shape)
    write(project, "measurement.json", text)
    [problem] = list_problems(metadata.find_unmeasured, project)
    assert problem == (
        "measurement.json: is not what `measure --write` writes: measure again, run"
        " python -m flask_psc_model.cli.measure IMAGE --write"
    )


def test_a_problem_without_a_place_is_its_text():
    assert str(Problem("", "all is lost")) == "all is lost"
