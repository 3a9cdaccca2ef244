"""Generates a repository, starts its server and runs a job.

`make demo` runs it. At the end, however it comes, the server is stopped and the folder is removed.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType
from typing import NoReturn

from commands import CommandFailed, run
from console import Console
from environment import Environment
from server import Server, ServerFailed

ROOT = Path(__file__).resolve().parents[1]

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

COLOR = "ffaa00"


class Demo:
    """The steps, in a folder that the caller removes."""

    STEPS = 6

    def __init__(self, folder: Path, console: Console) -> None:
        """Choose the folder, and where to show what is done."""
        self.folder = folder
        self.console = console

    def run(self) -> None:
        """Run all steps.

        Raises:
            CommandFailed, ServerFailed: one of them does not work.
        """
        python_version = nearest(choices("python_version"), sys.version_info[1])
        self.console.say("From nothing to a running model in about a minute. Press Ctrl-C to stop and clean up.")
        repository = self.generate(python_version)
        environment = self.install(repository)
        self.console.step("Starting the server, Gunicorn, on a free port")
        with Server(repository, environment.variables()) as server:
            try:
                self.console.command(f"PSC_MODEL_PORT={server.url.rpartition(':')[2]} ./entrypoint.sh")
                self.wait_for_model(server)
                self.run_job(server, repository, environment)
                self.stop(server)
            except Exception as error:
                raise ServerFailed(f"{error}\n\nThe server's log:\n{server.read_log()}") from error
        self.show_next_steps(python_version, repository.name)

    def generate(self, python_version: str) -> Path:
        """Generate a repository with the defaults; return its folder."""
        self.console.step("Generating a repository with the default answers in a temporary folder")
        self.console.command(f"cookiecutter {shlex.quote(str(ROOT))} --no-input python_version={python_version}")
        config = self.folder / "cookiecutter.yaml"
        # neither takes settings from the home folder nor leaves a replay file there
        config.write_text(json.dumps({"replay_dir": str(self.folder / "replay")}), encoding="utf-8")
        output = self.folder / "output"
        command = [sys.executable, "-m", "cookiecutter", str(ROOT), "--no-input", f"python_version={python_version}"]
        # Cookiecutter leaves the hooks that it has run in the folder for temporary files
        variables = {**os.environ, "TMPDIR": str(self.folder)}
        run([*command, "--output-dir", output, "--config-file", config], environment=variables)
        (repository,) = output.iterdir()
        files = sum(path.is_file() for path in repository.rglob("*"))
        self.console.say(f"{repository}: {files} files")
        return repository

    def install(self, repository: Path) -> Environment:
        """Install the repository's requirements in a virtual environment of its own."""
        self.console.step("Installing the requirements in a virtual environment (a few seconds)")
        self.console.command("python -m venv .venv && . .venv/bin/activate")
        environment = Environment(repository / ".venv")
        environment.create()
        self.console.command("pip install -r requirements.txt")
        environment.install("-r", repository / "requirements.txt", console=self.console)
        return environment

    def wait_for_model(self, server: Server) -> None:
        """Wait until the model is loaded."""
        self.console.step("Waiting until the model is loaded")
        self.console.command(f"curl -s {server.url}/status")
        self.console.say(json.dumps(server.wait_until_ready()))

    def run_job(self, server: Server, repository: Path, environment: Environment) -> None:
        """Run a job, and show its results."""
        self.console.step(f"Running a job that finds the colours nearest to {COLOR}")
        data = self.folder / "data"
        data.mkdir()
        self.console.command(f"echo {COLOR} > {data}/input.txt")
        (data / "input.txt").write_text(COLOR + "\n", encoding="utf-8")
        job = ["-m", "flask_psc_model.cli.run_job", "--url", server.url, "--input", str(data), "--output", str(data)]
        self.console.command(shlex.join(["python", *job]))
        self.console.say(run([environment.python, *job], folder=repository, environment=environment.variables()))
        self.console.command(f"cat {data}/results.json")
        results = (data / "results.json").read_text(encoding="utf-8")
        self.console.say(results)
        names = [prediction["name"] for prediction in json.loads(results)["predictions"]]
        if "orange" not in names[:3]:
            raise ServerFailed(f"expected orange among the first three colours for {COLOR}, got {', '.join(names[:3])}")

    def stop(self, server: Server) -> None:
        """Shut down the server, and check its exit code."""
        self.console.step("Shutting down the server")
        self.console.command(f"curl -s -X POST {server.url}/shutdown")
        status, answer = server.post("/shutdown")
        self.console.say(json.dumps(answer))
        code = server.wait()
        self.console.say(f"Exit code of the server: {code}")
        if status != 202 or code:
            raise ServerFailed(f"shutting down: expected status 202 and exit code 0, got {status} and {code}")

    def show_next_steps(self, python_version: str, name: str) -> None:
        """Show the commands that do the same by hand."""
        self.console.success("Everything worked. The server is stopped and the folder is removed.")
        cookiecutter = Path(sys.executable).with_name("cookiecutter")
        self.console.say(f"""
To do the same by hand, in a folder of your own:

  {shlex.join([str(cookiecutter), str(ROOT)])} python_version={python_version}
  cd {name}
  python3 -m venv .venv && . .venv/bin/activate
  pip install -r requirements.txt
  python -m unittest
  PSC_MODEL_PORT=8080 ./entrypoint.sh

Then put your own model in model_lib/model.py. README.md in that folder explains the rest.
""")


def choices(question: str) -> list[str]:
    """Return the choices of one of the template's questions."""
    content = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
    return list(content[question])


def nearest(versions: list[str], minor: int) -> str:
    """Return the version of Python 3 that is nearest to one."""
    return min(versions, key=lambda version: abs(int(version.split(".")[1]) - minor))


def interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """End the demo on a signal. Further signals do not interrupt the clean-up."""
    for one in SIGNALS:
        signal.signal(one, signal.SIG_IGN)
    print("\nStopping the server and removing the folder.", file=sys.stderr)
    sys.exit(128 + number)


def main() -> None:
    """Run the demo."""
    for number in SIGNALS:
        signal.signal(number, interrupt)
    console = Console(Demo.STEPS)
    try:
        with tempfile.TemporaryDirectory(prefix="psc-model-demo-") as folder:
            Demo(Path(folder), console).run()
    except (CommandFailed, ServerFailed, OSError) as error:
        console.error(f"error: {error}")
        sys.exit(1)


if __name__ == "__main__":
    main()
