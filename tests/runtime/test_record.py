"""The command `python -m flask_psc_model.cli.record`."""

import os
import pty
import subprocess
import sys

import pytest
from flask_psc_model.tools.record.diff import MAX_LENGTH, MAX_LINES, list_lines
from flask_psc_model.tools.record.recording import Change
from flask_psc_model.tools.record.selection import select_cases

from .commands import run_python
from .project import make_project, write

COMMAND = ["-m", "flask_psc_model.cli.record"]

#: Writes numbers as JSON, and the input backwards; refuses what is no number.
SOURCE = '''
import json
import os

from flask_psc_model import ModelBase


class Model(ModelBase):
    """Doubles a number."""

    input_filenames = "input.txt"
    output_filenames = ["results.json", "reversed.bin"]

    def run(self, input_path, json_path, binary_path):
        with open(input_path, "rb") as file:
            data = file.read()
        if data == b"break":
            raise RuntimeError("broken")
        if data == b"folder":
            os.mkdir(binary_path)
            open(os.path.join(binary_path, "inside"), "w").close()
        else:
            with open(binary_path, "wb") as file:
                file.write(data[::-1] + b"\\xff")
        try:
            number = 0.0 if data == b"folder" else float(data)
        except ValueError:
            raise ValueError("expected a number in " + input_path + ", not a word")
        with open(json_path, "w") as file:
            json.dump({"double": 2 * number, "sign": "plus"}, file)
'''

#: What the model writes for 1.5.
JSON = '{"double": 3.0, "sign": "plus"}'
BINARY = b"5.1\xff"


@pytest.fixture
def project(tmp_path):
    """Return a repository without a case."""
    outputs = ["results.json", "reversed.bin"]
    return make_project(tmp_path / "project", SOURCE, outputs=outputs)


def add_case(project, name, **files):
    """Write a case; the names of its files have `_` in place of the point."""
    folder = os.path.join(project, "tests", "data", *name.split("/"))
    os.makedirs(folder)
    for key, content in files.items():
        content = content.encode() if isinstance(content, str) else content
        with open(os.path.join(folder, key.replace("_", ".")), "wb") as file:
            file.write(content)
    return folder


def read_all(folder):
    """Return the content of each file of a case."""
    files = {}
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as file:
            files[name] = file.read()
    return files


def record(project, *args):
    """Run the command in a repository, without a terminal."""
    return run_python(*COMMAND + list(args), folder=project)


def record_at_terminal(project, answer):
    """Run the command, with an answer on a terminal."""
    parent, child = pty.openpty()
    try:
        process = subprocess.Popen(
            [sys.executable] + COMMAND,
            cwd=project,
            env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1"),
            stdin=child,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            universal_newlines=True,
        )
        os.write(parent, answer.encode())
        output = process.communicate(timeout=60)[0]
    finally:
        os.close(child)
        os.close(parent)
    return process.returncode, output


@pytest.mark.server
def test_missing_files_are_added_and_the_rest_stays(project):
    new = add_case(project, "examples/new", input_txt="1.5")
    same = add_case(
        project,
        "examples/same",
        # another notation, and another number within the tolerance
        input="1.5",
        results_json='{"sign": "plus", "double": 3.001}\n',
        reversed=BINARY,
    )
    refused = add_case(project, "validation-error/word", input_txt="cat")
    part = add_case(
        project, "validation-error/part", input_txt="dog", message_md="A NUMBER"
    )
    before = [read_all(same), read_all(part)]
    ending = record(project)
    assert ending.code == 0, ending
    assert read_all(new) == {
        "input.txt": b"1.5",
        "results.json": JSON.encode(),
        "reversed.bin": BINARY,
    }
    # without the path of the job's own folder, which the next job does not have
    assert read_all(refused)["message.txt"] == b"/input.txt, not a word\n"
    assert [read_all(same), read_all(part)] == before
    for line in (
        "examples/new: new results.json",
        "examples/new: new reversed.bin",
        "examples/same: unchanged",
        "validation-error/part: unchanged",
        "validation-error/word: new message.txt",
        '    +  "double": 3.0,',
        "    (4 bytes now, not text)",
        "Added 3 expected files.",
    ):
        assert line + "\n" in ending.output, line
    again = record(project)
    assert again.code == 0, again
    assert again.output.count(": unchanged\n") == 4
    assert "Added" not in again.output


