"""Picture jobs on servers with and without batches, side by side."""

import json
import os
import shutil
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .contender import REQUIREMENTS, SERVERS, Contender
from .environment import Environment
from .jobs import Jobs
from .measurement import measure_clients, measure_start
from .pictures import make_pictures
from .repository import Repository
from .results import Goal, make_table, show_goals
from .server import Server, find_free_port

CLIENTS = (1, 8, 64)

#: Milliseconds of CPU that decoding and scaling one picture takes.
READ_MS = 2.5

MODEL_YAML = """\
name: Pictures
inputs: {{picture.jpg: {{description: A picture.}}}}
outputs: {{result.json: {{description: Its class.}}}}
resources: {{cpu: {{count: {cpus}}}}}
timeout: {{status: 120s, run: 60s}}
"""

PLAIN_MODEL = '''\
"""The steps of a picture job, one job at a time."""

import importlib
import os

from flask_psc_model import ModelBase


class ColorNamePredictorModel(ModelBase):
    input_filenames = "picture.jpg"
    output_filenames = "result.json"

    def __init__(self):
        self.steps = importlib.import_module(os.environ["BENCH_STEPS"]).Steps()

    def run(self, input_path, output_path):
        (result,) = self.steps.predict([self.steps.preprocess(input_path)])
        self.steps.postprocess(result, output_path)
'''

BATCH_MODEL = '''\
"""The steps of a picture job, in batches."""

import importlib
import os

from flask_psc_model import BatchModelBase

Steps = importlib.import_module(os.environ["BENCH_STEPS"]).Steps


class ColorNamePredictorModel(Steps, BatchModelBase):
    input_filenames = "picture.jpg"
    output_filenames = "result.json"
'''


@dataclass(frozen=True)
class PictureServer(Contender):
    """A server of the comparison.

    Attributes:
        copies: how many processes hold the model.
        readers: how many processes read for them.
        model: the text of the model, for the rendered repository's server.
    """

    copies: int = 1
    readers: int = 0
    model: str = ""


def list_servers(copies: int) -> list[PictureServer]:
    """Return the servers of the comparison.

    Args:
        copies: how many processes hold the model where several do, and how many read.
    """
    psc: dict[str, Any] = {"command": ("./entrypoint.sh",), "hosts_model_only": False}
    litserve: dict[str, Any] = {"requirements": REQUIREMENTS / "litserve.txt", "packages": ("litserve",)}
    mosec: dict[str, Any] = {
        "command": (
            *("{python}", str(SERVERS / "mosec_batches.py"), "--address", "127.0.0.1", "--port", "{port}"),
            *("--timeout", "60000", "--log-level", "warning"),
        ),
        "requirements": REQUIREMENTS / "mosec.txt",
        "packages": ("mosec",),
        "health": "/",
    }

    def run_litserve(workers: int) -> tuple[str, ...]:
        return "{python}", str(SERVERS / "litserve_batches.py"), "{port}", str(workers)

    return [
        PictureServer("psc", "this template, one by one", model=PLAIN_MODEL, **psc),
        PictureServer("psc-batches", "this template, batches", model=BATCH_MODEL, **psc),
        PictureServer("litserve", "LitServe", run_litserve(1), **litserve),
        PictureServer("litserve-copies", "LitServe, copies", run_litserve(copies), copies=copies, **litserve),
        PictureServer("mosec", "mosec", **mosec),
        PictureServer("mosec-readers", "mosec, reading processes", readers=copies, **mosec),
        PictureServer("mosec-copies", "mosec, copies", copies=copies, **mosec),
    ]


@dataclass(frozen=True)
class BatchPlan:
    """How thoroughly to measure.

    Attributes:
        rounds: how often every server is started and measured.
        seconds: how long jobs count, for each number of clients.
        warm_up: how long they are sent before.
    """

    rounds: int
    seconds: float
    warm_up: float


FULL = BatchPlan(rounds=3, seconds=4.0, warm_up=1.0)
QUICK = BatchPlan(rounds=1, seconds=1.5, warm_up=0.5)


class PictureBench:
    """The rendered repositories, environments and jobs of the comparison."""

    def __init__(self, template: Path, cache: Path, folder: Path, steps: str, requirements: Path) -> None:
        """Render the template.

        Args:
            template: the template's folder.
            cache: the folder that keeps the environments.
            folder: an empty folder.
            steps: the module of the steps.
            requirements: what the steps need.
        """
        self._cache = cache
        self._folder = folder
        self._steps = steps
        self._requirements = requirements
        self._rendered = Repository.render(template, folder / "rendered")
        self._repositories: dict[str, Path] = {}
        self.jobs: Jobs
        self.read_ms = 0.0

    def prepare(self, servers: Sequence[PictureServer], report: Callable[[str], None]) -> None:
        """Install what the servers need, and make the jobs.

        Args:
            servers: of the comparison.
            report: is called with a line for each environment that was made.

        Raises:
            BenchmarkFailed: a package cannot be installed, or the pictures cannot be made.
        """
        for server in servers:
            if self._environment(server).install():
                report(f"installed what {server.label} needs")
            if server.model and server.name not in self._repositories:
                self._repositories[server.name] = self._make_repository(server)
        python = self._environment(servers[0]).python
        pictures, self.read_ms = make_pictures(python, self._folder / "pictures", max(CLIENTS), READ_MS)
        self.jobs = Jobs(self._folder / "jobs", pictures, ("picture.jpg", "result.json"))

    def start(self, server: PictureServer, variables: dict[str, str]) -> Server:
        """Start a server.

        Args:
            server: which one.
            variables: of the environment, for the steps.
        """
        environment = self._environment(server)
        port = find_free_port()
        own = {"PSC_MODEL_HOST": "127.0.0.1", "PSC_MODEL_PORT": str(port)} if server.model else {}
        given = environment.variables(
            PYTHONPATH=str(SERVERS),
            BENCH_STEPS=self._steps,
            BENCH_COPIES=str(server.copies),
            BENCH_READERS=str(server.readers),
            **own,
            **variables,
        )
        folder = self._repositories.get(server.name, SERVERS)
        log = self._folder / f"{server.name}.log"
        return Server(server.fill_command(environment.python, port), folder, given, port, log)

    def _make_repository(self, server: PictureServer) -> Path:
        folder = self._folder / server.name
        shutil.copytree(self._rendered.folder, folder)
        (folder / "model_lib" / "__init__.py").write_text("", encoding="utf-8")
        (folder / "model_lib" / "model.py").write_text(server.model, encoding="utf-8")
        (folder / "model.yaml").write_text(MODEL_YAML.format(cpus=os.cpu_count()), encoding="utf-8")
        return folder

    def _environment(self, server: PictureServer) -> Environment:
        path = server.requirements or self._rendered.requirements
        both = self._folder / f"{server.name.partition('-')[0]}-pictures.txt"
        both.write_text(f"{path.read_text('utf-8')}\n{self._requirements.read_text('utf-8')}", encoding="utf-8")
        return Environment(self._cache, both)


