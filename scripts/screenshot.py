"""Takes the picture of the page in README.md.

`make screenshot` runs it. It generates a repository with the default answers, starts its
development server, runs an example in a browser and takes a screenshot.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from browser import NoBrowser, open_browser
from commands import CommandFailed, run
from console import Console
from environment import Environment
from playwright.sync_api import Error, ViewportSize
from server import Server, ServerFailed

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "page.png"
SIZE: ViewportSize = {"width": 960, "height": 1080}
EXAMPLE = "six-digits"


def main() -> None:
    """Take the picture."""
    console = Console(3)
    try:
        with tempfile.TemporaryDirectory(prefix="psc-model-screenshot-") as folder:
            console.step("Generating a repository with the default answers in a temporary folder")
            repository = generate(Path(folder))
            console.step("Starting the development server")
            # what it needs is installed beside the tools of the tests
            with Server(repository, Environment(Path(sys.prefix)).variables(), "python", "app.py") as server:
                server.wait_until_ready()
                console.step("Running an example in a browser and taking the picture")
                take(server.url)
    except (CommandFailed, ServerFailed, NoBrowser, Error) as error:
        console.error(f"error: {error}")
        sys.exit(1)
    console.success(f"The picture is {PICTURE.relative_to(ROOT)}.")


def generate(folder: Path) -> Path:
    """Generate a repository below a folder, and return its own."""
    config = folder / "cookiecutter.yaml"
    config.write_text(json.dumps({"replay_dir": str(folder / "replay")}), encoding="utf-8")
    output = folder / "output"
    options = ("--no-input", "-o", output, "--config-file", config)
    run([sys.executable, "-m", "cookiecutter", ROOT, *options, "author=Your Name"])
    (repository,) = output.iterdir()
    return repository


def take(url: str) -> None:
    """Run an example on the page of a server, and save what the browser shows."""
    with open_browser() as browser:
        page = browser.new_page(viewport=SIZE, color_scheme="light", reduced_motion="reduce")
        page.goto(url)
        page.get_by_text("the model is ready").wait_for()
        page.get_by_role("button", name=EXAMPLE).click()
        page.get_by_text("Done in").wait_for()
        page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
        PICTURE.parent.mkdir(exist_ok=True)
        page.screenshot(path=PICTURE)


if __name__ == "__main__":
    main()
