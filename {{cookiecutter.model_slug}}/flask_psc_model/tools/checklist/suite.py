"""The test cases, and the tests that run them."""

import os
import re
import subprocess
import sys
import tempfile
from typing import Iterator, Tuple

from ...model.cases import list_cases, list_cases_to_fill_in
from ...model.system_packages import FILENAME, find_remedy_in_text
from .. import show_name
from ..interrupts import interruptible
from ..processes import ending_children
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

#: A failure as unittest prints it, below a rule: a model may print such words, too.
_FAILURE = re.compile(r"^={70}\n((?:FAIL|ERROR): .*)", re.MULTILINE)
_NO_TESTS = re.compile(r"^Ran 0 tests in ", re.MULTILINE)


def find_failures(folder: str, timeout: int) -> Iterator[Problem]:
    """Yield what is wrong with the cases; if nothing is, run the tests, yield failures.

    Args:
        folder: of the repository.
        timeout: seconds that the tests may take.
    """
    problems = [*_find_missing(folder), *_find_loose(folder)]
    yield from problems
    if not problems:
        yield from _run_tests(folder, timeout)


def _find_missing(folder: str) -> Iterator[Problem]:
    for kind, needed in KINDS.items():
        path = os.path.join(folder, DATA, kind)
        unfilled = list_cases_to_fill_in(path) if os.path.isdir(path) else []
        for case in unfilled:
            yield Problem(
                f"{DATA}/{kind}/{case.name}",
                f"is to be filled in: add the input files and {needed}",
            )
        if not unfilled and (not os.path.isdir(path) or not list_cases(path)):
            yield Problem(
                f"{DATA}/{kind}",
                f"has no case: add a folder with the input files and {needed}",
            )


def _find_loose(folder: str) -> Iterator[Problem]:
    """Yield the files beside the case folders: no test reads them."""
    for kind in KINDS:
        path = os.path.join(folder, DATA, kind)
        for name in sorted(os.listdir(path)) if os.path.isdir(path) else ():
            is_file = os.path.isfile(os.path.join(path, name))
            if is_file and name[0] != "." and not name.startswith("README"):
                yield Problem(
                    f"{DATA}/{kind}/{show_name(name)}",
                    "is in no case: a case is a folder, so move the file into one",
                )


def _run_tests(folder: str, timeout: int) -> Iterator[Problem]:
    try:
        code, output = _run(folder, timeout)
    except subprocess.TimeoutExpired:
        yield Problem(
            "tests",
            f"{COMMAND} did not end within {timeout} s: correct the test that hangs, or"
            " raise --timeout",
        )
        return
    remedy = find_remedy_in_text(output) if code else ""
    if remedy:
        yield Problem(FILENAME, remedy)
    failures = _FAILURE.findall(output)
    for failure in failures[:SHOWN]:
        yield Problem("tests", f"{failure} (run {COMMAND})")
    if len(failures) > SHOWN:
        rest = len(failures) - SHOWN
        yield Problem("tests", f"{rest} more fail (run {COMMAND})")
    # without tests, the exit code is 0 before Python 3.12, and 5 since then
    elif _NO_TESTS.search(output) and not failures:
        yield Problem("tests", f"{COMMAND} finds no tests: write some")
    elif code and not failures:
        yield Problem("tests", f"{COMMAND} ends with exit code {code}")


def _run(folder: str, timeout: int) -> Tuple[int, str]:
    """Run the tests, end what they leave, and return the exit code and what they print.

    Raises:
        subprocess.TimeoutExpired: they do not end in time.
    """
    temporary = tempfile.TemporaryDirectory(prefix="psc-")
    with temporary as path, tempfile.TemporaryFile() as output:
        # a pipe would stay open for as long as a child of a test
        with ending_children(), interruptible():
            process = subprocess.run(
                [sys.executable, "-m", "unittest"],
                cwd=folder,
                env=dict(os.environ, TMPDIR=path),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=timeout,
                # Ctrl-C ends this process only, which then ends the tests
                start_new_session=True,
            )
        output.seek(0)
        return process.returncode, output.read().decode("utf-8", "replace")
