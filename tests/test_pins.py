"""The pinned requirements of every framework, Python and accelerator."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lock import CPU_BUILD, CUDA, PINS, TOOL_PINS, PackageSet, find_sets, list_pins, resolve, target

from template_extensions.images import base_images, framework_versions

if TYPE_CHECKING:
    from conftest import Bake

SETS = find_sets()

each_set = pytest.mark.parametrize("packages", SETS, ids=[packages.pins for packages in SETS])


def read_pins(name: str) -> set[str]:
    """Return what a file of `templates/requirements` pins."""
    return list_pins((PINS / name).read_text(encoding="utf-8"))


def test_every_set_is_pinned_and_nothing_else() -> None:
    assert {path.name for path in PINS.glob("*-3.*.txt")} == {packages.pins for packages in SETS}


def test_every_image_of_the_versions_is_a_base_image_that_holds_the_framework() -> None:
    images = {image for row in framework_versions() for image in row.get("images", [])}
    assert images
    assert images <= {row["image"] for row in base_images() if row["contains"] != "none"}


@pytest.mark.parametrize(
    "packages",
    [packages for packages in SETS if packages.inside or packages.stack.accelerator == "cpu"],
    ids=lambda each: each.pins,
)
def test_the_cpu_pins_nothing_for_cuda(packages: PackageSet) -> None:
    assert not CUDA.search((PINS / packages.pins).read_text(encoding="utf-8"))


@each_set
def test_a_build_of_pytorch_for_the_cpu_is_pinned_as_such(packages: PackageSet) -> None:
    torch = {pin for pin in read_pins(packages.pins) if pin.startswith("torch==")}
    is_cpu = packages.stack.accelerator == "cpu"
    assert {pin.endswith(CPU_BUILD) for pin in torch} <= {is_cpu}
    assert len(torch) == (packages.stack.framework == "pytorch" and not packages.inside)


@pytest.mark.parametrize("packages", [packages for packages in SETS if packages.inside], ids=lambda each: each.pins)
def test_an_image_that_has_the_framework_keeps_what_the_framework_brought(packages: PackageSet) -> None:
    everything, rest = read_pins(packages.stack.pins(packages.image)), read_pins(packages.pins)
    assert rest < everything
    assert not re.search(r"^(torch|tensorflow\S*|keras|numpy)==", "\n".join(rest), re.MULTILINE)
    assert {"flask", "gunicorn", "pyyaml"} <= {pin.split("==")[0] for pin in rest}


@pytest.mark.network
@each_set
def test_the_pins_go_together_and_miss_nothing(packages: PackageSet, tmp_path: Path) -> None:
    pinned = read_pins(packages.pins)
    source = tmp_path / "requirements.txt"
    pinned = {pin.replace(CPU_BUILD, "") for pin in pinned}
    source.write_text("\n".join(pinned), encoding="utf-8")
    options = target(packages.stack.python_version)
    resolved = resolve(source, *options)
    if packages.stack.accelerator == "cpu":
        # PyPI has torch with CUDA only; its builds for the CPU, elsewhere, do not need that
        excludes = tmp_path / "excludes.txt"
        excludes.write_text("\n".join(CUDA.findall(resolved)), encoding="utf-8")
        resolved = resolve(source, *options, "--excludes", excludes.name)
    assert pinned <= list_pins(resolved)
    if not packages.inside:
        assert pinned == list_pins(resolved)


INSTALLED = [packages for packages in SETS if not packages.inside]


def test_the_tools_are_pinned_for_every_python_and_nothing_else() -> None:
    used = {packages.stack.tool_pins(packages.image) for packages in INSTALLED}
    assert {f"dev/{path.name}" for path in TOOL_PINS.iterdir()} == used


@pytest.mark.parametrize("packages", INSTALLED, ids=[packages.pins for packages in INSTALLED])
def test_the_tools_change_no_pin(packages: PackageSet) -> None:
    versions = dict(pin.split("==") for pin in read_pins(packages.pins))
    tools = dict(pin.split("==") for pin in read_pins(packages.stack.tool_pins(packages.image)))
    assert {name: versions.get(name, version) for name, version in tools.items()} == tools
    assert "jsonschema" in tools


@pytest.mark.network
@pytest.mark.parametrize(
    "packages",
    [packages for packages in SETS if not packages.inside and packages.stack.accelerator == "cuda"],
    ids=lambda each: each.pins,
)
def test_ray_goes_with_the_pins(packages: PackageSet, bake: Bake, tmp_path: Path) -> None:
    python = packages.stack.python_version
    (ray,) = list_pins(bake(python_version=python).read("requirements-ray.txt"))
    pinned = read_pins(packages.pins)
    source = tmp_path / "requirements.txt"
    source.write_text("\n".join([*pinned, ray]), encoding="utf-8")
    assert pinned < list_pins(resolve(source, *target(python)))
