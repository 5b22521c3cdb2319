"""Lines with intervals over a few named values, for pages about an axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from samadapt.report.curves import INK, SERIES, on_page, quiet, to_svg

MOST_SERIES = len(SERIES)


@dataclass(frozen=True)
class Series:
    """One line: figures with "dice", "low" and "high" by the value of the axis."""

    name: str
    points: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Chart:
    """Dice against one axis.

    Attributes
    ----------
    legend : tuple of (str, str)
        Title and CSS colour of every line.
    svg : str
    """

    title: str
    caption: str
    legend: tuple[tuple[str, str], ...]
    svg: str


def line_chart(title: str, axis: str, values: Sequence[str], series: Sequence[Series], caption: str) -> Chart:
    """Chart of up to six series; more are left out, and the caption says so. Only numbers are joined by lines.

    Parameters
    ----------
    title : str
    axis : str
        Under the horizontal axis.
    values : sequence of str
        Places on it, evenly spaced.
    series : sequence of Series
    caption : str
    """
    shown = list(series[:MOST_SERIES])
    style = "-" if all(value.replace(".", "", 1).isdigit() for value in values) else ""

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for number, (color, one) in enumerate(zip(SERIES, shown)):
            _draw_line(axes, one, values, color, 0.06 * (number - (len(shown) - 1) / 2), style)
        axes.set_xticks(range(len(values)), values)
        axes.set_xlim(-0.5, len(values) - 0.5)
        axes.set_ylim(0, 1.02)
        axes.set_xlabel(axis)
        axes.set_title("Dice, mean over labels and cases", loc="left", color=INK, fontsize=10)
        quiet(axes)

    if len(series) > len(shown):
        caption += f" Of {len(series)} series the first {len(shown)} are drawn."
    legend = tuple((one.name, on_page(color)) for one, color in zip(shown, SERIES))
    return Chart(title, caption, legend, to_svg(draw, (9.2, 3.4), title))


def _draw_line(axes: Any, series: Series, values: Sequence[str], color: str, shift: float, style: str) -> None:
    places = [place for place, value in enumerate(values) if value in series.points]
    figures = [series.points[values[place]] for place in places]
    at = [place + shift for place in places]
    axes.vlines(at, [f["low"] for f in figures], [f["high"] for f in figures], color=color, linewidth=1.6, alpha=0.45)
    axes.plot(at, [f["dice"] for f in figures], style, color=color, linewidth=1.4, marker="o", markersize=4.5)
