"""The test cases, and the tests that run them."""

import os
import re
import subprocess
import sys
from typing import Iterator

from ...model.cases import list_cases
from .point import Problem

DATA = "tests/data"
COMMAND = "python -m unittest"

#: What each folder of cases needs besides the input files.
KINDS = {
    "examples": "the expected outputs",
    "validation-error": "the expected error message in message.txt",
}

#: The number of failures to list.
SHOWN = 5

_FAILURE = re.compile(r"^(?:FAIL|ERROR): .*", re.MULTILINE)


def find_failures(folder: str) -> Iterator[Problem]:
    """Yield the missing cases; if none is missing, run the tests and yield failures."""
    missing = list(_find_missing(folder))
    yield from missing
    if not missing:
        yield from _run_tests(folder)


def _find_missing(folder: str) -> Iterator[Problem]:
    for kind, needed in KINDS.items():
        path = os.path.join(folder, DATA, kind)
        if not os.path.isdir(path) or not list_cases(path):
            yield Problem(
                f"{DATA}/{kind}",
                f"has no case: add a folder with the input files and {needed}",
            )


def _run_tests(folder: str) -> Iterator[Problem]:
    process = subprocess.Popen(
        [sys.executable, "-m", "unittest"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    output = process.communicate()[0]
    failures = _FAILURE.findall(output)
    for failure in failures[:SHOWN]:
        yield Problem("tests", f"{failure} (run {COMMAND})")
    if len(failures) > SHOWN:
        rest = len(failures) - SHOWN
        yield Problem("tests", f"{rest} more fail (run {COMMAND})")
    # without tests, the exit code is 0 before Python 3.12, and 5 since then
    elif "Ran 0 tests" in output and not failures:
        yield Problem("tests", f"{COMMAND} finds no tests: write some")
    elif process.returncode and not failures:
        code = process.returncode
        yield Problem("tests", f"{COMMAND} ends with exit code {code}")
