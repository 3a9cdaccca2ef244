"""The entry point: `python -m flask_psc_model`."""

import os
import re
from importlib import import_module

import click
import pytest
from click.testing import CliRunner
from flask_psc_model.__main__ import main

from .commands import run_python
from .template import TEMPLATE

CLI = os.path.join(TEMPLATE, "flask_psc_model", "cli")


def is_command(name):
    """Return whether a module of `cli` is a command; some are called by other code."""
    module = import_module("flask_psc_model.cli." + name)
    return isinstance(getattr(module, "main", None), click.Command)


MODULES = {name[:-3] for name in os.listdir(CLI) if name.endswith(".py")}
COMMANDS = sorted(filter(is_command, MODULES - {"__init__"}))


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
