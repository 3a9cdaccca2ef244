"""The runbook of a generated repository: its alerts, and the log lines that it quotes."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator

import pytest
import yaml
from rendering import Tree, render_typed
from repository import TEMPLATE
from test_documents import find_anchors

PAGE = "docs/server/operations.md"
ALERTS = "docs/server/alerts.yaml"

#: What a cell of the runbook quotes that is no line of the log.
NO_LOG_LINE = re.compile(r"psc_model_\w+|process_\w+|up|reason=.*|kubectl .*")
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
#: What `%` puts into the message of a log line.
PLACEHOLDER = re.compile(r"%[-#0 +]*[\d.]*[a-z]")


@pytest.fixture(scope="module")
def tree() -> Tree:
    """Return the files that the default answers give."""
    return render_typed()


@pytest.fixture(scope="module")
def page(tree: Tree) -> str:
    """Return the text of the page."""
    return tree[PAGE].decode()


def find_section(page: str, title: str) -> str:
    """Return what is below a heading of the second or third level, up to the next of that level."""
    level, _, _ = title.partition(" ")
    return page.split(f"\n{title}\n")[1].split(f"\n{level} ")[0]


def list_rows(section: str) -> list[list[str]]:
    """Return the cells of the rows of the tables in a section, without their heads."""
    lines = [line for line in section.splitlines() if line.startswith("| ") and not line.startswith("| symptom |")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_every_row_of_the_runbook_is_complete(page: str) -> None:
    rows = list_rows(find_section(page, "## Runbook"))
    assert len(rows) > 20
    assert [row for row in rows if len(row) != 4 or not all(row)] == []


def test_every_alert_is_in_the_runbook_and_leads_to_it(tree: Tree, page: str) -> None:
    (group,) = yaml.safe_load(tree[ALERTS])["groups"]
    alerts = [rule["alert"] for rule in group["rules"]]
    assert len(alerts) >= 6
    assert len(set(alerts)) == len(alerts)
    assert set(re.findall(r"\b(Model[A-Z]\w+)\)", find_section(page, "## Runbook"))) == set(alerts)
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in ("critical", "warning")
        path, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert path == PAGE
        assert anchor in find_anchors(page)


@pytest.mark.parametrize("title", ["### The server", "### Bulk runs"])
def test_every_line_that_the_runbook_quotes_is_one_that_the_code_can_write(page: str, title: str) -> None:
    rows = list_rows(find_section(find_section(page, "## Runbook"), title))
    quoted = [text for row in rows for text in re.findall("`([^`]+)`", row[1]) if not NO_LOG_LINE.fullmatch(text)]
    assert len(quoted) > 3
    # what `run_many` prints is no log line
    sources = logged_texts() if title == "### The server" else logged_texts() | texts()
    assert [text for text in quoted if not can_write(text, sources)] == []


@pytest.mark.parametrize(
    "text",
    [
        "the job was lost",
        "the model process was eaten by …; a new one loads",
        "the model process was stopped at the time limit of … min; a new one loads",
        "the model is loaded",
    ],
)
def test_a_line_that_the_code_cannot_write_would_be_noticed(text: str) -> None:
    assert not can_write(text, logged_texts())


def can_write(text: str, patterns: frozenset[str]) -> bool:
    """Return whether a text comes from one of these patterns; what they insert has to be a text of the code, too."""
    for pattern in patterns:
        if match := re.fullmatch(pattern, text, re.DOTALL):
            inserted = [part for part in match.groups() if len(re.findall(r"[A-Za-z]+", part)) > 2]
            if all(can_write(part, texts()) for part in inserted):
                return True
    return False


@functools.cache
def logged_texts() -> frozenset[str]:
    """Return a pattern for the message of every line that the runtime logs."""
    calls = (node for node in walk() if isinstance(node, ast.Call))
    calls = (node for node in calls if isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS)
    found = (each for call in calls for each in call.args[:2] if isinstance(each, ast.Constant))
    messages = [each.value for each in found if isinstance(each.value, str)]
    return frozenset("(.+)".join(map(re.escape, PLACEHOLDER.split(message))) for message in messages)


@functools.cache
def texts() -> frozenset[str]:
    """Return a pattern for every text of the runtime that has at least three words."""
    patterns = set()
    for node in walk():
        if isinstance(node, ast.JoinedStr):
            parts = [each.value if isinstance(each, ast.Constant) else None for each in node.values]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            parts = [node.value]
        else:
            continue
        if len(re.findall(r"[A-Za-z]+", " ".join(str(part) for part in parts if part))) > 2:
            patterns.add("".join("(.+)" if part is None else re.escape(str(part)) for part in parts))
    return frozenset(patterns)


def walk() -> Iterator[ast.AST]:
    """Yield every node of the code of the runtime."""
    for path in (TEMPLATE / "flask_psc_model").rglob("*.py"):
        yield from ast.walk(ast.parse(path.read_text(encoding="utf-8")))
