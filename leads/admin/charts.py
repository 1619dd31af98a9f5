"""Charts as shapes for server-rendered SVG: no script, no library, colours by the style sheet's classes.

A chart is drawn into a box that stretches with the page, so it holds no text: labels stand beside it as text of the
page, and the table below says the same in figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass

HEIGHT = 100
_STEP = 10
_GAP = 1.6


@dataclass(frozen=True, slots=True)
class Series:
    """One colour of a chart: what it stands for, its class in the style sheet, a value for each place."""

    name: str
    colour: str
    values: Sequence[int]


@dataclass(frozen=True, slots=True)
class Shape:
    """One rectangle, with what it says when it is pointed at."""

    x: float
    y: float
    width: float
    height: float
    colour: str
    title: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Shapes in a box of `width` by HEIGHT; `top` is the value at its upper edge, `ends` the labels along its foot."""

    width: float
    shapes: tuple[Shape, ...]
    top: int
    ends: tuple[str, ...]
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of a bar chart: its label, its whole value, its shapes in a box of 100 by 10."""

    label: str
    value: int
    shapes: tuple[Shape, ...]


def columns(labels: Sequence[str], series: Sequence[Series], ends: Sequence[str]) -> Chart:
    """Stacked columns side by side, one for each label."""
    sums = [sum(one.values[place] for one in series) for place in range(len(labels))]
    top = nice_top(max(sums, default=0))
    shapes = []
    for place, label in enumerate(labels):
        foot = float(HEIGHT)
        for one in series:
            height = HEIGHT * one.values[place] / top
            if height:
                foot -= height
                title = f"{label}: {one.name} {one.values[place]}"
                x = place * _STEP + _GAP / 2
                shapes.append(Shape(x, round(foot, 3), _STEP - _GAP, round(height, 3), one.colour, title))
    return Chart(max(len(labels), 1) * _STEP, tuple(shapes), top, tuple(ends), tuple(series))


def bars(labels: Sequence[str], series: Sequence[Series]) -> tuple[Bar, ...]:
    """Stacked bars below each other, the longest as wide as the box."""
    sums = [sum(one.values[place] for one in series) for place in range(len(labels))]
    longest = max(sums, default=0) or 1
    lines = []
    for place, label in enumerate(labels):
        x, shapes = 0.0, []
        for one in series:
            width = 100 * one.values[place] / longest
            if width:
                title = f"{label}: {one.name} {one.values[place]}"
                shapes.append(Shape(round(x, 3), 0, round(width, 3), 10, one.colour, title))
                x += width
        lines.append(Bar(label, sums[place], tuple(shapes)))
    return tuple(lines)


def nice_top(value: float) -> int:
    """The least of 1, 2, 5, 10, 20, 50 … that is not less than `value`."""
    power = 1
    while True:
        for digit in (1, 2, 5):
            if value <= digit * power:
                return digit * power
        power *= 10
