"""Renews the pinned requirements: of the generated repositories, of the examples, and of this repository.

`make lock` runs it; it needs uv. `make lock FRAMEWORKS=pytorch` renews the pins of one framework only.
"""

from __future__ import annotations

import itertools
import json
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from commands import CommandFailed, run
from console import Console
from jinja2 import Environment, FileSystemLoader

from template_extensions import TemplateExtension
from template_extensions.images import Stack, base_images

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "{{cookiecutter.model_slug}}"
PINS = ROOT / "templates" / "requirements"
TOOL_PINS = PINS / "dev"
QUESTIONS: dict[str, Any] = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))

#: The examples, and the Python for which their requirements are pinned.
EXAMPLES = ROOT / "examples"
EXAMPLES_PYTHON = "3.12"

#: The oldest Python on which the template itself is used.
OLDEST_PYTHON = "3.10"

#: The system of the base images.
PLATFORM = "x86_64-manylinux_2_28"

#: What marks a build of torch for the CPU, which PyPI does not have: its version is that of the others there.
CPU_BUILD = "+cpu"

#: The packages by which a framework brings CUDA; its builds for the CPU need none of them.
CUDA = re.compile(r"^((?:nvidia|cuda)-[\w-]+|triton)==", re.MULTILINE)


def main() -> None:
    """Renew every file, or those of the frameworks on the command line."""
    frameworks = sys.argv[1:]
    sets = [each for each in find_sets() if not frameworks or each.stack.framework in frameworks]
    console = Console()
    try:
        with ThreadPoolExecutor(8) as pool:
            for line in pool.map(renew_set, sets):
                console.say(line)
            for line in () if frameworks else renew_tools(pool):
                console.say(line)
            for line in () if frameworks else pool.map(renew_example, sorted(EXAMPLES.glob("*/requirements.in"))):
                console.say(line)
        for name in () if frameworks else ("requirements", "requirements-dev"):
            source = ROOT / f"{name}.in"
            line = renew(source.with_suffix(".txt"), source, "--python-version", OLDEST_PYTHON, "--universal")
            console.say(line)
    except CommandFailed as error:
        console.error(str(error))
        sys.exit(1)


class PackageSet(NamedTuple):
    """Packages that go together for the answers, in a file of `templates/requirements`."""

    pins: str
    stack: Stack
    image: str
    inside: bool


def find_sets() -> list[PackageSet]:
    """List every set of packages that can be had, each once."""
    choices = [QUESTIONS[field] for field in ("framework", "python_version", "accelerator")]
    images = ["", *(row["image"] for row in base_images() if row["contains"] != "none")]
    sets = {}
    for framework, python, accelerator, image in itertools.product(*choices, images):
        stack = Stack(framework, python, accelerator, "public")
        if stack.packages(image) is None:
            continue
        inside = stack.has_framework(image)
        if not image or inside:
            pins = stack.pins(image)
            sets[pins] = PackageSet(pins, stack, image, inside=False)
        if inside:
            pins = stack.image_pins(image)
            sets[pins] = PackageSet(pins, stack, image, inside=True)
    return list(sets.values())


def renew_set(wanted: PackageSet) -> str:
    """Pin a set of packages; return a line about it."""
    stack, options = wanted.stack, target(wanted.stack.python_version)
    with TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "requirements.in"
        packages = list_packages(stack, wanted.image)
        source.write_text(packages.replace(CPU_BUILD, ""), encoding="utf-8")
        framework = folder / "framework.in"
        framework.write_text("\n".join(stack.packages(wanted.image) or []).replace(CPU_BUILD, ""), encoding="utf-8")
        needed = resolve(framework, *options)
        if wanted.inside:
            for package in re.findall(r"^([\w.-]+)==", needed, re.MULTILINE):
                options += ["--no-emit-package", package]
        elif stack.accelerator == "cpu":
            excludes = folder / "excludes.txt"
            excludes.write_text("\n".join(CUDA.findall(needed)), encoding="utf-8")
            options += ["--excludes", excludes.name]
        pinned = resolve(source, *options)
        for build in re.findall(rf"^(\S+){re.escape(CPU_BUILD)}$", packages, re.MULTILINE):
            pinned = pinned.replace(f"{build}\n", f"{build}{CPU_BUILD}\n")
        return write(PINS / wanted.pins, pinned)


