"""What the template offers: base images, sets of packages, and versions.

All is read from the template's files at each call.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "{{cookiecutter.model_slug}}"
REQUIREMENTS = ROOT / "templates" / "requirements"

#: What the question for the base image shows where none is recommended; Enter there is refused.
NO_IMAGE = "none is known for these answers: type the name of one"

Row = dict[str, Any]


class Stack(NamedTuple):
    """The four answers that decide which base image and packages are used."""

    framework: str
    python_version: str
    accelerator: str
    image_registry: str

    @classmethod
    def of(cls, answers: Mapping[str, Any]) -> Stack:
        """Return the four of all answers."""
        return cls(*(str(answers[field]) for field in cls._fields))

    def __str__(self) -> str:
        return " ".join(f"{field}={value}" for field, value in zip(self._fields, self, strict=True))

    def recommended_image(self) -> str:
        """Return the first base image of the table that serves these answers; nothing if none does."""
        for row in base_images():
            if (
                row["python"] == self.python_version
                and row["registry"] == self.image_registry
                and self.accelerator in row["accelerators"]
                and self.framework in row["frameworks"]
            ):
                return str(row["image"])
        return ""

    def has_framework(self, image: str) -> bool:
        """Return whether a base image contains the framework."""
        return any(
            row["image"] == image
            and row["python"] == self.python_version
            and row["contains"] != "none"
            and self.framework in row["frameworks"]
            for row in base_images()
        )

    def packages(self, image: str = "") -> list[str] | None:
        """Return what the framework adds to `requirements.in` for a base image; None if there is no such set."""
        if self.framework == "none":
            return []
        for row in framework_versions():
            fits = row["framework"] == self.framework and self.python_version in row["pythons"]
            if fits and image in row.get("images", [image]):
                return list(row[self.accelerator])
        return None

    def version(self, image: str = "") -> tuple[int, ...]:
        """Return the framework's version; it is empty without a framework."""
        packages = self.packages(image)
        # a build for the CPU is pinned as 2.14.1+cpu
        return tuple(map(int, packages[0].split("==")[1].partition("+")[0].split("."))) if packages else ()

    def pins(self, image: str = "") -> str:
        """Return the name of the file that pins the packages."""
        return self._pins(image, self.accelerator)

    def image_pins(self, image: str) -> str:
        """Return the name of the file that pins what a base image with the framework lacks."""
        return self._pins(image, "image")

    def _pins(self, image: str, kind: str) -> str:
        version = ".".join(map(str, self.version(image)))
        parts = [self.framework, version, kind] if version else [self.framework]
        return "-".join([*parts, self.python_version]) + ".txt"

    def tool_pins(self, image: str = "") -> str:
        """Return the name of the file that pins the tools: the set's own, or that of its Python."""
        own = f"dev/{self.pins(image)}"
        return own if (REQUIREMENTS / own).is_file() else f"dev/{self.python_version}.txt"

    def has_packages(self) -> bool:
        """Return whether its packages are pinned."""
        return (REQUIREMENTS / self.pins()).is_file()


def base_images() -> list[Row]:
    """Return the table of base images."""
    return _parse((ROOT / "templates" / "images.yaml").read_text(encoding="utf-8"))


def full_image_name(image: str) -> str:
    """Return the name of an image with its registry, which Docker adds to a name without one."""
    first, slash, _ = image.partition("/")
    if slash and (first == "localhost" or "." in first or ":" in first):
        return image
    return f"docker.io/{image}" if slash else f"docker.io/library/{image}"


def framework_versions() -> list[Row]:
    """Return what the frameworks add to `requirements.in`; the file explains how it is read."""
    return _parse((REQUIREMENTS / "versions.yaml").read_text(encoding="utf-8"))


@functools.cache
def _parse(text: str) -> list[Row]:
    # one rendering reads each file a dozen times
    rows: list[Row] = yaml.safe_load(text)
    return rows


def runtime_version() -> str:
    """Return the version of the runtime, which is that of the template."""
    text = (TEMPLATE / "flask_psc_model" / "version.py").read_text(encoding="utf-8")
    (version,) = re.findall(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    return str(version)


def tool_version(name: str) -> str:
    """Return the version of a tool with which the template's own tests check generated repositories."""
    pins = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8")
    (version,) = re.findall(rf"^{name}==(\S+)", pins, re.MULTILINE)
    return str(version)
