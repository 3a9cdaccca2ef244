"""Commands that a signal ends at any moment, on a real container engine: they leave nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import docker
from repository import ROOT, TEMPLATE

pytestmark = [
    pytest.mark.docker,
    pytest.mark.slow,
    pytest.mark.usefixtures("engine"),
    pytest.mark.xdist_group("containers"),
]

TINY = ROOT / "tests" / "runtime" / "tiny"

#: At how many moments of a run the signal comes; `MOMENTS=20 pytest ...` for more.
MOMENTS = int(os.environ.get("MOMENTS", "4"))

COMMANDS = {
    "check_container": ["--only", "examples,shutdown,status-during-run,sigterm"],
    "measure": ["--starts", "2", "--runs", "3"],
    "try_container": ["tests/data/examples/word/input.txt", "--tag"],
}


@pytest.fixture(scope="module")
def tiny(engine: None) -> Iterator[str]:
    """Build an image of the small server that no other test uses, and return its name."""
    docker("build", "--quiet", "--tag", "psc-interrupted-base", str(TINY))
    text = "FROM psc-interrupted-base\nLABEL test=interrupts\n"
    docker("build", "--quiet", "--network", "none", "--tag", "psc-interrupted", "-", text=text)
    yield "psc-interrupted"
    docker("image", "rm", "--force", "psc-interrupted", "psc-interrupted-base")


def start(command: str, image: str, temporary: Path) -> subprocess.Popen[str]:
    """Start a command, with a folder of its own for temporary files, as a terminal does."""
    return subprocess.Popen(
        [sys.executable, "-m", "flask_psc_model", command, *COMMANDS[command], image],
        cwd=TINY,
        env={**os.environ, "PYTHONPATH": str(TEMPLATE), "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(temporary)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )


def list_processes(temporary: Path) -> list[int]:
    """Return the processes with this folder for temporary files: the command's own."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            variables = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"TMPDIR={temporary}".encode() in variables:
            found.append(int(folder.name))
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_ends_at_any_moment_leaves_nothing(
    tiny: str, tmp_path: Path, command: str, number: signal.Signals
) -> None:
    began = time.monotonic()
    with start(command, tiny, tmp_path) as process:
        errors = process.communicate(timeout=300)[1]
    assert process.returncode == 0, errors
    seconds = time.monotonic() - began
    ends = []
    for moment in range(MOMENTS):
        with start(command, tiny, tmp_path) as process:
            time.sleep(seconds * (moment + 0.5) / MOMENTS)
            # twice, as a shell that ends does
            for _ in range(2):
                if process.poll() is None:
                    os.killpg(process.pid, number)
            errors = process.communicate(timeout=120)[1]
        assert docker("ps", "--all", "--quiet", "--filter", f"ancestor={tiny}") == "", moment
        assert list(tmp_path.iterdir()) == [], moment
        assert list_processes(tmp_path) == [], moment
        # while Python starts, Ctrl-C has its own traceback
        assert "Traceback" not in errors or process.returncode == -signal.SIGINT, errors
        ends.append(process.returncode)
    # a run may be faster than the first
    assert ends.count(128 + number) > MOMENTS / 2
    assert set(ends) <= {128 + number, -number, 0}