@pytest.fixture
def changed(project):
    """Return a case whose two outputs and one input have other names, and differ."""
    old = '{"double": 4, "sign": "plus"}'
    return add_case(
        project, "examples/one", input_txt="1.5", results=old, reversed_dat=b"\xfe"
    )


@pytest.mark.server
def test_a_changed_file_is_shown_and_kept_without_a_terminal(project, changed):
    before = read_all(changed)
    ending = record(project)
    assert ending.code == 1, ending
    assert read_all(changed) == before
    assert "examples/one: changed results\n" in ending.output
    assert '    -  "double": 4,\n    +  "double": 3.0,\n' in ending.output
    assert "    (1 bytes before, 4 bytes now, not text)\n" in ending.output
    assert "not a terminal: pass --yes to overwrite 2 expected files" in ending.errors
    ending = record(project, "--yes")
    assert ending.code == 0, ending
    assert "Overwrote 2 expected files." in ending.output
    after = {"input.txt": b"1.5", "results": JSON.encode(), "reversed.dat": BINARY}
    assert read_all(changed) == after


@pytest.mark.server
@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("\n", 1)])
def test_a_changed_file_is_overwritten_if_the_person_says_so(
    project, changed, answer, code
):
    before = read_all(changed)
    status, output = record_at_terminal(project, answer)
    assert status == code, output
    assert "Overwrite 2 expected files? [y/N]" in output
    assert (read_all(changed) == before) is bool(code)
    assert ("Nothing was overwritten." in output) is bool(code)


@pytest.mark.server
def test_new_files_are_added_even_if_others_are_not_overwritten(project, changed):
    os.remove(os.path.join(changed, "reversed.dat"))
    status, output = record_at_terminal(project, "n\n")
    assert status == 1, output
    assert read_all(changed)["reversed.bin"] == BINARY
    assert b"4" in read_all(changed)["results"]


@pytest.mark.server
def test_a_case_that_does_not_do_what_it_should_is_not_recorded(project):
    folders = [
        add_case(project, "examples/break", input_txt="break"),
        add_case(project, "examples/folder", input_txt="folder"),
        add_case(project, "examples/missing", imput_txt="1.5"),
        add_case(project, "examples/two", input_txt="1.5", input_png="2"),
        add_case(project, "examples/word", input_txt="cat"),
        add_case(project, "validation-error/good", input_txt="1.5"),
        add_case(project, "validation-error/missing", message_txt="number"),
    ]
    fine = add_case(project, "examples/zero", input_txt="0")
    before = [read_all(folder) for folder in folders]
    ending = record(project, "--yes")
    assert ending.code == 1, ending
    assert [read_all(folder) for folder in folders] == before
    assert sorted(read_all(fine)) == ["input.txt", "results.json", "reversed.bin"]
    lines = {
        line.split(": not recorded: ")[0]: line.split(": not recorded: ")[1]
        for line in ending.output.splitlines()
        if ": not recorded: " in line
    }
    assert len(lines) == 7
    assert "500: the model failed: RuntimeError: broken" in lines["examples/break"]
    assert lines["examples/folder"] == (
        "reversed.bin is a folder: an output that is a folder needs a test of your own,"
        ' see "Outputs that are folders" in docs/server/development.md'
    )
    assert lines["examples/missing"].startswith("400: ")
    assert "has no input.txt: it holds imput.txt;" in lines["examples/missing"]
    assert "has input.png and input.txt" in lines["examples/two"]
    assert (
        "move it to validation-error: 422: expected a number"
        in (lines["examples/word"])
    )
    assert "move it to examples" in lines["validation-error/good"]
    assert "it holds message.txt;" in lines["validation-error/missing"]


@pytest.mark.server
def test_named_cases_run_and_no_others(project):
    one = add_case(project, "examples/one", input_txt="1.5")
    two = add_case(project, "examples/two", input_txt="1.5")
    ending = record(project, "one")
    assert ending.code == 0, ending
    assert len(read_all(one)) == 3
    assert len(read_all(two)) == 1


@pytest.mark.server
def test_a_model_that_cannot_be_loaded_is_one_line(tmp_path):
    project = make_project(tmp_path / "project", "raise RuntimeError('no weights')")
    add_case(project, "examples/one", input_txt="1.5")
    ending = record(project)
    assert ending.code == 1, ending
    assert ending.errors.startswith("error: GET /status was answered 500: the model")
    assert "RuntimeError: no weights" in ending.errors
    assert ending.errors.count("\n") == 1


