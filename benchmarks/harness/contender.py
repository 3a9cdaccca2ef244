"""The servers that are compared."""

from dataclasses import dataclass
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parent.parent
SERVERS = BENCHMARKS / "servers"
REQUIREMENTS = BENCHMARKS / "requirements"

GUNICORN = ("{python}", "-m", "gunicorn", "--config", str(SERVERS / "gunicorn.conf.py"), "--bind", "127.0.0.1:{port}")
GTHREAD = (*GUNICORN, "--worker-class", "gthread")
UVICORN = ("{python}", "-m", "uvicorn", "--host", "127.0.0.1", "--port", "{port}")


@dataclass(frozen=True)
class Contender:
    """One server of the comparison.

    Attributes:
        name: its name on the command line and in the results.
        label: its name in the table.
        command: the program and its arguments; `{python}` and `{port}` are filled in.
        requirements: its pinned packages; None for those of the rendered repository.
        health: the route that answers 200 when it is ready.
        packages: the packages whose versions matter.
        hosts_model_only: whether it runs beside the model alone, not in the whole rendered repository.
    """

    name: str
    label: str
    command: tuple[str, ...]
    requirements: Path | None = None
    health: str = "/status"
    packages: tuple[str, ...] = ("gunicorn", "flask")
    hosts_model_only: bool = True

    def fill_command(self, python: Path, port: int) -> list[str]:
        """Return the command for one start.

        Args:
            python: the interpreter of the server's environment.
            port: where it should listen.
        """
        values = {"{python}": str(python), "{port}": str(port)}
        filled = []
        for word in self.command:
            for mark, value in values.items():
                word = word.replace(mark, value)
            filled.append(word)
        return filled


CONTENDERS = (
    Contender("psc", "this template", ("./entrypoint.sh",), hosts_model_only=False),
    Contender("flask", "Flask, bare", (*GTHREAD, "flask_server:app")),
    Contender("wsgi", "WSGI, bare", (*GTHREAD, "wsgi_server:app")),
    Contender(
        "fastapi",
        "FastAPI",
        (*UVICORN, "--log-level", "warning", "--no-access-log", "fastapi_server:app"),
        REQUIREMENTS / "fastapi.txt",
        packages=("fastapi", "uvicorn"),
    ),
    Contender(
        "litserve",
        "LitServe",
        ("{python}", str(SERVERS / "litserve_server.py"), "{port}"),
        REQUIREMENTS / "litserve.txt",
        packages=("litserve", "uvicorn"),
    ),
    Contender(
        "mosec",
        "mosec",
        (
            *("{python}", str(SERVERS / "mosec_server.py"), "--address", "127.0.0.1", "--port", "{port}"),
            *("--timeout", "60000", "--log-level", "warning"),
        ),
        REQUIREMENTS / "mosec.txt",
        # mosec's routes of its own are POST only; this one shows that its web server is up.
        health="/",
        packages=("mosec",),
    ),
    # With more than one thread Gunicorn would turn the synchronous worker into one with threads.
    Contender("sync", "predecessor", (*GUNICORN, "--worker-class", "sync", "--threads", "1", "sync_server:app")),
)
