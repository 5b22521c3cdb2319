"""Figures as SVG that takes its colours and its font from the page."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from samadapt.report.conditions import Condition
from samadapt.report.organs import DICE, labels_of
from samadapt.report.runs import Run
from samadapt.report.sessions import Session

MOST_LABELS = 40
INK, MUTED, LINE = "#010203", "#040506", "#070809"
SERIES = ("#0a0b01", "#0a0b02", "#0a0b03", "#0a0b04", "#0a0b05", "#0a0b06")
_ON_PAGE = {INK: "currentColor", MUTED: "var(--muted)", LINE: "var(--line)"} | {
    color: f"var(--c{i})" for i, color in enumerate(SERIES, start=1)
}


def training_curves(run: Run) -> str | None:
    """Loss and validation Dice against the step; None if the run has written neither."""
    loss = _points(run.log, "loss")
    dice = _points(run.val, "mean")
    panels = [(_draw_loss, loss)] * bool(loss) + [(_draw_dice, dice)] * bool(dice)
    if not panels:
        return None

    def draw(figure: Any) -> None:
        for axes, (panel, points) in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels):
            panel(axes, np.array(points))
            quiet(axes)
            axes.set_xlabel("step")

    return to_svg(draw, (4.6 * len(panels), 2.9), f"training {run.name}")


def _points(lines: Sequence[Mapping[str, Any]], key: str) -> list[tuple[float, float]]:
    return [(line["step"], line[key]) for line in lines if line.get(key) is not None and np.isfinite(line[key])]


def _draw_loss(axes: Any, points: Any) -> None:
    steps, losses = points.T
    axes.plot(steps, losses, color=LINE, linewidth=1)
    width = 2 * (len(losses) // 40) + 1
    if width > 1:
        kernel, half = np.ones(width) / width, width // 2
        smooth = np.convolve(losses, kernel, mode="valid")
        axes.plot(steps[half : len(steps) - half], smooth, color=SERIES[0], linewidth=1.8)
    else:
        axes.plot(steps, losses, color=SERIES[0], linewidth=1.8, marker="o", markersize=4)
    top = float(np.quantile(losses, 0.99)) if len(losses) > 100 else float(losses.max())
    axes.set_ylim(min(0.0, float(losses.min())), top * 1.05 or 1)
    axes.set_title("Training loss", loc="left", color=INK, fontsize=10)


def _draw_dice(axes: Any, points: Any) -> None:
    steps, dice = points.T
    best = int(dice.argmax())
    axes.plot(steps, dice, color=SERIES[1], linewidth=1.8, marker="o", markersize=3.5)
    axes.plot(steps[best], dice[best], color=SERIES[1], marker="o", markersize=8, markerfacecolor="none")
    axes.annotate(f"{dice[best]:.3f}", (steps[best], dice[best]), (0, -16), textcoords="offset points", color=INK,
                  ha="center", fontsize=9)  # fmt: skip
    axes.set_ylim(0, 1.02)
    axes.set_title("Mean Dice on the validation split", loc="left", color=INK, fontsize=10)


def dice_by_label(conditions: list[Condition]) -> tuple[str, list[tuple[str, str]]] | None:
    """Dots with intervals, one row per label, and the legend as (title, CSS colour)."""
    shown = [c for c in conditions if c.competes or c.choice == "baseline"][: len(SERIES)]
    names = [name for name in labels_of(shown, DICE.name) if name != "background"]
    if not any(c.competes for c in shown) or not 2 <= len(names) <= MOST_LABELS:
        return None
    models = [c for c in shown if c.competes]
    colors = {id(c): SERIES[i] for i, c in enumerate(models)} | {id(c): MUTED for c in shown if not c.competes}

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for place, condition in enumerate(shown):
            _draw_dots(axes, condition, names, colors[id(condition)], 0.62 * ((place + 0.5) / len(shown) - 0.5))
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlim(0, 1)
        axes.set_xlabel("Dice")
        quiet(axes, axis="x")
        axes.tick_params(axis="y", labelcolor=INK, length=0)

    svg = to_svg(draw, (9.2, 0.7 + len(names) * (0.16 + 0.065 * len(shown))), "dice by label")
    return svg, [(_short(c), _ON_PAGE[colors[id(c)]]) for c in shown]


def dice_by_clicks(sessions: list[Session]) -> tuple[str, list[tuple[str, str]]] | None:
    """Mean Dice after every click with its interval, and the legend as (title, CSS colour)."""
    shown = [session for session in sessions if session.plan.clicks > 1][: len(SERIES)]
    if not shown:
        return None

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for color, session in zip(SERIES, shown):
            clicks, entries = zip(*session.curve())
            low, mean, high = ([entry[key] for entry in entries] for key in ("low", "mean", "high"))
            axes.fill_between(clicks, low, high, color=color, alpha=0.15, linewidth=0)
            axes.plot(clicks, mean, color=color, linewidth=1.8, marker="o", markersize=4)
        axes.set_ylim(0, 1.02)
        axes.set_xticks(sorted({clicks for session in shown for clicks in session.plan.rounds if clicks <= 10}))
        axes.set_xlabel("clicks")
        axes.set_title("Dice after every click, mean without background", loc="left", color=INK, fontsize=10)
        quiet(axes)

    return to_svg(draw, (9.2, 3.4), "dice by clicks"), [(s.name, _ON_PAGE[c]) for c, s in zip(SERIES, shown)]


def dice_by_method(shown: Sequence[tuple[str, Condition]]) -> str:
    """Mean foreground Dice of every named condition, one row each; hollow where no model competes."""

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for row, (_, condition) in enumerate(shown):
            entry, color = condition.mean(), SERIES[0] if condition.competes else MUTED
            face = color if condition.competes else "none"
            axes.plot([entry["low"], entry["high"]], [row] * 2, color=color, linewidth=2, alpha=0.45)
            axes.plot(entry["mean"], row, "o", color=color, markersize=6, markerfacecolor=face)
        axes.set_yticks(range(len(shown)), [name for name, _ in shown])
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.set_xlim(0, 1)
        axes.set_xlabel("Dice")
        quiet(axes, axis="x")
        axes.tick_params(axis="y", labelcolor=INK, length=0)

    return to_svg(draw, (9.2, 0.7 + 0.3 * len(shown)), "mean Dice by method")


def _short(condition: Condition) -> str:
    return condition.column.head if condition.choice == "baseline" else f"{condition.group}, {condition.column.over}"


def _draw_dots(axes: Any, condition: Condition, names: list[str], color: str, shift: float) -> None:
    hollow = not condition.competes
    for row, name in enumerate(names):
        entry = condition.entries.get((name, DICE.name))
        if entry is None or entry["mean"] is None:
            continue
        axes.plot([entry["low"], entry["high"]], [row + shift] * 2, color=color, linewidth=1.6, alpha=0.45)
        face = "none" if hollow else color
        axes.plot(entry["mean"], row + shift, "o", color=color, markersize=5, markerfacecolor=face)


def on_page(color: str) -> str:
    """CSS colour that a stand-in becomes."""
    return _ON_PAGE[color]


def quiet(axes: Any, axis: str = "y") -> None:
    """Axes that step back behind the figures."""
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(side == "bottom")
        axes.spines[side].set_color(LINE)
    axes.grid(axis=axis, color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=MUTED, labelsize=9, length=0)
    axes.xaxis.label.set_color(MUTED)
    axes.xaxis.label.set_fontsize(9)


def to_svg(draw: Callable[[Any], None], inches: tuple[float, float], name: str) -> str:
    """Render with stand-in colours, then hand colours, font and size over to the page."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    settings = {"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "DejaVu Sans"}
    buffer = io.StringIO()
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=inches, layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure)
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return _inline(buffer.getvalue(), name)


def _inline(svg: str, name: str) -> str:
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<g id=\"[^\"]*\"", "<g", svg)
    svg = re.sub(r"(<svg[^>]*?) width=\"[^\"]*\"", r"\1", svg, count=1)
    svg = re.sub(r"(<svg[^>]*?) height=\"[^\"]*\"", r"\1", svg, count=1)
    svg = re.sub(r" xmlns(:xlink)?=\"[^\"]*\"", "", svg).replace("xlink:href", "href")
    for stand_in, color in _ON_PAGE.items():
        svg = svg.replace(stand_in, color)
    return svg.replace("<svg", f'<svg role="img" aria-label="{name}"', 1)