@pytest.mark.server
def test_an_app_that_does_not_import_is_one_line(project):
    add_case(project, "examples/one", input_txt="1.5")
    write(project, "app.py", "import nonexistent_pkg\n")
    ending = record(project)
    assert ending.code == 1, ending
    assert ending.errors == (
        "error: the server ./entrypoint.sh exited with code 3; the last error in its"
        " log: ModuleNotFoundError: No module named 'nonexistent_pkg'\n"
    )


def test_without_a_case_it_says_where_to_add_one(project):
    ending = record(project)
    assert ending.code == 1, ending
    folder = os.path.join(project, "tests", "data")
    assert "error: there is no case in " + folder in ending.errors


def test_a_case_that_is_to_be_filled_in_says_so_where_it_is_meant(project):
    folder = add_case(project, "examples/first", TODO_md="fill it in")
    expected = "error: the case examples/first is to be filled in: add its input files"
    ending = record(project)
    assert ending.code == 1, ending
    assert expected in ending.errors
    assert "TODO.md in " + folder in ending.errors
    add_case(project, "examples/second", input_txt="1.5")
    assert expected in record(project, "first").errors
    data = os.path.join(project, "tests", "data")
    assert list(map(str, select_cases(data, []))) == ["examples/second"]


@pytest.mark.parametrize("args", [["--tolerance", "nan"], ["--tolerance", "-1"]])
def test_a_wrong_tolerance_is_refused(project, args):
    ending = record(project, *args)
    assert ending.code == 2, ending
    assert "is not a finite number of 0 or more" in ending.errors


def test_it_needs_a_model_yaml_that_names_the_files(project):
    os.remove(os.path.join(project, "model.yaml"))
    assert "there is no model.yaml" in record(project).errors
    write(project, "model.yaml", "inputs: {input.txt: {}}\n")
    assert "names no outputs: add them" in record(project).errors
    write(project, "model.yaml", "inputs: {a.txt: {}}\noutputs: {a.json: {}}\n")
    assert "differ only in their extensions" in record(project).errors


# --- the cases -------------------------------------------------------------------


@pytest.fixture
def data(project):
    """Return a folder of cases."""
    for name in ("examples/a", "examples/both", "validation-error/both"):
        add_case(project, name, input_txt="1.5")
    return os.path.join(project, "tests", "data")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], ["examples/a", "examples/both", "validation-error/both"]),
        (["a"], ["examples/a"]),
        (["both", "a", "a"], ["examples/both", "validation-error/both", "examples/a"]),
        (["examples/both"], ["examples/both"]),
        (["examples/both/", "{}/validation-error/both"], None),
    ],
)
def test_a_case_is_meant_by_its_name_or_its_folder(data, names, expected):
    found = select_cases(data, [name.format(data) for name in names])
    expected = expected or ["examples/both", "validation-error/both"]
    assert list(map(str, found)) == expected


@pytest.mark.parametrize("name", ["c", "examples", "examples/c", "validation-error/a"])
def test_a_case_that_is_not_there_or_no_longer_is_an_error_that_lists_them(data, name):
    with pytest.raises(ValueError, match="there is no case " + name) as caught:
        select_cases(data, ["a", name])
    assert "examples/a, examples/both, validation-error/both" in str(caught.value)


# --- the difference --------------------------------------------------------------


def show(old, new):
    """Return the lines for a change of content."""
    return list_lines(Change("file", old, new))


def test_the_difference_of_a_text_is_shown_with_two_lines_around():
    old = "".join("{}\n".format(number) for number in range(9)).encode()
    new = old.replace(b"4", b"four")
    lines = [" 2", " 3", "-4", "+four", " 5", " 6"]
    assert show(old, new) == ["@@ -3,5 +3,5 @@"] + lines


def test_a_long_difference_is_cut():
    lines = show(None, b"line\n" * 100)
    assert len(lines) == MAX_LINES + 1
    assert lines[-1] == "({} more lines)".format(101 - MAX_LINES)
    assert len(show(None, b"x" * 1000)[-1]) == MAX_LENGTH


def test_what_a_terminal_would_obey_is_escaped():
    assert show(None, b"\x1b[2J")[-1] == "+\\x1b[2J"


@pytest.mark.parametrize("content", [b"\xff", b"a\0b"])
def test_what_is_no_text_is_counted(content):
    size = len(content)
    expected = "(1 bytes before, {} bytes now, not text)".format(size)
    assert show(b"a", content) == [expected]


def test_json_is_compared_value_by_value():
    assert "+  2" in show(b"[1]", b"[1,2]")
