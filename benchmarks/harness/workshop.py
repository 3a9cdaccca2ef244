"""Where servers are made ready and started."""

import json
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from .contender import SERVERS, Contender
from .environment import Environment
from .repository import Repository
from .server import Server, find_free_port


class Workshop:
    """The repositories and environments from which servers are started."""

    def __init__(self, template: Path, cache: Path, folder: Path, run_seconds: float) -> None:
        """Render the template.

        Args:
            template: the template's folder.
            cache: the folder that keeps the environments.
            folder: an empty folder for the repositories.
            run_seconds: how long a run of the slow model sleeps.
        """
        self._cache = cache
        self._folder = folder
        self._whole = Repository.render(template, folder / "rendered")
        slow = self._whole.copy_slow(folder / "slow", run_seconds)
        # By whether the model is slow, and whether it stands without its server.
        self._repositories = {
            (False, False): self._whole,
            (True, False): slow,
            (False, True): self._whole.copy_model(folder / "model"),
            (True, True): slow.copy_model(folder / "slow-model"),
        }
        self._gunicorn_settings = "{}"

    def prepare(self, contenders: Iterable[Contender], report: Callable[[str], None]) -> None:
        """Install what the servers need.

        Args:
            contenders: the servers.
            report: is called with a line for each environment that was made.
        """
        for contender in contenders:
            environment = self._environment(contender)
            if environment.install():
                report(f"installed {environment.requirements.name} for {contender.label}")
        # The comparison servers under Gunicorn are as the rendered repository's, whatever else is measured.
        environment = Environment(self._cache, self._whole.requirements)
        environment.install()
        self._gunicorn_settings = json.dumps(self._whole.read_gunicorn_settings(environment))

    def start(self, contender: Contender, is_slow: bool = False) -> Server:
        """Start a server.

        Args:
            contender: which one.
            is_slow: whether its model's run sleeps.
        """
        environment = self._environment(contender)
        folder = self._repositories[is_slow, contender.hosts_model_only].folder
        port = find_free_port()
        if contender.hosts_model_only:
            variables = environment.variables(
                PYTHONPATH=f"{SERVERS}:{folder}", BENCH_GUNICORN_SETTINGS=self._gunicorn_settings
            )
        else:
            variables = environment.variables(PSC_MODEL_HOST="127.0.0.1", PSC_MODEL_PORT=str(port))
        log = self._folder / f"{contender.name}.log"
        return Server(contender.fill_command(environment.python, port), folder, variables, port, log)

    def read_versions(self, contender: Contender) -> dict[str, str]:
        """Return the versions of the packages that make up a server.

        Args:
            contender: the server.
        """
        code = "import json, sys, importlib.metadata as m; print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"
        command = [str(self._environment(contender).python), "-c", code, *contender.packages]
        versions: dict[str, str] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        return versions

    def _environment(self, contender: Contender) -> Environment:
        return Environment(self._cache, contender.requirements or self._whole.requirements)
