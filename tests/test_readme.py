"""README.md and the other pages: their links have targets, and their tables match the repository."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from repository import QUESTIONS, ROOT, TEMPLATE
from test_documents import find_rows_outside_tables

from template_extensions.images import base_images

RUNTIME = TEMPLATE / "flask_psc_model"
FOLDERS = ("", "docs/", "tests/", "benchmarks/", "examples/")
PAGES = sorted(page for folder in FOLDERS for page in ROOT.glob(f"{folder}*.md"))
MARKDOWN = MarkdownIt("commonmark").enable("table")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


@each_page
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    broken = []
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.is_relative_to(ROOT) or not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@each_page
def test_no_table_is_broken_by_a_blank_line(page: Path) -> None:
    assert find_rows_outside_tables(read(page)) == []


def test_the_readme_links_to_every_page() -> None:
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in links(ROOT / "README.md")}
    assert set(ROOT.glob("*.md")) | set(ROOT.glob("docs/*")) <= linked | {
        ROOT / "README.md",
        ROOT / "docs" / "session.svg",
    }


@each_page
def test_no_page_names_a_tag(page: Path) -> None:
    assert re.findall(r"\bv\d+\.\d+\.\d+\b", read(page)) == [], "the template has no tag"


@each_page
def test_every_make_target_is_there(page: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", read(ROOT / "Makefile"), re.MULTILINE)
    named = re.findall(r"(?:^ *|`)make ([a-z-]+)", read(page), re.MULTILINE)
    assert [name for name in named if name not in targets] == []


def test_the_quick_start_says_which_python_the_default_answers_need() -> None:
    (steps,) = re.findall(r"\n## Quick start\n(.*?)\n## ", read(ROOT / "README.md"), re.DOTALL)
    default = QUESTIONS["python_version"][0]
    assert re.findall(r"python([\d.]+) -m venv", steps) == [default]
    assert f"Python {default}" in steps
    assert "python_version=" in steps
    # Debian's Python refuses this
    assert "pip install cookiecutter" not in steps


def test_the_table_of_questions_is_that_of_the_template() -> None:
    rows = table(ROOT / "README.md", "key")
    assert [row[0] for row in rows] == [f"`{key}`" for key in QUESTIONS if not key.startswith("_")]
    for key, default, choices, _ in rows:
        answer = QUESTIONS[key.strip("`")]
        if isinstance(answer, list):
            assert default == f"`{answer[0]}`", key
            assert choices == ", ".join(f"`{choice}`" for choice in answer), key
        elif default.startswith("`"):
            assert default == f"`{answer}`", key


def test_the_table_of_base_images_is_that_of_the_template() -> None:
    rows = [
        [
            f"`{row['image']}`",
            row["python"],
            row["registry"],
            ", ".join(row["accelerators"]),
            ", ".join(row["frameworks"]),
            "" if row["contains"] == "none" else row["contains"],
        ]
        for row in base_images()
    ]
    assert table(ROOT / "docs" / "base-images.md", "image") == rows


def test_the_packages_of_the_server_are_named() -> None:
    requirements = read(TEMPLATE / "requirements.in")
    packages = set(re.findall(r"^([a-z-]+)$", requirements, re.MULTILINE))
    page = read(ROOT / "docs" / "existing-repositories.md")
    (named,) = re.findall(r"the packages of the server: (.*?);", page)
    assert set(re.findall(r"`(.*?)`", named)) == packages


def test_the_packages_and_modules_of_the_server_are_named() -> None:
    named = {cells[0]: set(re.findall(r"`([\w/]+)`", cells[2])) for cells in table(page_of_architecture(), "package")}
    there = {"root": modules(RUNTIME)}
    there |= {
        f"`{folder.name}/`": modules(folder) | packages(folder) for folder in RUNTIME.iterdir() if is_package(folder)
    }
    assert named == there


def test_every_file_that_is_explained_is_there() -> None:
    paths = [row[0].strip("`") for row in table(page_of_architecture(), "path")]
    assert "hooks/" in paths
    assert [path for path in paths if not (ROOT / path).exists()] == []
    start = re.findall(r"`((?:model_lib|flask_psc_model)/[\w/]+\.py)`", read(page_of_architecture()))
    assert [path for path in start if not (TEMPLATE / path).exists()] == []


def page_of_architecture() -> Path:
    """Return the page about the server's packages."""
    return ROOT / "docs" / "architecture.md"


def read(path: Path) -> str:
    """Return the text of a file."""
    return path.read_text(encoding="utf-8")


def tokens(page: Path) -> Iterator[Token]:
    """Yield the tokens of a page, those inside a line too."""
    for token in MARKDOWN.parse(read(page)):
        yield token
        yield from token.children or []


def links(page: Path) -> list[str]:
    """Return the targets of all links and pictures that are files of this repository."""
    found = [
        str(token.attrGet("href") or token.attrGet("src"))
        for token in tokens(page)
        if token.type in ("link_open", "image")
    ]
    return [link for link in found if not re.match(r"https?://", link)]


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    found: Counter[str] = Counter()
    before = None
    names = set()
    for token in tokens(page):
        if token.type == "inline" and before == "heading_open":
            text = "".join(child.content for child in token.children or [])
            name = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            names.add(f"{name}-{found[name]}" if found[name] else name)
            found[name] += 1
        before = token.type
    return names


def table(page: Path, head: str) -> list[list[str]]:
    """Return the cells of the rows of the table whose first column has a head."""
    (text,) = re.findall(rf"^\| {head} \|.*\n\|[-|: ]+\n((?:\|.*\n)+)", read(page), re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|\n").split("|")] for line in text.splitlines()]


def is_package(folder: Path) -> bool:
    """Return whether a folder holds Python modules."""
    return folder.is_dir() and any(folder.glob("*.py"))


def modules(folder: Path) -> set[str]:
    """Return the names of the modules in a folder."""
    return {path.stem for path in folder.glob("[!_]*.py")}


def packages(folder: Path) -> set[str]:
    """Return the names of the packages in a folder."""
    return {f"{path.name}/" for path in folder.iterdir() if is_package(path)}