def measure(
    bench: PictureBench,
    servers: Sequence[PictureServer],
    plan: BatchPlan,
    variables: dict[str, str],
    report: Callable[[str], None],
    is_exact: bool = True,
) -> dict[str, dict[str, float]]:
    """Return the medians of each server's figures over the rounds.

    Args:
        bench: where they are started.
        servers: of the comparison.
        plan: how thoroughly.
        variables: of the environment, for the steps.
        report: is called with a line for each server of a round.
        is_exact: whether all servers have to write the same results.

    Raises:
        BenchmarkFailed: a server could not be measured.
    """
    rounds: dict[str, list[dict[str, float]]] = {server.name: [] for server in servers}
    for number in range(plan.rounds):
        # in each round in another order, so that noise hits all alike
        shift = number % len(servers)
        for server in [*servers[shift:], *servers[:shift]]:
            with bench.start(server, variables) as running:
                figures = measure_start(running, server, bench.jobs)
                for clients in CLIENTS:
                    figures |= measure_clients(running, bench.jobs, clients, plan.seconds, plan.warm_up)
            bench.jobs.take_results(is_exact)
            rounds[server.name].append(figures)
            shown = "  ".join(
                f"{clients} clients {figures[f'jobs_per_second_{clients}']:5.0f}/s" for clients in CLIENTS
            )
            report(f"round {number + 1}/{plan.rounds}  {server.name:16}  {shown}")
    return {
        name: {key: statistics.median(each[key] for each in figures) for key in figures[0]}
        for name, figures in rounds.items()
    }


def find_peers(
    servers: Sequence[PictureServer], medians: dict[str, dict[str, float]], copies: int | None
) -> list[float]:
    """Return the jobs a second at the most clients of the other servers that were measured.

    Args:
        servers: of the comparison.
        medians: of their figures.
        copies: those that have so many; None for all.
    """
    key = f"jobs_per_second_{CLIENTS[-1]}"
    return [
        medians[server.name][key]
        for server in servers
        if not server.model and server.name in medians and copies in (None, server.copies)
    ]


def list_goals(servers: Sequence[PictureServer], medians: dict[str, dict[str, float]]) -> list[Goal]:
    """Return the goals of the picture job for which the servers were measured.

    Args:
        servers: of the comparison.
        medians: of their figures.
    """
    if not {"psc", "psc-batches"} <= set(medians):
        return []
    plain, batches = medians["psc"], medians["psc-batches"]
    rate = batches["jobs_per_second_64"]
    goals = [
        Goal("jobs/s at 64 clients, one by one to batches", plain["jobs_per_second_64"] / rate, 1 / 8),
        Goal("p50 at 1 client, batches to one by one", batches["run_p50_1_ms"] / plain["run_p50_1_ms"], 1.1),
        Goal("web process, ms of CPU a job at 64 clients", batches["children_cpu_64_ms"], 0.6),
    ]
    if peers := find_peers(servers, medians, copies=1):
        goals.append(Goal("jobs/s at 64 clients, best other server with one copy to batches", max(peers) / rate, 1.0))
    return goals


def to_markdown(servers: Sequence[PictureServer], medians: dict[str, dict[str, float]], goals: Sequence[Goal]) -> str:
    """Return the figures as Markdown.

    Args:
        servers: of the comparison.
        medians: of their figures.
        goals: to show below.
    """
    head = (
        "server",
        "copies",
        *(f"jobs/s, {clients} client{'s' * (clients > 1)}" for clients in CLIENTS),
        *(f"p50, {clients}" for clients in CLIENTS),
        "CPU a job",
        "web",
        "model",
    )
    rows = []
    for server in servers:
        figures = medians[server.name]
        most = CLIENTS[-1]
        split = [f"{figures[f'{name}_cpu_{most}_ms']:.2f} ms" for name in ("children", "grandchildren")]
        rows.append(
            [
                server.label,
                str(server.copies),
                *(f"{figures[f'jobs_per_second_{clients}']:.0f}" for clients in CLIENTS),
                *(f"{figures[f'run_p50_{clients}_ms']:.1f} ms" for clients in CLIENTS),
                f"{figures[f'cpu_{most}_ms']:.2f} ms",
                # of the other servers it is not known which process does what
                *(split if server.model else ["", ""]),
            ]
        )
    parts = [make_table(head, rows), *([show_goals(list(goals))] if goals else [])]
    return "\n\n".join(parts)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write figures to a file.

    Args:
        path: of the file.
        content: plain data.
    """
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
