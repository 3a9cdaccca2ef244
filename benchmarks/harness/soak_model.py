"""The model of the soak, which misbehaves as its input says; it replaces `model_lib/model.py` of a repository.

It runs in the model process, so it uses the standard library only. `soak_cases.py` has the right answer to each
deed.
"""

import asyncio
import faulthandler
import importlib
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: Every so many loads of the second model process fail; the first always loads, so that jobs can run.
FAILING_LOADS = 4

#: Seconds for which a run hangs, far beyond its time limit.
FOREVER = 600

Job = dict[str, str]


class MisbehavingModel:
    """Reads a deed and a token, and writes the token after the deed."""

    input_filenames = "input.txt"
    output_filenames = "result"
    validation_exception_class = ValueError
    io_exception_class = OSError
    run: Callable[..., Any]

    def __init__(self) -> None:
        with open("loads", "a+") as file:
            file.write(f"{os.getpid()}\n")
            file.seek(0)
            count = len(file.readlines())
        self.run = run
        if os.environ["PSC_MODEL_WORKER"].endswith("-1") and count % FAILING_LOADS == 0:
            faults = [None, run_later, run_in_parts, run_nothing]
            fault = faults[count // FAILING_LOADS % len(faults)]
            if fault is None:
                raise RuntimeError("this load fails")
            self.run = fault

    def close(self) -> None:
        """Note that an orderly end came."""
        with open("closed", "a") as file:
            file.write(f"{os.getpid()}\n")


async def run_later(input_path: str, output_path: str) -> None:
    """Show a run that is async."""


def run_in_parts(input_path: str, output_path: str) -> Any:
    """Show a run with a yield."""
    yield


def run_nothing() -> None:
    """Show a run that takes no paths."""


def run(input_path: str, output_path: str) -> None:
    """Do what the input says, and write its token."""
    job = json.loads(Path(input_path).read_text())
    DEEDS[job["deed"]](job, output_path)


def write(job: Job, path: str) -> None:
    """Write the token; a job that is all right."""
    with open(path, "w") as file:
        file.write(job["token"])


def write_pid(job: Job, path: str) -> None:
    """Write which process this is."""
    Path(path).write_text(str(os.getpid()))


def write_staging(job: Job, path: str) -> None:
    """Write the name of the staging folder."""
    Path(path).write_text(os.path.basename(os.path.dirname(path)))


def write_threads(job: Job, path: str) -> None:
    """Write the number of threads that numerical libraries would start."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    Path(path).write_text(" ".join(os.environ.get(name, "unset") for name in names))


def write_text(job: Job, path: str) -> None:
    """Print what is not ASCII, and write the token."""
    print("größe")
    write(job, path)


def fork_and_exit(job: Job, path: str) -> None:
    """Fork a child that exits."""
    if os.fork() == 0:
        sys.exit(0)
    write(job, path)


def fork_and_return(job: Job, path: str) -> None:
    """Fork a child that comes back from the model."""
    if os.fork() == 0:
        return
    write(job, path)


def fork_and_raise(job: Job, path: str) -> None:
    """Fork a child that fails."""
    if os.fork() == 0:
        raise RuntimeError("the child of a fork")
    write(job, path)


def fork_and_live(job: Job, path: str) -> None:
    """Fork a child that comes back long after the answer."""
    if os.fork() == 0:
        time.sleep(3)
        return
    write(job, path)


def find_pipe() -> int:
    """Return the descriptor through which this process answers."""
    return int(sys.argv[3])


def send_stray_line(job: Job, path: str) -> None:
    """Write a line that is no message."""
    os.write(find_pipe(), b"a stray line\n")
    write(job, path)


def send_half_line(job: Job, path: str) -> None:
    """Write the beginning of a line, which the answer then ends."""
    os.write(find_pipe(), b'{"number": 1')
    write(job, path)


def send_endless_line(job: Job, path: str) -> None:
    """Write the beginning of a line, and wait."""
    os.write(find_pipe(), b"x")
    time.sleep(FOREVER)


def send_other_answer(job: Job, path: str) -> None:
    """Answer a job that is another process's, or nobody's."""
    result = importlib.import_module("flask_psc_model.jobs.result").JobResult("done", "")
    message = dict(result._asdict(), number=10**9, pid=os.getpid(), batch_size=0)
    os.write(find_pipe(), json.dumps(message).encode() + b"\n")
    write(job, path)


def send_odd_answer(job: Job, path: str) -> None:
    """Write a line of JSON that is no message."""
    os.write(find_pipe(), b'{"number": null, "pid": []}\n')
    write(job, path)


def close_pipe(job: Job, path: str) -> None:
    """Close the descriptor of the answers."""
    os.close(find_pipe())
    write(job, path)


def raise_error(job: Job, path: str) -> None:
    """Fail, after half an output."""
    Path(path).write_text("half")
    raise RuntimeError("a failure " + job["token"])


def raise_invalid(job: Job, path: str) -> None:
    """Reject the input, after half an output."""
    Path(path).write_text("half")
    raise ValueError("a bad input " + job["token"])


def raise_cuda_error(job: Job, path: str) -> None:
    """Raise what PyTorch raises after a device-side assert."""
    raise RuntimeError("CUDA error: device-side assert triggered " + job["token"])


def raise_out_of_memory(job: Job, path: str) -> None:
    """Raise what PyTorch raises where a job needs too much memory."""
    raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB " + job["token"])


class PanicException(BaseException):
    """What Rust's extensions raise."""


def raise_panic(job: Job, path: str) -> None:
    """Raise what is no `Exception`."""
    raise PanicException("a panic " + job["token"])


def raise_cancelled(job: Job, path: str) -> None:
    """Raise another one that is no `Exception`."""
    raise asyncio.CancelledError("cancelled " + job["token"])


def raise_exit(job: Job, path: str) -> None:
    """Exit as a script does."""
    sys.exit("an exit " + job["token"])


def raise_interrupt(job: Job, path: str) -> None:
    """Raise what Ctrl-C raises."""
    raise KeyboardInterrupt("an interrupt " + job["token"])


def crash(job: Job, path: str) -> None:
    """Crash, after half an output."""
    Path(path).write_text("half")
    faulthandler._sigsegv()  # type: ignore[attr-defined]


def end(job: Job, path: str) -> None:
    """End the process."""
    os._exit(3)


def kill(job: Job, path: str) -> None:
    """Be killed, as for memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def hang(job: Job, path: str) -> None:
    """Hang, after half an output."""
    Path(path).write_text("half")
    time.sleep(FOREVER)


def stop(job: Job, path: str) -> None:
    """Stop the process, which then does not even answer signals."""
    os.kill(os.getpid(), signal.SIGSTOP)


def start_helper(job: Job, path: str) -> None:
    """Start a helper in a session of its own, which writes into the staging folder for ever."""
    script = 'while :; do mkdir -p "$(dirname "$0")"; echo late > "$0.late"; sleep 0.05; done'
    helper = subprocess.Popen(["sh", "-c", script, path], start_new_session=True)
    Path(job["pids"]).write_text(str(helper.pid))


def start_daemon(job: Job, path: str) -> None:
    """Start a helper that leaves its parent and its session."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            Path(job["pids"]).write_text(str(os.getpid()))
            os.execvp("sleep", ["sleep", str(FOREVER)])
        os._exit(0)
    while not os.path.exists(job["pids"]) or not Path(job["pids"]).read_text():
        time.sleep(0.01)


def start_pool(job: Job, path: str) -> None:
    """Start helpers as a DataLoader does."""
    context = multiprocessing.get_context("fork")
    helpers = [context.Process(target=time.sleep, args=(FOREVER,)) for _ in range(2)]
    for helper in helpers:
        helper.start()
    Path(job["pids"]).write_text(" ".join(str(helper.pid) for helper in helpers))


def link(job: Job, path: str) -> None:
    """Write an absolute link to a file beside it."""
    os.mkdir(os.path.join(os.path.dirname(path), "parts"))
    target = os.path.join(os.path.dirname(path), "parts", "first")
    Path(target).write_text(job["token"])
    os.symlink(target, path)


def link_elsewhere(job: Job, path: str) -> None:
    """Write a link to a temporary file."""
    descriptor, target = tempfile.mkstemp(dir=os.path.dirname(job["pids"]))
    with open(descriptor, "w") as file:
        file.write(job["token"])
    os.symlink(target, path)


def link_nowhere(job: Job, path: str) -> None:
    """Write a link that dangles."""
    os.symlink("/nowhere", path)


def make_fifo(job: Job, path: str) -> None:
    """Write a FIFO."""
    os.mkfifo(path)


def make_socket(job: Job, path: str) -> None:
    """Write a socket; its name is longer than a socket's may be, so it is bound where it is short."""
    with socket.socket(socket.AF_UNIX) as sock, tempfile.TemporaryDirectory(dir="/tmp") as folder:
        sock.bind(os.path.join(folder, "s"))
        os.link(os.path.join(folder, "s"), path)


def make_empty_folder(job: Job, path: str) -> None:
    """Write a folder without files."""
    os.mkdir(path)


def write_nothing(job: Job, path: str) -> None:
    """Write no output."""


def write_reserved(job: Job, path: str) -> None:
    """Unpack a journal beside the output."""
    folder = os.path.join(os.path.dirname(path), ".psc-old", ".psc-backup")
    os.makedirs(folder)
    Path(folder, "journal").write_text("[]")
    write(job, path)


def write_folder(job: Job, path: str) -> None:
    """Write a folder; its files have other names in each job."""
    for name in ("first", "second"):
        os.makedirs(os.path.join(path, name))
        Path(path, name, job["token"]).write_text(job["token"])


def write_files(job: Job, path: str) -> None:
    """Write more files than the model declares."""
    write(job, path)
    for number in range(5):
        Path(os.path.dirname(path), f"part-{number}").write_text(job["token"])


def then(*steps: Callable[[Job, str], None]) -> Callable[[Job, str], None]:
    """Return a deed of several."""

    def do(job: Job, path: str) -> None:
        for step in steps:
            step(job, path)

    return do


DEEDS: dict[str, Callable[[Job, str], None]] = {
    "write": write,
    "write pid": write_pid,
    "write staging": write_staging,
    "write threads": write_threads,
    "write text": write_text,
    "fork, exit": fork_and_exit,
    "fork, return": fork_and_return,
    "fork, raise": fork_and_raise,
    "fork, live on": fork_and_live,
    "stray line": send_stray_line,
    "half line": send_half_line,
    "endless line": send_endless_line,
    "another job's answer": send_other_answer,
    "odd answer": send_odd_answer,
    "close the pipe": close_pipe,
    "error": raise_error,
    "invalid input": raise_invalid,
    "CUDA error": raise_cuda_error,
    "CUDA out of memory": raise_out_of_memory,
    "panic": raise_panic,
    "cancelled": raise_cancelled,
    "exit": raise_exit,
    "interrupt": raise_interrupt,
    "segmentation fault": crash,
    "os._exit": end,
    "SIGKILL": kill,
    "time limit": hang,
    "SIGSTOP": stop,
    "helper, time limit": then(start_helper, hang),
    "helper, SIGKILL": then(start_helper, kill),
    "daemon, SIGKILL": then(start_daemon, kill),
    "pool, time limit": then(start_pool, hang),
    "pool, os._exit": then(start_pool, end),
    "link": link,
    "link elsewhere": link_elsewhere,
    "dangling link": link_nowhere,
    "FIFO": make_fifo,
    "socket": make_socket,
    "empty folder": make_empty_folder,
    "no output": write_nothing,
    "reserved name": write_reserved,
    "folder": write_folder,
    "files": write_files,
}
