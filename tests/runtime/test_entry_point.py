"""The entry point: `python -m flask_psc_model`."""

import os
import pty
import re
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner
from flask_psc_model.__main__ import main

from .commands import run_python
from .processes import read_stat, wait_until
from .template import TEMPLATE

CLI = os.path.join(TEMPLATE, "flask_psc_model", "cli")


MODULES = {name[:-3] for name in os.listdir(CLI) if re.match(r"[^_].*\.py$", name)}
#: The other one is called by the code of a model.
COMMANDS = sorted(MODULES - {"run_model"})


def run_entry_point(*args):
    """Call the entry point with some arguments."""
    return CliRunner().invoke(main, args, prog_name="python -m flask_psc_model")


@pytest.mark.parametrize("args", [(), ("--help",)])
def test_it_lists_every_command_with_one_line(args):
    ending = run_entry_point(*args)
    assert ending.exit_code == 0, ending.output
    lines = ending.output.split("Commands:\n")[1].splitlines()
    assert [line.split()[0] for line in lines] == COMMANDS
    for line in lines:
        assert len(line.split()) > 2, line
        assert line.endswith(".") and not line.endswith("..."), line


def test_its_commands_are_those_of_the_documents_and_the_dockerfile():
    named = set()
    for folder, _, names in os.walk(TEMPLATE):
        for name in names:
            if name == "Dockerfile" or name.endswith(".md"):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    named.update(
                        re.findall(r"\bflask_psc_model\.cli\.(\w+)", file.read())
                    )
    assert named == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_has_an_example(command):
    ending = run_entry_point(command, "--help")
    assert ending.exit_code == 0, ending.output
    example = ending.output.split("Example")[1]
    assert "python -m flask_psc_model.cli.{}".format(command) in example


def test_python_runs_it():
    ending = run_python("-m", "flask_psc_model", "--help", folder=TEMPLATE)
    assert ending.code == 0, ending
    assert ending.output.startswith("Usage: python -m flask_psc_model [OPTIONS]")
    assert ending.output == run_entry_point("--help").output


@pytest.mark.parametrize("name", ["run_job", "run-job"])
def test_it_runs_a_command(name):
    args = ["--url", "ftp://localhost", "-i", "/in", "-o", "/out"]
    ending = run_entry_point(name, *args)
    assert ending.exit_code == 1, ending.output
    assert ending.output.startswith("error: 'ftp://localhost' is not a URL")


@pytest.mark.parametrize("name", ["nothing", "run_model", "../run_job", ""])
def test_what_is_no_command_is_refused(name):
    ending = run_entry_point(name)
    assert ending.exit_code == 2, ending.output
    assert "No such command" in ending.output


def start(*args, **options):
    """Start the entry point with some arguments."""
    return subprocess.Popen(
        [sys.executable, "-m", "flask_psc_model"] + list(args),
        cwd=TEMPLATE,
        env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1"),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        **options,
    )


def test_ctrl_c_at_a_prompt_is_the_status_of_a_shell():
    process = start("run_job", stdout=subprocess.PIPE)
    prompt = "URL of the model's server: "
    assert process.stdout.read(len(prompt)) == prompt
    # until it reads
    wait_until(lambda: read_stat(process.pid)[0] == "S")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "interrupted"


def test_the_end_of_the_input_at_a_prompt_is_no_interrupt():
    process = start("run_job", stdout=subprocess.DEVNULL)
    _, errors = process.communicate("", timeout=60)
    assert process.returncode == 1
    assert errors.endswith("Aborted!\n")


def test_a_reader_that_leaves_does_not_end_a_command():
    process = start("kubernetes", "--help", stdout=subprocess.PIPE)
    process.stdout.close()
    process.stdin.close()
    with process.stderr:
        errors = process.stderr.read()
    assert (process.wait(60), errors) == (0, "")


def test_a_terminal_that_closes_does_not_end_a_command():
    parent, child = pty.openpty()
    process = start("kubernetes", "--help", stdout=child)
    os.close(child)
    os.close(parent)
    _, errors = process.communicate("", timeout=60)
    assert (process.returncode, errors) == (0, "")


FULL = "error: cannot write standard output: No space left on device\n"


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_a_full_disk_is_one_line(command):
    module = "flask_psc_model" + (".cli." + command if command else "")
    with open("/dev/full", "w") as full:
        ending = run_python("-m", module, "--help", folder=TEMPLATE, stdout=full)
    assert (ending.code, ending.errors) == (1, FULL)


def test_a_full_disk_is_one_line_whatever_else_fails():
    args = ["-m", "flask_psc_model", "run_job", "-i", "x", "-o", "x"]
    with open("/dev/full", "w") as full:
        ending = run_python(*args, folder=TEMPLATE, text="ftp://x\n", stdout=full)
    [other, line] = ending.errors.splitlines(keepends=True)
    assert (ending.code, line) == (1, FULL)
    assert other.startswith("error: 'ftp://x' is not a URL")


def test_errors_that_nobody_can_read_end_nothing():
    args = [
        "-m",
        "flask_psc_model",
        "run_job",
        "-i",
        "x",
        "-o",
        "x",
        "--url",
        "ftp://x",
    ]
    with open("/dev/full", "w") as full:
        ending = run_python(*args, folder=TEMPLATE, stderr=full)
    assert (ending.code, ending.output) == (1, "")


def test_what_an_encoding_lacks_is_escaped():
    args = ["run_job", "--url", "http://h\udce9\u20ac", "-i", "x", "-o", "x"]
    ending = run_python(
        *["-m", "flask_psc_model"] + args, folder=TEMPLATE, PYTHONIOENCODING="latin-1"
    )
    assert ending.code == 1, ending
    assert r"'http://h\udce9\u20ac' has characters" in ending.errors


# the image, which sets LANG, runs the other one
@pytest.mark.parametrize("command", sorted(set(COMMANDS) - {"check_status"}))
def test_a_locale_without_utf_8_is_one_line_at_most(command):
    args = ["-m", "flask_psc_model.cli." + command, "--help"]
    ending = run_python(*args, folder=TEMPLATE, LC_ALL="C", LANG="C")
    if sys.version_info >= (3, 7):
        assert ending.code == 0, ending
    else:
        assert ending.code == 2, ending
        assert ending.errors == (
            "error: Python 3.6 needs a UTF-8 locale: run `export LC_ALL=C.UTF-8`"
            " first\n"
        )


WAITING = """
import signal, sys, time
from flask_psc_model.tools.interrupts import end_on_signals, interruptible

signal.signal(signal.SIGHUP, signal.SIG_IGN)
end_on_signals()
print("ready", flush=True)
try:
    # the work between two waits
    sys.stdin.readline()
    print("worked", flush=True)
    with interruptible():
        time.sleep(60)
except KeyboardInterrupt:
    sys.exit(130)
finally:
    print("cleaning", flush=True)
    sys.stdin.readline()
    with interruptible():
        print("clean", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_wait_and_neither_the_work_nor_the_cleanup(number):
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING],
        cwd=TEMPLATE,
        env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )
    with process:
        assert process.stdout.readline() == "ready\n"
        # ignored before, as nohup does
        process.send_signal(signal.SIGHUP)
        process.send_signal(number)
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "worked\n"
        assert process.stdout.readline() == "cleaning\n"
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate("\n", timeout=60)
    assert output == "clean\n"
    assert process.returncode == 128 + number, errors
    assert "SystemExit" not in errors
