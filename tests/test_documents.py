"""The Markdown of a generated repository: its links, its length, and that it names what there is."""

from __future__ import annotations

import functools
import itertools
import posixpath
import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from rendering import Answers, Tree, answer, render
from repository import QUESTIONS, TEMPLATE

# one worker renders them, for all of these tests
pytestmark = pytest.mark.xdist_group("documents")

README = "README.md"
PAGES = "docs/server/"
MOST_LINES = 250

#: Where the base image holds the framework.
WITH_FRAMEWORK = [
    {
        "framework": "pytorch",
        "python_version": "3.12",
        "accelerator": "cuda",
        "base_image": "pytorch/pytorch:2.13.0-cuda13.0-cudnn9-runtime",
    },
    {"framework": "pytorch", "python_version": "3.8", "accelerator": "cuda", "image_registry": "modzy"},
    {"framework": "keras", "python_version": "3.6", "accelerator": "cuda", "image_registry": "modzy"},
]
STACKS = [
    {"framework": framework, "python_version": python}
    for framework, python in itertools.product(QUESTIONS["framework"], QUESTIONS["python_version"])
] + WITH_FRAMEWORK


class Documents:
    """The Markdown of one repository."""

    def __init__(self, answers: Answers) -> None:
        """Render the repository."""
        self.answers = answers
        self.tree: Tree = render(answers)
        self.texts = {name: content.decode() for name, content in self.tree.items() if name.endswith(".md")}

    def find_broken_links(self) -> Iterator[str]:
        """Yield the relative links whose file or anchor is not there."""
        for name, text in self.texts.items():
            for link in find_links(text):
                target = urlsplit(link)
                if not target.scheme and not self.leads_somewhere(name, unquote(target.path), target.fragment):
                    yield f"{name}: {link}"

    def leads_somewhere(self, name: str, path: str, anchor: str) -> bool:
        """Return whether a link in a document leads to a file, or a folder, and an anchor that are there."""
        target = posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) if path else name
        if anchor:
            return anchor in find_anchors(self.texts.get(target, ""))
        return any(each == target or each.startswith(f"{target}/") for each in self.tree)


@pytest.fixture(scope="module")
def documents() -> list[Documents]:
    """Return the documents of every framework, Python, runtime and continuous integration."""
    return [
        Documents(answer({**stack, "runtime": runtime, "ci": ci}))
        for stack, runtime, ci in itertools.product(STACKS, QUESTIONS["runtime"], QUESTIONS["ci"])
    ]


def test_no_readme_is_longer_than_250_lines(documents: list[Documents]) -> None:
    lengths = {each.texts[README].count("\n") for each in documents}
    assert max(lengths) <= MOST_LINES


def test_every_relative_link_leads_to_a_file_and_a_section_that_are_there(documents: list[Documents]) -> None:
    assert {link for each in documents for link in each.find_broken_links()} == set()


def test_the_readme_and_the_index_link_every_page(documents: list[Documents]) -> None:
    for each in documents:
        pages = {name for name in each.texts if name.startswith(PAGES)}
        assert len(pages) > 1
        for index in (README, f"{PAGES}README.md"):
            links = {posixpath.join(posixpath.dirname(index), link) for link in find_links(each.texts[index])}
            assert pages - {index} <= links | {f"{PAGES}README.md"}, index


def test_no_document_has_blank_lines_in_a_row_or_at_its_end(documents: list[Documents]) -> None:
    texts = {(name, text) for each in documents for name, text in each.texts.items()}
    assert [name for name, text in texts if "\n\n\n" in without_code(text) or not re.search(r"[^\n]\n\Z", text)] == []


def test_no_table_is_broken_by_a_blank_line(documents: list[Documents]) -> None:
    texts = {(name, text) for each in documents for name, text in each.texts.items()}
    assert {(name, row) for name, text in texts for row in find_rows_outside_tables(text)} == set()


def test_a_table_that_is_broken_would_be_noticed() -> None:
    table = "| status | meaning |\n|---|---|\n| 404 | the route does not exist |\n"
    row = "| 408 | the request did not arrive in time |"
    assert find_rows_outside_tables(f"{table}{row}\n\n```\n{row}\n```\n") == []
    assert find_rows_outside_tables(f"{table}\n{row}\n") == [row]
    assert find_rows_outside_tables(f"- a list\n\n  {row}\n") == [row]