def renew_tools(pool: ThreadPoolExecutor) -> Iterator[str]:
    """Pin the tools of generated repositories, so that installing them changes no pin of theirs.

    There is one file for each Python; a set that needs other versions has one of its own.
    """
    stacks = {packages.pins: packages.stack for packages in find_sets() if not packages.inside}
    pinned = dict(zip(stacks, pool.map(pin_tools, stacks, stacks.values()), strict=True))
    texts = {}
    for pins, stack in stacks.items():
        common = pinned[Stack("none", stack.python_version, "cpu", "public").pins()]
        if list_pins(pinned[pins]) == list_pins(common):
            texts[f"{stack.python_version}.txt"] = common
        else:
            texts[pins] = pinned[pins]
    for path in set(TOOL_PINS.glob("*.txt")) - {TOOL_PINS / name for name in texts}:
        path.unlink()
        yield f"{path.relative_to(ROOT)}: removed"
    for name, text in texts.items():
        yield write(TOOL_PINS / name, text)


def pin_tools(pins: str, stack: Stack) -> str:
    """Return the pins of the tools that go with a file of pins."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "requirements-dev.in"
        source.write_bytes((TEMPLATE / source.name).read_bytes())
        # the constraints that the source names
        constraints = (PINS / pins).read_text(encoding="utf-8").replace(CPU_BUILD, "")
        (folder / "requirements.txt").write_text(constraints, encoding="utf-8")
        return resolve(source, *target(stack.python_version))


def renew_example(source: Path) -> str:
    """Pin the requirements of an example, below the title of its pins; return a line about it."""
    pins = source.with_suffix(".txt")
    title = re.findall(r"\A(?:#.*\n)*", pins.read_text(encoding="utf-8"))[0]
    return write(pins, title + resolve(source, *target(EXAMPLES_PYTHON)))


def list_pins(text: str) -> set[str]:
    """Return the lines that pin a package."""
    return set(re.findall(r"^[\w.-]+==\S+", text, re.MULTILINE))


def write(path: Path, text: str) -> str:
    """Write a file; return a line about it."""
    changed = not path.exists() or path.read_text(encoding="utf-8") != text
    path.write_text(text, encoding="utf-8")
    return f"{path.relative_to(ROOT)}: {'renewed' if changed else 'unchanged'}"


def target(python: str) -> list[str]:
    """Return uv's options for the Python and the system."""
    # without a patch version uv reads 3.6 as 3.6.0, which is too old for torch
    return ["--python-version", {"3.6": "3.6.15"}.get(python, python), "--python-platform", PLATFORM]


def list_packages(stack: Stack, image: str) -> str:
    """Return the requirements in a generated repository's `requirements.in`.

    PyTorch's index is omitted.
    """
    environment = Environment(loader=FileSystemLoader(PINS.parent), extensions=[TemplateExtension])
    template = environment.from_string((TEMPLATE / "requirements.in").read_text(encoding="utf-8"))
    text = template.render(cookiecutter={**stack._asdict(), "base_image": image})
    return re.sub("^--.*", "", text, flags=re.MULTILINE)


def renew(pins: Path, source: Path, *options: str) -> str:
    """Pin the requirements of a file to the newest compatible versions; return a line about it."""
    before = pins.read_text(encoding="utf-8") if pins.exists() else ""
    resolve(source, *options, "--output-file", str(pins))
    changed = before != pins.read_text(encoding="utf-8")
    return f"{pins.relative_to(ROOT)}: {'renewed' if changed else 'unchanged'}"


def resolve(source: Path, *options: str) -> str:
    """Let uv find the newest compatible versions of the requirements of a file; return its output."""
    command = [sys.executable, "-m", "uv", "--no-python-downloads", "pip", "compile"]
    options = ("--quiet", "--no-header", "--upgrade", *options)
    # run beside the file, so that the comments in the pins name it without a folder
    return run([*command, *options, source.name], folder=source.parent)


if __name__ == "__main__":
    main()
