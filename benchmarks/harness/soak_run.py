"""The soak: clients whose jobs misbehave, checks of every answer and folder, and samples of the web process."""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from .client import Answer, BadAnswer, Connection
from .environment import Environment
from .errors import BenchmarkFailed
from .processes import MEGABYTE
from .repository import Repository
from .server import Server, find_free_port
from .soak_cases import (
    CASES,
    LONG_PATH,
    MISSING,
    PID,
    PLANTED,
    SHARED,
    SHOWN_HANGS,
    STAGING,
    STALE,
    TIME_LIMIT,
    Case,
    find_host,
)
from .soak_crowd import Crowd

CLIENTS = 8
PROCESSES = 2

#: Jobs after which a model process is replaced; few enough that some live so long.
MAX_JOBS = 15

#: Seconds between two moments at which all clients rest, and the descriptors are counted.
ROUND_SECONDS = 15.0

#: Seconds that any answer may take: jobs over the time limit stand before it, and loads.
ANSWER_SECONDS = 60.0

#: In a file that no job may change.
VICTIM = "of the victim"

#: A flag of a process that the kernel is ending; see `flags` in proc(5).
PF_EXITING = 4

#: A variable by which all that the server started is found.
MARK = "PSC_SOAK"


class Sample(NamedTuple):
    """The web process at one moment.

    Attributes:
        seconds: since the start of the first round.
        memory: resident, in MB (10^6 bytes).
    """

    seconds: float
    memory: float