def test_the_tour_of_the_readme_names_everything_at_the_top_level(documents: list[Documents]) -> None:
    for each in documents:
        tour = each.texts[README].split("\n## A quick tour\n")[1].split("\n## ")[0]
        cells = re.findall(r"^\| (`[^|]*)", tour, re.MULTILINE)
        named = {name for cell in cells for name in re.findall("`(.*?)`", cell)}
        assert {name.split("/")[0] for name in named} == {name.split("/")[0] for name in each.tree}, each.answers
        assert [name for name in named if not each.leads_somewhere(README, name, "")] == []


def test_every_command_that_a_document_names_is_there(documents: list[Documents]) -> None:
    texts = {text for each in documents for text in each.texts.values()}
    named = {name for text in texts for name in re.findall(r"flask_psc_model\.cli\.(\w+)", text)}
    assert named == {path.stem for path in (TEMPLATE / "flask_psc_model" / "cli").glob("[!_]*.py")} - {"run_model"}


def test_no_tool_that_needs_a_newer_python_goes_into_the_environment_of_the_model(documents: list[Documents]) -> None:
    texts = {text for each in documents for text in each.texts.values()}
    assert {found for text in texts for found in re.findall(r'pip install "?(?:cruft|pre-commit)', text)} == set()


def test_every_variable_that_the_runtime_reads_is_documented_once(documents: list[Documents]) -> None:
    # a name between quotes, alone: in a message it would stand in a sentence
    read = find_in_runtime(r'"((?:PSC|JOB)_[A-Z_]+[A-Z])"')
    assert "PSC_MODEL_PORT" in read
    section = documents[0].texts[f"{PAGES}configuration.md"].split("\n## Environment variables\n")[1].split("\n## ")[0]
    assert sorted(read) == sorted(re.findall(r"^\| `((?:PSC|JOB)_\w+)` \|", section, re.M))


def test_every_metric_is_documented(documents: list[Documents]) -> None:
    page = documents[0].texts[f"{PAGES}operations.md"]
    named = re.findall(r"^\| `((?:psc_model|process_start)_\w+?)(?:_total)?` \|", page, re.M)
    assert len(named) > 1
    assert set(named) == find_in_runtime(r'"((?:psc_model|process_start)_\w+)"')


def find_in_runtime(pattern: str) -> set[str]:
    """Return what a pattern finds in the code of the runtime."""
    paths = (TEMPLATE / "flask_psc_model").rglob("*.py")
    return {found for path in paths for found in re.findall(pattern, path.read_text(encoding="utf-8"))}


def parse(markdown: str) -> list[Token]:
    """Parse Markdown as GitHub does."""
    return MarkdownIt("commonmark").enable("table").parse(markdown)


@functools.cache
def find_links(markdown: str) -> list[str]:
    """Return where the links and pictures of a document lead."""
    children = [child for token in parse(markdown) for child in token.children or []]
    targets = [child.attrs.get("href") or child.attrs.get("src") for child in children]
    return [str(target) for target in targets if target]


@functools.cache
def find_anchors(markdown: str) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a document."""
    tokens = parse(markdown)
    titles = [tokens[index + 1].content for index, token in enumerate(tokens) if token.type == "heading_open"]
    anchors: set[str] = set()
    for title in titles:
        stem = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        numbers = itertools.chain([""], (f"-{number}" for number in itertools.count(1)))
        anchors.add(next(stem + number for number in numbers if stem + number not in anchors))
    return anchors


def find_rows_outside_tables(markdown: str) -> list[str]:
    """Return the lines of text that begin as a row of a table does."""
    texts = [token.content for token in parse(markdown) if token.type == "inline"]
    return [line for text in texts for line in text.split("\n") if line.startswith("|")]


def without_code(markdown: str) -> str:
    """Return a document without its blocks of code, whose blank lines are their own business."""
    lines = markdown.split("\n")
    for token in parse(markdown):
        if token.type == "fence" and token.map:
            start, end = token.map
            lines[start:end] = ["code"] * (end - start)
    return "\n".join(lines)
