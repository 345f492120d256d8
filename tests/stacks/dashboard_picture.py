"""Draws the dashboard from its own JSON, for the documents: layout, titles and labels are its own, the figures made up.

The figures are a day of the team in the README: 1,000 runs, three people who watch in working hours.
"""

from __future__ import annotations

import math
from xml.sax.saxutils import escape

UNIT = 40  # pixels of a cell of CloudWatch's grid
WIDTH, MARGIN = 24 * UNIT, 8
COLOURS = ("#1f77b4", "#d62728", "#2ca02c")
POINTS = 97  # a day, every quarter of an hour

# What is reached at the height of the day. What is not here is an error, and there is none.
HEIGHTS = {
    ("ConnectCount", "Sum"): 9,
    ("MessageCount", "Sum"): 5_200,
    ("IntegrationLatency", "p50"): 11,
    ("IntegrationLatency", "p95"): 34,
    ("Duration", "p95"): 8,
    ("ConcurrentExecutions", "Maximum"): 3,
    ("ClientError", "Sum"): 2,
}
DOLLARS = "0.63"


def draw(widgets: list[dict]) -> str:
    """The dashboard as an SVG."""
    height = max(widget["y"] + widget["height"] for widget in widgets) * UNIT
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">',
            f'<rect width="{WIDTH}" height="{height}" fill="#f2f3f3"/>',
            *(_widget(widget) for widget in widgets),
            "</svg>\n",
        ]
    )


def _widget(widget: dict) -> str:
    width, height = (widget[side] * UNIT - MARGIN for side in ("width", "height"))
    properties = widget["properties"]
    parts = [
        f'<g transform="translate({widget["x"] * UNIT + MARGIN / 2:g} {widget["y"] * UNIT + MARGIN / 2:g})">',
        f'<rect width="{width}" height="{height}" rx="4" fill="#fff" stroke="#d5dbdb"/>',
    ]
    if widget["type"] == "text":
        parts += [
            _text(12, 28 + 18 * line, words, size=13) for line, words in enumerate(_lines(properties["markdown"], 44))
        ]
    else:
        parts.append(_text(12, 24, properties["title"], size=13, weight="bold"))
        parts += (
            _value(properties, width, height)
            if properties["view"] == "singleValue"
            else _graph(properties, width, height)
        )
    return "\n".join([*parts, "</g>"])


def _value(properties: dict, width: int, height: int) -> list[str]:
    label = next(metric[-1]["label"] for metric in properties["metrics"] if metric[-1].get("visible", True))
    return [
        _text(width / 2, height / 2 + 16, DOLLARS, size=44, anchor="middle"),
        _text(width / 2, height / 2 + 48, label, size=13, anchor="middle"),
    ]


def _graph(properties: dict, width: int, height: int) -> list[str]:
    left, top, right, bottom = 48, 40, width - 40, height - 52
    parts = []
    for line in range(5):
        y = top + (bottom - top) * line / 4
        parts.append(f'<path d="M{left} {y:g}H{right}" stroke="#eaeded"/>')
    for hour in range(0, 25, 6):
        x = left + (right - left) * hour / 24
        parts.append(_text(x, bottom + 16, f"{hour:02}:00", size=10, anchor="middle"))
    metrics = [(*metric[:2], metric[-1]) for metric in properties["metrics"]]
    for side, x, anchor in (("left", left - 6, "end"), ("right", right + 6, "start")):
        shown = [metric for metric in metrics if metric[2].get("yAxis", "left") == side]
        if shown:
            most = _round_up(max(HEIGHTS.get((name, options["stat"]), 0) for _, name, options in shown) or 1)
            for share in (0, 0.5, 1):
                y = bottom - (bottom - top) * share
                parts.append(_text(x, y + 4, f"{most * share:,g}", size=10, anchor=anchor))
            for metric in shown:
                parts.append(_curve(metric, metrics.index(metric), most, (left, top, right, bottom)))
    x = left
    for number, (_, name, options) in enumerate(metrics):
        label = options.get("label", name)
        parts.append(f'<rect x="{x}" y="{height - 22}" width="10" height="10" fill="{COLOURS[number]}"/>')
        parts.append(_text(x + 14, height - 13, label, size=11))
        x += 28 + 6 * len(label)
    return parts


def _curve(metric: tuple, number: int, most: float, frame: tuple[float, float, float, float]) -> str:
    left, top, right, bottom = frame
    _, name, options = metric
    height = HEIGHTS.get((name, options["stat"]), 0)
    points = []
    for point in range(POINTS):
        hour = point / 4
        # Working hours with a lunch break, and some unrest that is the same in every drawing.
        day = math.exp(-(((hour - 10.5) / 2.4) ** 2)) + math.exp(-(((hour - 15.2) / 2.2) ** 2))
        if options["stat"].startswith("p"):
            day = 1  # how long something takes depends little on how much there is to do
        value = height * min(1, day) * (0.86 + 0.08 * math.sin(point * 2.1 + number) + 0.06 * math.sin(point * 0.7))
        x, y = left + (right - left) * point / (POINTS - 1), bottom - (bottom - top) * value / most
        points.append(f"{x:.1f},{y:.1f}")
    return f'<polyline points="{" ".join(points)}" fill="none" stroke="{COLOURS[number]}" stroke-width="1.5"/>'


def _round_up(value: float) -> float:
    size = 10 ** math.floor(math.log10(value))
    return next(size * step for step in (1, 2, 4, 6, 8, 10) if size * step >= value)


def _lines(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _text(x: float, y: float, text: str, *, size: int, anchor: str = "start", weight: str = "normal") -> str:
    style = f'font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" fill="#16191f"'
    return f'<text x="{x:g}" y="{y:g}" {style}>{escape(text)}</text>'
