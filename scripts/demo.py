"""Shows the whole path: generates a repository, serves its model, and runs a job.

`make demo` runs it. Nothing of it stays: not the server, not the folder.
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
        """Do all steps.

        Raises:
            CommandFailed, ServerFailed: one of them does not work.
        """
        python_version = nearest(choices("python_version"), sys.version_info[1])
        self.console.say("From nothing to a running model, in less than a minute. Ctrl-C stops it and cleans up.")
        repository = self.generate(python_version)
        environment = self.install(repository)
        self.console.step("Starting its server, Gunicorn, on a free port of this machine")
        with Server(repository, environment.variables()) as server:
            try:
                self.console.command(f"PSC_MODEL_PORT={server.url.rpartition(':')[2]} ./entrypoint.sh")
                self.wait_for_model(server)
                self.run_job(server, repository, environment)
                self.stop(server)
            except Exception as error:
                raise ServerFailed(f"{error}\n\nThe server's log:\n{server.read_log()}") from error
        self.say_how_to_go_on(python_version, repository.name)

    def generate(self, python_version: str) -> Path:
        """Generate a repository with the defaults; return its folder."""
        self.console.step("Generating a repository with the defaults, in a temporary folder")
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
        self.console.step("Installing its requirements in a virtual environment (a few seconds)")
        self.console.command("python -m venv .venv && . .venv/bin/activate")
        environment = Environment(repository / ".venv")
        environment.create()
        self.console.command("pip install -r requirements.txt")
        environment.install("-r", repository / "requirements.txt", console=self.console)
        return environment

    def wait_for_model(self, server: Server) -> None:
        """Wait until the model is loaded."""
        self.console.step("Waiting for the model to be loaded")
        self.console.command(f"curl -s {server.url}/status")
        self.console.say(json.dumps(server.wait_until_ready()))

    def run_job(self, server: Server, repository: Path, environment: Environment) -> None:
        """Run the job of the guide, and show its results."""
        self.console.step("Running a job: which colours are nearest to " + COLOR)
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
            raise ServerFailed(f"orange is not among the three colours nearest to {COLOR}")

    def stop(self, server: Server) -> None:
        """Shut the server down, and look at its exit code."""
        self.console.step("Shutting the server down")
        self.console.command(f"curl -s -X POST {server.url}/shutdown")
        status, answer = server.post("/shutdown")
        self.console.say(json.dumps(answer))
        code = server.wait()
        self.console.say(f"The server's exit code: {code}")
        if status != 202 or code:
            raise ServerFailed("the server did not shut down as it should: 202 and exit code 0 were expected")

    def say_how_to_go_on(self, python_version: str, name: str) -> None:
        """Tell the commands that do the same by hand."""
        self.console.success("All of it worked, and nothing of it is left.")
        cookiecutter = Path(sys.executable).with_name("cookiecutter")
        self.console.say(f"""
To go on by hand, in a folder of your own:

  {shlex.join([str(cookiecutter), str(ROOT)])} python_version={python_version}
  cd {name}
  python3 -m venv .venv && . .venv/bin/activate
  pip install -r requirements.txt
  python -m unittest
  PSC_MODEL_PORT=8080 ./entrypoint.sh

Then put your own model in model_lib/model.py; README.md there has the rest.
""")


def choices(question: str) -> list[str]:
    """Return the choices of one of the template's questions."""
    content = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
    return list(content[question])


def nearest(versions: list[str], minor: int) -> str:
    """Return the version of Python 3 that is nearest to one."""
    return min(versions, key=lambda version: abs(int(version.split(".")[1]) - minor))


def interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """End the demo on a signal, by way of the clean-up, which no other signal ends."""
    for one in SIGNALS:
        signal.signal(one, signal.SIG_IGN)
    print("\nStopping: the server and the folder are removed.", file=sys.stderr)
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
