"""The jobs of the soak, and the right answer to each."""

import re
from dataclasses import dataclass

#: Threads of a model process: `resources.cpu.count` by the number of processes, see `soak_run`.
THREADS = "2 2 2"

#: Seconds of `timeout.run`.
TIME_LIMIT = 2


@dataclass(frozen=True)
class Case:
    """A kind of job.

    Attributes:
        name: shown to the user.
        deed: of the model, see `soak_model`.
        status: of the answer.
        message: what the answer's message must contain; `{token}` stands for the job's own.
        files: what a good job writes, by path; `{token}` likewise.
        weight: how often it runs, beside the others.
        restart: for which reason the model process is replaced, if it is.
    """

    name: str
    deed: str
    status: int = 200
    message: str = "the outputs are in"
    files: tuple[tuple[str, str], ...] = (("result", "{token}"),)
    weight: float = 1
    restart: str = ""

    def outputs(self, token: str) -> dict[str, str]:
        """Return what the job writes, by path."""
        if self.status != 200:
            return {}
        return {path.replace("{token}", token): text.replace("{token}", token) for path, text in self.files}

    def accepts(self, status: int, message: str, token: str) -> bool:
        """Return whether an answer is right."""
        return status == self.status and self.message.replace("{token}", token) in message


def good(deed: str, *files: tuple[str, str], weight: float = 2) -> Case:
    """Return a job that succeeds."""
    return Case(deed, deed, files=files or (("result", "{token}"),), weight=weight)


def bad(deed: str, message: str, restart: str = "", status: int = 500, weight: float = 1) -> Case:
    """Return a job that fails."""
    return Case(deed, deed, status, message, (), weight, restart)


OVER_LIMIT = f"stopped at its time limit of {TIME_LIMIT} s"
PARTS = tuple((f"part-{number}", "{token}") for number in range(5))
FOLDER = (("result/first/{token}", "{token}"), ("result/second/{token}", "{token}"))

WRITE = good("write", weight=30)
PID = good("write pid")
STAGING = good("write staging")
SHARED = Case("two jobs into one folder", "files", files=(("result", "{token}"), *PARTS), weight=4)
PLANTED = Case("planted journal", "write", weight=4)
MISSING = Case("missing input", "write", 400, "does not exist", ())
LONG_PATH = Case("long path", "write", 400, "longer than a path can be", ())

CASES = [
    WRITE,
    good("write text", weight=4),
    good("write threads", ("result", THREADS)),
    good("fork, exit", weight=4),
    good("fork, return", weight=4),
    good("fork, raise", weight=4),
    good("fork, live on", weight=4),
    good("link", ("result", "{token}"), ("parts/first", "{token}")),
    good("link elsewhere"),
    good("folder", *FOLDER, weight=6),
    good("files", ("result", "{token}"), *PARTS, weight=6),
    SHARED,
    PLANTED,
    MISSING,
    LONG_PATH,
    bad("stray line", "a line that is no message", "broken_channel"),
    bad("half line", "a line that is no message", "broken_channel"),
    bad("endless line", "a line without end", "broken_channel", weight=0.5),
    bad("another job's answer", "has no job", "broken_channel"),
    bad("odd answer", "its process", "broken_channel"),
    bad("close the pipe", "its process", "crashed"),
    bad("error", "RuntimeError: a failure {token}", weight=4),
    bad("invalid input", "a bad input {token}", status=422, weight=4),
    bad("CUDA error", "device-side assert triggered {token}", "gpu_error"),
    bad("CUDA out of memory", "CUDA out of memory. Tried to allocate 2 GiB {token}", weight=2),
    bad("panic", "PanicException: a panic {token}", weight=2),
    bad("cancelled", "CancelledError: cancelled {token}", weight=2),
    bad("exit", "SystemExit: an exit {token}", weight=2),
    bad("interrupt", "KeyboardInterrupt: an interrupt {token}", weight=2),
    bad("segmentation fault", "killed by SIGSEGV", "crashed"),
    bad("os._exit", "exited with code 3", "crashed"),
    bad("SIGKILL", "killed by SIGKILL", "killed"),
    bad("time limit", OVER_LIMIT, "time_limit", weight=0.5),
    bad("SIGSTOP", OVER_LIMIT, "time_limit", weight=0.3),
    bad("helper, time limit", OVER_LIMIT, "time_limit", weight=0.5),
    bad("helper, SIGKILL", "killed by SIGKILL", "killed"),
    bad("daemon, SIGKILL", "killed by SIGKILL", "killed"),
    bad("pool, time limit", OVER_LIMIT, "time_limit", weight=0.5),
    bad("pool, os._exit", "exited with code 3", "crashed"),
    bad("dangling link", "result is a link that cannot be followed"),
    bad("FIFO", "result is neither a file nor a folder"),
    bad("socket", "result is neither a file nor a folder"),
    bad("empty folder", "result is an empty folder"),
    bad("no output", "the model did not write its output result"),
    bad("reserved name", "reserved for the server"),
]

#: Hangs whose stack the log must show; a stopped process cannot write it.
SHOWN_HANGS = {"time limit", "helper, time limit", "pool, time limit"}

#: A staging folder of a process that is long dead; `{host}` is what names the machine.
STALE = ".psc-{host}-4194301-1-1"


def find_host(staging_name: str) -> str:
    """Return what names the machine in the name of a staging folder.

    Raises:
        ValueError: it is no such name.
    """
    match = re.fullmatch(r"\.psc-([0-9a-f]{12})-\d+-\d+-\d+", staging_name)
    if not match:
        raise ValueError(f"{staging_name!r} is no name of a staging folder")
    return match[1]