@dataclass
class Findings:
    """What the soak has seen; threads share it.

    Attributes:
        wrong: a line for each wrong answer or folder.
        answers: how often each case was answered, by its name.
        statuses: how many answers there were, by their status.
        restarts: how many replacements the jobs must have caused, by their reason.
        samples: of the web process.
        descriptors: of the web process, after each round.
        metrics: of the server, at the end.
        longest_status: seconds that the slowest answer of `/status` took.
    """

    wrong: list[str] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    restarts: Counter[str] = field(default_factory=Counter)
    samples: list[Sample] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    longest_status: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, case: Case, status: int) -> None:
        """Count an answer."""
        with self._lock:
            self.answers[case.name] += 1
            self.statuses[status] += 1
            if case.restart:
                self.restarts[case.restart] += 1

    def growth(self) -> float:
        """Return by how many MB the memory grew in the second half: from its first fifth to its last."""
        half = self.samples[len(self.samples) // 2 :]
        fifth = max(len(half) // 5, 1)
        first, last = half[:fifth], half[-fifth:]
        return statistics.median(each.memory for each in last) - statistics.median(each.memory for each in first)


class Client:
    """Sends jobs one after the other, and checks what each leaves behind.

    Attributes:
        host: what names this machine in the names of staging folders.
    """

    def __init__(self, folder: Path, port: int, seed: int, findings: Findings) -> None:
        """Write what later jobs must not change.

        Args:
            folder: a new folder for its jobs.
            port: of the server.
            seed: of the choice of its jobs.
            findings: to add to.
        """
        self.host = ""
        self._folder = folder
        self._port = port
        self._random = random.Random(seed)
        self._findings = findings
        self._number = 0
        self._seed = seed
        self._victim = folder / "victim"
        self._victim.mkdir(parents=True)
        (self._victim / "file").write_text(VICTIM)
        # by what the output folder holds: files, or a folder that is declared
        self._expected: dict[str, dict[str, str]] = {}
        for name in ("files", "folder"):
            (folder / name / ".psc-notes").mkdir(parents=True)
            (folder / name / ".psc-notes" / "note").write_text("of the user")
            self._plant(folder / name / STALE.format(host="0123456789ab"))
            self._expected[name] = read_tree(folder / name)

    def run(self, until: float) -> None:
        """Send jobs until a time of `time.monotonic`."""
        weights = [case.weight for case in CASES]
        while time.monotonic() < until:
            self.send(self._random.choices(CASES, weights)[0])

    def send(self, case: Case) -> str:
        """Send one job, and check its answer; return its `result`, where that is a file."""
        self._number += 1
        token = f"{self._seed}-{self._number}"
        try:
            if case is SHARED:
                return self._send_two(case, token)
            return self._send_one(case, token)
        except (OSError, BadAnswer) as error:
            self._report(case, token, f"no answer: {error}")
            return ""

    def _send_one(self, case: Case, token: str) -> str:
        is_new = case is PLANTED or self._random.random() < 0.25
        name = "folder" if any(path.startswith("result/") for path, _ in case.files) else "files"
        folder = self._folder / f"new-{token}" / "deep" if is_new else self._folder / name
        before = {} if is_new else self._expected[name]
        if case is PLANTED:
            self._plant(folder / STALE.format(host=self.host))
            (folder / STALE.format(host=self.host)).with_name(f".psc-{self.host}-4194301-1-2").symlink_to(self._victim)
        content = self._write_input(case, token, folder)
        answer = self._exchange(content)
        self._check_answer(case, token, answer)
        expected = before
        if case.status == 200:
            kept = {path: text for path, text in before.items() if path.split("/")[0] != "result"}
            expected = {**kept, **case.outputs(token)}
        found = read_tree(folder)
        if case is PLANTED:
            found.pop(f".psc-{self.host}-4194301-1-2", None)
        # what these two write is not known before
        if case not in (PID, STAGING) and found != expected:
            self._report(case, token, describe_difference(found, expected))
        if is_new and case.status != 200 and folder.parent.exists():
            self._report(case, token, "the output folder that was made for it is still there")
        self._check_victim(case, token)
        self._check_helpers(case, token)
        # each problem is reported once
        if is_new:
            shutil.rmtree(folder.parent, ignore_errors=True)
        else:
            self._expected[name] = found
        return found.get("result", "")

    def _send_two(self, case: Case, token: str) -> str:
        folder = self._folder / f"shared-{self._number % 3}"
        tokens = (token + "-a", token + "-b")
        connections = []
        for each in tokens:
            connections.append(Connection(self._port, "POST", "/run", self._write_input(case, each, folder)))
            connections[-1].send(ANSWER_SECONDS)
        for each, connection in zip(tokens, connections, strict=True):
            while not (answer := connection.receive()):
                pass
            connection.close()
            self._check_answer(case, each, answer)
        found = read_tree(folder)
        if found not in [case.outputs(each) for each in tokens]:
            self._report(case, token, f"the folder is neither job's: {found}")
        return ""

    def _write_input(self, case: Case, token: str, folder: Path) -> dict[str, str]:
        source = self._folder / f"in-{token}"
        source.mkdir()
        job = {"deed": case.deed, "token": token, "pids": str(source / "pids")}
        if case is not MISSING:
            (source / "input.txt").write_text(json.dumps(job))
        output = str(folder) + "/x" * 60_000 if case is LONG_PATH else str(folder)
        return {"type": "file", "input": str(source), "output": output}

    def _exchange(self, content: dict[str, str]) -> Answer:
        connection = Connection(self._port, "POST", "/run", content)
        try:
            return connection.exchange(ANSWER_SECONDS)
        finally:
            connection.close()

    def _check_answer(self, case: Case, token: str, answer: Answer) -> None:
        message = json.loads(answer.body)["message"]
        self._findings.count(case, answer.status)
        if not case.accepts(answer.status, message, token):
            self._report(case, token, f"{answer.status}: {message}; right: {case.status}: …{case.message}…")

    def _check_victim(self, case: Case, token: str) -> None:
        found = read_tree(self._victim)
        if found != {"file": VICTIM}:
            self._report(case, token, f"it changed files elsewhere: {found}")
            shutil.rmtree(self._victim)
            self._victim.mkdir()
            (self._victim / "file").write_text(VICTIM)

    def _check_helpers(self, case: Case, token: str) -> None:
        source = self._folder / f"in-{token}"
        pids = (source / "pids").read_text().split() if (source / "pids").exists() else []
        for pid in pids:
            if is_running(int(pid)):
                self._report(case, token, f"the helper {pid} of the model still runs")
        shutil.rmtree(source)

    def _report(self, case: Case, token: str, problem: str) -> None:
        self._findings.wrong.append(f"{case.name} ({token}): {problem}")

    def _plant(self, folder: Path) -> None:
        """Write a staging folder whose journal, if it were followed, would replace a file of the victim."""
        (folder / ".psc-backup").mkdir(parents=True, mode=0o700)
        folder.chmod(0o700)
        (folder / ".psc-backup" / "0").write_text("of the attacker")
        victims = [str(self._victim / "file"), os.path.relpath(self._victim / "file", folder.parent)]
        journal = [[victim, ".psc-backup/0", None] for victim in victims]
        (folder / ".psc-backup" / "journal").write_text(json.dumps(journal))


class Soak:
    """A server under many odd jobs at once, to be used in a `with` statement.

    Attributes:
        findings: so far.
        log: the file of the server's log.
    """

    def __init__(self, template: Path, folder: Path, seed: int, has_crowd: bool) -> None:
        """Render the template with the misbehaving model, and start its server.

        Args:
            template: the template's folder.
            folder: a new folder for everything.
            seed: of the choice of jobs.
            has_crowd: whether there are slow clients and resets beside the jobs.
        """
        self.findings = Findings()
        self.log = folder / "server.log"
        self._mark = f"{MARK}={folder}"
        self._repository = Repository.render(template, folder / "rendered")
        install_model(self._repository)
        environment = Environment(template / ".bench", self._repository.requirements)
        environment.install()
        port = find_free_port()
        self._server = Server(
            ["./entrypoint.sh"],
            self._repository.folder,
            {
                **{name: text for name, text in environment.variables().items() if not name.endswith("_NUM_THREADS")},
                MARK: str(folder),
                "PSC_MODEL_HOST": "127.0.0.1",
                "PSC_MODEL_PORT": str(port),
                "PSC_MODEL_PROCESSES": str(PROCESSES),
                "PSC_MODEL_MAX_JOBS": str(MAX_JOBS),
            },
            port,
            self.log,
        )
        self._crowd = Crowd(port, seed) if has_crowd else None
        self._clients = [
            Client(folder / f"client-{number}", port, seed * CLIENTS + number, self.findings)
            for number in range(CLIENTS)
        ]

    def __enter__(self) -> "Soak":
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.stop()

    def run(self, seconds: float, progress: Callable[[float], None]) -> None:
        """Run jobs for some seconds, then stop the server and check what it leaves.

        Args:
            seconds: how long.
            progress: is called every second with the seconds that have passed.

        Raises:
            BenchmarkFailed: the server does not start, or its web process has ended.
        """
        self._server.wait_until_ready("/status")
        host = find_host(self._clients[0].send(STAGING))
        for client in self._clients:
            client.host = host
        web = self._find_web_process()
        started = time.monotonic()
        while time.monotonic() - started < seconds:
            with self._crowd or contextlib.nullcontext():
                self._run_round(started, min(started + seconds, time.monotonic() + ROUND_SECONDS), web, progress)
            self.findings.descriptors.append(self._count_descriptors(web))
        self._read_metrics()
        pids = self._wait_for_processes()
        self._server.stop()
        self._check_end(pids)

    def _run_round(self, started: float, until: float, web: int, progress: Callable[[float], None]) -> None:
        threads = [threading.Thread(target=client.run, args=(until,), daemon=True) for client in self._clients]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            if self._find_web_process() != web:
                raise self._server.failure("the web process has ended")
            self._check_status()
            seconds = time.monotonic() - started
            self.findings.samples.append(Sample(seconds, read_memory(web)))
            progress(seconds)
            time.sleep(1)

    def _check_status(self) -> None:
        connection = Connection(self._server.port, "GET", "/status")
        started = time.monotonic()
        try:
            answer = connection.exchange(ANSWER_SECONDS)
            self.findings.longest_status = max(self.findings.longest_status, time.monotonic() - started)
        except (OSError, BadAnswer) as error:
            self.findings.wrong.append(f"/status: {error}")
            return
        finally:
            connection.close()
        if answer.status != 200:
            self.findings.wrong.append(f"/status: {answer.status}: {answer.body.decode()}")

    def _find_web_process(self) -> int:
        children = [process.pid for process in self._server.processes() if process.depth == 1]
        if len(children) != 1:
            raise self._server.failure(f"Gunicorn has {len(children)} web processes")
        return children[0]

    def _wait_for_processes(self) -> set[str]:
        """Wait until all model processes are loaded, and return their ids.

        Jobs of one client go to the process that has been idle longest, so all of them come in turn.
        """
        started = time.monotonic()
        pids: list[str] = []
        while time.monotonic() - started < ANSWER_SECONDS:
            pids.append(self._clients[0].send(PID))
            if len(set(pids[-PROCESSES:])) == PROCESSES:
                return set(pids[-PROCESSES:])
            time.sleep(0.2)
        raise self._server.failure(f"{PROCESSES} model processes were not ready within {ANSWER_SECONDS:g} s")

    def _count_descriptors(self, web: int) -> int:
        """Return the number once nothing happens any more."""
        self._wait_for_processes()
        counts: list[int] = []
        while len(counts) < 50 and (len(counts) < 5 or len(set(counts[-5:])) > 1):
            counts.append(len(os.listdir(f"/proc/{web}/fd")))
            time.sleep(0.2)
        return counts[-1]

    def _read_metrics(self) -> None:
        connection = Connection(self._server.port, "GET", "/metrics")
        text = connection.exchange(ANSWER_SECONDS).body.decode()
        connection.close()
        for name, value in re.findall(r"^(psc_model_(?:jobs|restarts)_total\{.*?\}) (\S+)$", text, re.MULTILINE):
            self.findings.metrics[name] = float(value)
        # the crowd's jobs are counted there, too
        for status, count in {} if self._crowd else self.findings.statuses.items():
            self._check_metric(f'psc_model_jobs_total{{code="{status}"}}', count)
        for reason, count in self.findings.restarts.items():
            self._check_metric(f'psc_model_restarts_total{{reason="{reason}"}}', count)

    def _check_metric(self, name: str, count: int) -> None:
        found = self.findings.metrics.get(name)
        if found != count:
            self.findings.wrong.append(f"/metrics: {name} is {found}; right: {count}")

    def _check_end(self, pids: set[str]) -> None:
        """Check that the models were closed, hangs were shown, and nothing runs any more."""
        closed = self._repository.folder / "closed"
        missing = pids - set(closed.read_text().split() if closed.exists() else [])
        if missing:
            self.findings.wrong.append(f"shutdown: close() was not called in {len(missing)} of {PROCESSES} processes")
        hangs = sum(self.findings.answers[name] for name in SHOWN_HANGS)
        shown = len(re.findall(r"line \d+ in hang$", self.log.read_text(errors="replace"), re.MULTILINE))
        if shown < hangs:
            self.findings.wrong.append(f"log: {shown} stacks of {hangs} runs that were over the time limit")
        left = find_marked(self._mark)
        if left:
            self.findings.wrong.append(f"shutdown: these processes still run: {left}")


def install_model(repository: Repository) -> None:
    """Put the misbehaving model into a repository.

    Raises:
        BenchmarkFailed: `app.py` names no model.
    """
    names = re.findall(r"model_lib\.model\.(\w+)", (repository.folder / "app.py").read_text())
    if len(names) != 1:
        raise BenchmarkFailed(f"{repository.folder / 'app.py'} should name one model, not {len(names)}")
    text = Path(__file__).with_name("soak_model.py").read_text(encoding="utf-8")
    model = repository.folder / "model_lib" / "model.py"
    model.write_text(f"{text}\n\n{names[0]} = MisbehavingModel\n", encoding="utf-8")
    metadata = repository.folder / "model.yaml"
    text = metadata.read_text(encoding="utf-8")
    text = re.sub(r"^  run: .*$", f"  run: {TIME_LIMIT}s", text, flags=re.MULTILINE)
    # two threads for each of the model processes
    text = re.sub(r"^(  cpu:\n    count: ).*$", rf"\g<1>{2 * PROCESSES}", text, flags=re.MULTILINE)
    metadata.write_text(text, encoding="utf-8")


def read_tree(folder: Path) -> dict[str, str]:
    """Return the text of each file below a folder by its path; what is no file as `<kind>`."""
    tree = {}
    for parent, folders, files in os.walk(folder):
        for name in [*files, *folders]:
            path = Path(parent, name)
            key = path.relative_to(folder).as_posix()
            if path.is_symlink():
                tree[key] = f"<link to {os.readlink(path)}>"
            elif path.is_file():
                tree[key] = path.read_text()
            elif not path.is_dir():
                tree[key] = "<neither a file nor a folder>"
            elif not any(path.iterdir()):
                tree[key] = "<an empty folder>"
    return tree


def describe_difference(found: dict[str, str], expected: dict[str, str]) -> str:
    """Return what is different in a folder, as text."""
    parts = []
    for path in sorted(found.keys() | expected.keys()):
        if found.get(path) != expected.get(path):
            parts.append(f"{path} is {found.get(path)!r}; right: {expected.get(path)!r}")
    return ", ".join(parts)


def read_memory(pid: int) -> float:
    """Return the resident set size of a process in MB (10^6 bytes)."""
    text = Path(f"/proc/{pid}/status").read_text()
    (kilobytes,) = re.findall(r"^VmRSS:\s+(\d+) kB$", text, re.MULTILINE)
    return int(kilobytes) * 1024 / MEGABYTE


def is_running(pid: int) -> bool:
    """Return whether there is a process that can still run a line of its own.

    One that the kernel is ending, or that has yet to notice SIGKILL, can not.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    pending = [int(mask, 16) for mask in re.findall(r"^S(?:ig|hd)Pnd:\s+(\w+)$", status, re.MULTILINE)]
    is_killed = any(mask >> (signal.SIGKILL - 1) & 1 for mask in pending)
    is_ending = fields[0] in "ZX" or int(fields[6]) & PF_EXITING
    return not is_killed and not is_ending


def find_marked(variable: str) -> list[int]:
    """Return the ids of all processes that have a variable in their environment."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if variable.encode() in Path(f"/proc/{name}/environ").read_bytes().split(b"\0"):
                found.append(int(name))
    return found
