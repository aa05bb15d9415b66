"""A page of Grafana as one SVG: its panels in their places, with the answers of Prometheus."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from xml.sax.saxutils import escape

from demo.shows.prometheus import Series

# Grafana lays panels out in 24 columns; a unit of height is as many points.
COLUMN: Final = 50
ROW: Final = 30
HEAD: Final = 56
GAP: Final = 8
# Between a panel's edges and its drawing: left, top, right, bottom.
EDGES: Final = (72, 56, 14, 26)
LEGENDS: Final = 4
COLOURS: Final = ("#84b4ff", "#50c990", "#f1bb55", "#ff8f86", "#c3a6ff", "#5fd4e0", "#e9edf2")
STYLE: Final = """
text { font: 12px system-ui, sans-serif; fill: #93a0ae }
.page { fill: #0c0f14 } .panel { fill: #141920; stroke: #262f3a }
.title { font-size: 13px; font-weight: 600; fill: #e9edf2 } .name { font-size: 20px; fill: #e9edf2 }
.grid { stroke: #262f3a } .line { fill: none; stroke-width: 1.6; stroke-linejoin: round }
.value { text-anchor: end } .middle { text-anchor: middle } .stat { font-size: 56px; fill: #50c990 }
"""


class Line(NamedTuple):
    name: str
    points: list[tuple[float, float]]


class Box(NamedTuple):
    x: float
    y: float
    width: float
    height: float


def lines(target: dict[str, Any], answer: Sequence[Series]) -> list[Line]:
    """The answer to one query of a panel, named by its legend; what is no number is left out."""
    made = []
    for series in answer:
        points = [(at, value) for at, value in series.points if math.isfinite(value)]
        if points:
            made.append(Line(_named(target["legendFormat"], series.labels), points))
    return made


def _named(legend: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), legend)


def draw(page: dict[str, Any], answers: Sequence[list[Line]], start: float, end: float) -> str:
    """``answers`` are the lines of each panel, in the page's order; times in seconds since 1970."""
    places = [panel["gridPos"] for panel in page["panels"]]
    width = COLUMN * 24 + GAP
    height = HEAD + ROW * max(place["y"] + place["h"] for place in places) + GAP
    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(end))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'width="{width}" height="{height}"><title>{escape(page["title"])}</title>'
        f"<style>{STYLE}</style>",
        f'<rect class="page" width="{width}" height="{height}"/>',
        f'<text class="name" x="{GAP * 2}" y="36">{escape(page["title"])}</text>',
        f'<text class="value" x="{width - GAP * 2}" y="36">{when}</text>',
    ]
    for panel, place, told in zip(page["panels"], places, answers, strict=True):
        box = Box(
            GAP + COLUMN * place["x"],
            HEAD + ROW * place["y"],
            COLUMN * place["w"] - GAP,
            ROW * place["h"] - GAP,
        )
        parts += _panel(panel, box, told, (start, end))
    return "\n".join([*parts, "</svg>", ""])


def _panel(
    panel: dict[str, Any], box: Box, told: list[Line], span: tuple[float, float]
) -> list[str]:
    unit = panel["fieldConfig"]["defaults"]["unit"]
    parts = [
        f'<rect class="panel" x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}"'
        ' rx="6"/>',
        _text("title", box.x + 12, box.y + 22, panel["title"]),
    ]
    middle = (box.x + box.width / 2, box.y + box.height / 2 + 18)
    if not told:
        return [*parts, _text("middle", *middle, "nothing to tell")]
    if panel["type"] == "stat":
        return [*parts, _text("middle stat", *middle, amount(told[0].points[-1][1], unit))]
    return [*parts, *_legend(box, told, unit), *_chart(box, told, unit, span)]


def _legend(box: Box, told: list[Line], unit: str) -> list[str]:
    """The first lines' names and newest values; how many more there are."""
    parts: list[str] = []
    x = box.x + 12.0
    for place, line in enumerate(told[:LEGENDS]):
        name = f"{line.name} {amount(line.points[-1][1], unit)}"
        if place and x + 7 * len(name) > box.x + box.width - 40:
            return [*parts, _text("", x, box.y + 42, f"+{len(told) - place}")]
        colour = COLOURS[place % len(COLOURS)]
        parts.append(f'<rect x="{x:.0f}" y="{box.y + 34}" width="9" height="9" fill="{colour}"/>')
        parts.append(_text("", x + 13, box.y + 42, name))
        x += 28 + 6.6 * len(name)
    left = len(told) - LEGENDS
    return [*parts, _text("", x, box.y + 42, f"+{left}")] if left > 0 else parts


def _chart(box: Box, told: list[Line], unit: str, span: tuple[float, float]) -> list[str]:
    left, top, right, bottom = EDGES
    x0, x1 = box.x + left, box.x + box.width - right
    y0, y1 = box.y + box.height - bottom, box.y + top
    highest = _round_up(max(value for line in told for _, value in line.points))
    start, end = span

    def across(at: float) -> float:
        return x0 + (at - start) / (end - start) * (x1 - x0)

    def up(value: float) -> float:
        return y0 + value / highest * (y1 - y0)

    parts: list[str] = []
    for step in range(5):
        value = highest * step / 4
        y = up(value)
        parts.append(f'<path class="grid" d="M{x0:.0f} {y:.1f}H{x1:.0f}"/>')
        parts.append(_text("value", x0 - 6, y + 4, amount(value, unit)))
    for half, kind in enumerate(("", "middle", "value")):
        at = start + (end - start) * half / 2
        parts.append(_text(kind, across(at), y0 + 18, time.strftime("%H:%M:%S", time.gmtime(at))))
    for place, line in reversed(list(enumerate(told))):
        path = "L".join(f"{across(at):.1f} {up(value):.1f}" for at, value in line.points)
        colour = COLOURS[place % len(COLOURS)]
        parts.append(f'<path class="line" stroke="{colour}" d="M{path}"/>')
    return parts


def _round_up(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten; 1 where all is nothing."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value * 0.999999)


def amount(value: float, unit: str) -> str:
    """A figure as people read it, in one of the units of our pages."""
    if unit == "percentunit":
        return f"{value:.1%}"
    if unit == "s":
        return f"{value:.3g} s" if value >= 1 or value == 0 else f"{value * 1000:.3g} ms"
    ending = {"reqps": " req/s", "cps": " /s"}.get(unit, "")
    return f"{_short(value)}{ending}"


def _short(value: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def _text(kind: str, x: float, y: float, words: str) -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.0f}" y="{y:.0f}">{escape(words)}</text>'


def read(text: str) -> dict[str, Any]:
    """A page as it is committed, its panels from top to bottom."""
    page: dict[str, Any] = json.loads(text)
    page["panels"].sort(key=lambda panel: (panel["gridPos"]["y"], panel["gridPos"]["x"]))
    return page
