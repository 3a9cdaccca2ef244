"""A plot as SVG, without a library."""

from collections.abc import Sequence

WIDTH, HEIGHT = 720, 300
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 40, 45
INK, LINE, GRID = "#57606a", "#0969da", "#d0d7de"


def draw(title: str, x_label: str, y_label: str, points: Sequence[tuple[float, float]]) -> str:
    """Return a line through points, with a scale on each axis.

    Args:
        title: above the plot.
        x_label: of the horizontal axis, with its unit.
        y_label: of the vertical axis, with its unit.
        points: in the order of their first coordinates, at least one.
    """
    x_ticks = find_ticks(0, max(x for x, _ in points))
    y_ticks = find_ticks(min(y for _, y in points), max(y for _, y in points))

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - x_ticks[0]) / (x_ticks[-1] - x_ticks[0])
        up = (y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
        f' font-family="sans-serif" font-size="12" fill="{INK}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="22" font-size="14">{title}</text>',
    ]
    for tick in y_ticks:
        x, y = place(x_ticks[0], tick)
        parts.append(f'<path d="M{x:.1f} {y:.1f}H{WIDTH - RIGHT}" stroke="{GRID}"/>')
        parts.append(f'<text x="{x - 8:.1f}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for tick in x_ticks:
        x, y = place(tick, y_ticks[0])
        parts.append(f'<text x="{x:.1f}" y="{y + 18:.1f}" text-anchor="middle">{tick:g}</text>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end">{x_label}</text>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="22" text-anchor="end">{y_label}</text>')
    line = " ".join("{:.1f},{:.1f}".format(*place(x, y)) for x, y in points)
    parts.append(f'<polyline points="{line}" fill="none" stroke="{LINE}" stroke-width="1.5"/>')
    return "\n".join([*parts, "</svg>", ""])


def find_ticks(low: float, high: float) -> list[float]:
    """Return at most eight round numbers in equal steps, from at most `low` to at least `high`."""
    step = 1e-3
    while True:
        for factor in (1, 2, 5):
            first = int(low // (step * factor))
            last = max(-int(-high // (step * factor)), first + 1)
            if last - first < 8:
                return [number * step * factor for number in range(first, last + 1)]
        step *= 10
