"""The results: medians over the rounds, the goals, and the Markdown that shows both."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .contender import Contender


@dataclass(frozen=True)
class Goal:
    """A figure that this template should reach.

    Attributes:
        name: what it is, with its unit.
        value: the figure.
        limit: what it should not exceed.
    """

    name: str
    value: float
    limit: float

    @property
    def is_reached(self) -> bool:
        """Whether the figure is within its limit."""
        return self.value <= self.limit


@dataclass
class Results:
    """All that was measured.

    Attributes:
        contenders: the servers, in the order of the table.
        run_seconds: how long the long run slept.
        rounds: for each server's name the figures of each round; the unit ends each figure's name.
        status: for each server's name the figures of `/status` during the long run, if there are any.
        versions: for each server's name the versions of its packages.
    """

    contenders: list[Contender]
    run_seconds: float
    rounds: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    status: dict[str, dict[str, float]] = field(default_factory=dict)
    versions: dict[str, dict[str, str]] = field(default_factory=dict)

    def medians(self, name: str) -> dict[str, float]:
        """Return the median over the rounds of each figure of one server.

        Args:
            name: the server's name.
        """
        rounds = self.rounds[name]
        medians = {key: statistics.median(figures[key] for figures in rounds) for key in rounds[0]}
        return {**medians, **self.status.get(name, {})}

    def goals(self) -> list[Goal]:
        """Return the goals for which both servers of the comparison were measured."""
        return list(self._goals())

    def _goals(self) -> Iterator[Goal]:
        if "psc" not in self.rounds:
            return
        psc = self.medians("psc")
        for name, limit in (("flask", 1.25), ("fastapi", 1.0), ("litserve", 1.0), ("sync", 1.0)):
            if name in self.rounds:
                ratio = psc["run_p50_1_ms"] / self.medians(name)["run_p50_1_ms"]
                yield Goal(f"`/run` p50 at 1 client, ratio to {self._label(name)}", ratio, limit)
        if "flask" in self.rounds:
            ratio = psc["ready_s"] / self.medians("flask")["ready_s"]
            yield Goal(f"start to ready, ratio to {self._label('flask')}", ratio, 1.25)
        yield Goal("web process, MB resident", psc["children_mb"], 40)
        yield Goal("`/status` p50 during a long run, ms", psc.get("status_p50_ms", float("inf")), 50)

    def _label(self, name: str) -> str:
        return next(contender.label for contender in self.contenders if contender.name == name)

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return {
            "medians": {contender.name: self.medians(contender.name) for contender in self.contenders},
            "goals": {goal.name: {"value": goal.value, "limit": goal.limit} for goal in self.goals()},
            "versions": self.versions,
            "run_seconds": self.run_seconds,
            "rounds": self.rounds,
        }

    def to_markdown(self) -> str:
        """Return the tables as Markdown."""
        parts = [self._table_of_servers()]
        if "psc" in self.rounds:
            psc = self.medians("psc")
            parts.append(
                f"This template's web process holds {psc['children_mb']:.0f} MB and its model process"
                f" {psc['grandchildren_mb']:.0f} MB (resident, shared pages counted in both)."
            )
        if goals := self.goals():
            parts.append(show_goals(goals))
        return "\n\n".join(parts)

    def versions_to_markdown(self) -> str:
        """Return the versions of the servers as one line."""
        names = {f"{name} {version}" for versions in self.versions.values() for name, version in versions.items()}
        return ", ".join(sorted(names))

    def _table_of_servers(self) -> str:
        head = (
            "server",
            "`/run` p50, 1 client",
            "p99",
            "p50, 8 clients",
            "p99",
            "jobs/s, 8 clients",
            "ready after",
            "memory",
            "`/status` p50 in a run",
            "p99",
        )
        return make_table(head, [self._row(contender) for contender in self.contenders])

    def _row(self, contender: Contender) -> list[str]:
        figures = self.medians(contender.name)
        missing = f"none within {self.run_seconds:g} s"
        status = [figures.get(f"status_{percentile}_ms") for percentile in ("p50", "p99")]
        return [
            contender.label,
            *(f"{figures[f'run_{key}_ms']:.2f} ms" for key in ("p50_1", "p99_1", "p50_8", "p99_8")),
            f"{figures['jobs_per_second_8']:.0f}",
            f"{figures['ready_s']:.2f} s",
            f"{figures['memory_mb']:.0f} MB",
            *(missing if value is None else f"{value:.2f} ms" for value in status),
        ]


def show_goals(goals: list[Goal]) -> str:
    """Return a table of goals as Markdown.

    Args:
        goals: at least one.
    """
    rows = [
        [goal.name, f"{goal.value:.2f}", f"{goal.limit:g}", "reached" if goal.is_reached else "missed"]
        for goal in goals
    ]
    return make_table(("goal", "measured", "at most", ""), rows)


def make_table(head: tuple[str, ...], rows: list[list[str]]) -> str:
    """Return a table as Markdown: the first column is text, the others are numbers.

    Args:
        head: the titles of the columns.
        rows: the cells of each row.
    """
    lines = [list(head), *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]

    def show(cells: list[str]) -> str:
        first, *others = (
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "| " + " | ".join([first, *others]) + " |"

    return "\n".join([show(lines[0]), show(rule), *map(show, rows)])
