"""Records a session in a terminal, as the picture in docs/questions.md.

`make picture` runs it, with the real commands in a temporary folder.
"""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from commands import NO_GIT_CONFIGURATION, run
from console import Console
from environment import Environment
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console as Recorder
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "session.svg"
WIDTH = 122

#: What is typed at the questions; Enter takes what they offer.
TYPED = {"Model name": "Leaf Disease Finder"}
SLUG = "leaf-disease-finder"


def main() -> None:
    """Record the session, and write the picture."""
    console = Console()
    recorder = Recorder(record=True, width=WIDTH, file=open(os.devnull, "w"), force_terminal=True)  # noqa: SIM115
    with TemporaryDirectory() as name:
        for command, output in record(Path(name)):
            console.say(f"$ {command}")
            recorder.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
            recorder.print(Text.from_ansi(output.strip("\n")), "")
    # the fonts of its own are fetched from elsewhere
    layout = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    svg = recorder.export_svg(title="psc-model-template", code_format=layout, unique_id="session")
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE), encoding="utf-8")
    console.say(f"{PICTURE.relative_to(ROOT)}: renewed")


def record(folder: Path) -> Iterator[tuple[str, str]]:
    """Run the commands; yield each as it is shown, and what it writes."""
    settings = folder / "settings.json"
    settings.write_text(json.dumps({"replay_dir": str(folder / "replay")}), encoding="utf-8")
    yield "cookiecutter gh:org/psc-model-template", ask(folder, "--config-file", str(settings))
    environment = Environment(folder / SLUG / ".venv")
    environment.create()
    environment.install("--quiet", "-r", folder / SLUG / "requirements.txt")
    yield f"cd {SLUG} && python3.12 -m venv .venv && . .venv/bin/activate && pip install -q -r requirements.txt", ""
    tests = run(["python", "-m", "unittest"], folder / SLUG, environment.variables())
    yield "python -m unittest", re.sub(r"\.\d+s$", "s", tests, flags=re.MULTILINE)
    yield "ls", run(["ls", "-C", "-w", str(WIDTH)], folder / SLUG)


def ask(folder: Path, *options: str) -> str:
    """Run Cookiecutter on a terminal, and answer its questions; return what the terminal shows."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "cookiecutter", str(ROOT), *options]
    variables = {**os.environ, "COLUMNS": str(WIDTH), "TERM": "xterm-256color", "TMPDIR": str(folder)}
    variables |= NO_GIT_CONFIGURATION
    variables.pop("NO_COLOR", None)
    with subprocess.Popen(command, cwd=folder, env=variables, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = ""
        for text in read(ours):
            shown += text
            if re.search(r"\)(\x1b\[0m)?: $", shown):
                question = shown.splitlines()[-1]
                answer = next((answer for words, answer in TYPED.items() if words in question), "")
                os.write(ours, f"{answer}\n".encode())
    os.close(ours)
    if process.returncode:
        raise RuntimeError(shown)
    return shown.replace("\r\n", "\n")


def read(terminal: int) -> Iterator[str]:
    """Yield what a terminal shows, until nothing holds it any more."""
    while True:
        try:
            content = os.read(terminal, 4096)
        except OSError:
            return
        yield content.decode("utf-8", "replace")


if __name__ == "__main__":
    main()
