"""The page, from its parts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from samadapt.report.conditions import conditions_of
from samadapt.report.grid import Table
from samadapt.report.overlays import Gallery, gallery
from samadapt.report.runs import Run
from samadapt.report.sessions import sessions_of
from samadapt.report.verdict import headline

_TEMPLATES = Path(__file__).with_name("templates")


def render(runs: list[Run], tables: Mapping[str, Table]) -> str:
    """HTML of the whole page, with pictures, figures and styles inside it."""
    from markupsafe import Markup

    from samadapt.report.curves import dice_by_clicks, dice_by_label, training_curves

    dots = dice_by_label(conditions_of(runs))
    clicks = dice_by_clicks(sessions_of(runs))
    curves = [(run, training_curves(run)) for run in runs if run.kind == "train"]
    return render_template(
        "page.html.j2",
        head=headline(runs),
        dots=(Markup(dots[0]), dots[1]) if dots else None,
        clicks=(Markup(clicks[0]), clicks[1]) if clicks else None,
        curves=[(run, Markup(svg) if svg else None) for run, svg in curves],
        galleries=_galleries(runs),
        unpictured=[run.name for run in runs if run.kind == "evaluate" and not run.overlays],
        tables=tables,
        conventions=[table for slug, table in tables.items() if slug.startswith(("conventions", "counted"))],
        runs=runs,
        measured=any(run.kind == "evaluate" for run in runs),
        started=max(str(run.manifest.get("started", ""))[:10] for run in runs),
        version=runs[0].manifest.get("samadapt", ""),
    )


def render_template(template: str, **values: Any) -> str:
    """HTML of a whole page from one of the templates, with the styles of all pages in it."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    style = Markup((_TEMPLATES / "style.css").read_text(encoding="utf-8"))
    html = environment.get_template(template).render(style=style, **values)
    return html.strip().replace(" %", "\u00a0%") + "\n"


def _galleries(runs: list[Run]) -> list[Gallery]:
    conditions = conditions_of(runs)
    found = []
    for run in runs:
        policies = run.policies
        shown = [c for c in conditions if c.run is run and c.competes and (not policies or c.prompts == policies[0])]
        caption = f"{shown[0].group}, {shown[0].column.over}" if shown else run.name
        found.append(gallery(run, caption))
    return [one for one in found if one is not None]
