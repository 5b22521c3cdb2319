"""One page on a corpus: tables and plots by modality, organ, source and rule, and a few of its pairs."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from samadapt.core.atomic import write_text
from samadapt.core.errors import DataError
from samadapt.report.curves import INK, MUTED, SERIES, quiet, to_svg
from samadapt.report.files import table_as_csv, table_as_markdown
from samadapt.report.grid import DASH, Cell, Column, Line, Table
from samadapt.report.page import render_template
from samadapt.version import __version__

PAGE = "corpus.html"
MOST_ORGANS = 30
_SAMPLES = 8
_SIDE_PX = 320
_OVERLAY = np.array([217, 115, 13])


def corpus_page(corpus: str | Path) -> Path:
    """Write corpus.html, corpus.md and one CSV a table into the folder of a corpus.

    Parameters
    ----------
    corpus : path
        What `build_corpus` made.

    Returns
    -------
    Path
        The HTML file, which has no links to the outside.

    Raises
    ------
    DataError
        If the folder has no statistics.json.
    """
    folder = Path(corpus)
    try:
        told = json.loads((folder / "statistics.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError("this is no finished corpus", where=folder, remedy="Run samadapt corpus first.") from error
    tables = corpus_tables(told)
    for table in tables:
        write_text(folder / f"corpus-{table.slug}.csv", table_as_csv(table))
    write_text(folder / "corpus.md", "\n".join(table_as_markdown(table) for table in tables))
    html = render_template(
        "corpus.html.j2",
        title=f"Corpus {folder.resolve().name}",
        tiles=[(f"{told[key]:,}", key) for key in ("images", "masks", "cases")]
        + [(f"{len(told[key])}", key) for key in ("sources", "modalities", "organs")],
        verdict=_verdict(told),
        charts=_charts(told),
        samples=list(_samples(folder, told)),
        tables=tables,
        version=__version__,
    )
    write_text(folder / PAGE, html)
    return folder / PAGE


def corpus_tables(told: Mapping[str, Any]) -> list[Table]:
    """Tables by modality, organ, source, region, split and rule."""
    found = [
        _groups("modality", "By modality", "Modality", told["modalities"], "sources"),
        _groups("organ", "By organ", "Organ", told["organs"], "modalities"),
        _groups("source", "By source", "Source", told["sources"], "modalities", "licence"),
        _groups("region", "By region", "Region", told["regions"], "sources"),
        _groups("split", "By split", "Split", told["splits"], "sources"),
    ]
    return [*found, _rules(told)]


def _groups(slug: str, title: str, corner: str, groups: Sequence[Mapping[str, Any]], *words: str) -> Table:
    numbers = ("cases", "images", "masks")
    columns = [*(Column(name) for name in numbers), Column("median area", "share of the image")]
    columns += [Column(word, kind="words") for word in words]
    lines = []
    for group in groups:
        cells = [Cell(f"{group[name]:,}", values={"": group[name]}) for name in numbers]
        share = group["median_area_share"]
        cells.append(Cell(DASH) if share is None else Cell(f"{100 * share:.2f} %", values={"": share}))
        texts = (group[word] for word in words)
        cells += [Cell(text if isinstance(text, str) else ", ".join(text)) for text in texts]
        lines.append(Line(group["name"], tuple(cells)))
    caption = "Masks that passed the rules. A case is a volume or a picture, an image a slice or a picture."
    return Table(slug, title, caption, corner, tuple(columns), tuple(lines))


def _rules(told: Mapping[str, Any]) -> Table:
    columns = (Column("masks"), Column("whole slices"), Column("set to"), Column("sources", kind="words"))
    lines = []
    for rule, one in told["excluded"].items():
        numbers = [Cell(f"{one[key]:,}", values={"": one[key]}) for key in ("masks", "slices")]
        lines.append(Line(rule, (*numbers, Cell(_setting(told["rules"][rule])), Cell(", ".join(one["sources"])))))
    left_out = sum(told["left_out"].values())
    notes = (
        f"{told['empty_slices']:,} slices without any mask are not written.",
        f"{left_out:,} files or cases of the sources were left out whole; exclusions.csv says why, one line each.",
    )
    caption = "What was left out, by the rule that took it: the first that applied. Masks of whole slices count too."
    return Table("rule", "Left out by rule", caption, "Rule", columns, tuple(lines), notes)


def _setting(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _verdict(told: Mapping[str, Any]) -> str:
    taken = sum(one["masks"] for one in told["excluded"].values())
    seen = taken + told["masks"]
    return (
        f"{told['masks']:,} of {seen:,} masks passed the rules ({100 * told['masks'] / seen:.1f} %)."
        if seen
        else "No mask was seen."
    )


def _charts(told: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(title, SVG, caption) of every plot."""
    from markupsafe import Markup

    organs = told["organs"][:MOST_ORGANS]
    more = len(told["organs"]) - len(organs)
    rest = f" The {more} rarest are in the table only." if more else ""
    found = [
        ("Masks by modality", _bars(told["modalities"], "masks by modality"), "Number of masks, logarithmic."),
        ("Masks by organ", _bars(organs, "masks by organ"), f"Number of masks, logarithmic.{rest}"),
        ("Size of the masks", _histogram(told), "Masks by their share of the image; the line is min_area_share."),
    ]
    return [(title, Markup(svg), caption) for title, svg, caption in found]


def _bars(groups: Sequence[Mapping[str, Any]], name: str) -> str:
    def draw(figure: Any) -> None:
        axes = figure.subplots()
        places = range(len(groups))
        axes.barh(places, [group["masks"] for group in groups], color=SERIES[0], height=0.7)
        axes.set_yticks(places, [group["name"] for group in groups])
        axes.set_ylim(len(groups) - 0.4, -0.6)
        axes.set_xscale("log")
        axes.set_xlim(0.7, 2 * max(group["masks"] for group in groups))
        axes.set_xlabel("masks")
        quiet(axes, axis="x")
        axes.tick_params(axis="y", labelcolor=INK, length=0)

    return to_svg(draw, (9.2, 0.8 + 0.27 * len(groups)), name)


def _histogram(told: Mapping[str, Any]) -> str:
    edges, counts = told["area_histogram"]["edges"], told["area_histogram"]["counts"]

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        axes.stairs(counts, edges, fill=True, color=SERIES[0])
        axes.axvline(max(told["rules"]["min_area_share"], edges[0]), color=MUTED, linewidth=1.2)
        axes.set_xscale("log")
        axes.set_xlabel("share of the image")
        quiet(axes)

    return to_svg(draw, (9.2, 2.8), "size of the masks")


def _samples(folder: Path, told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(caption, picture as data URI) of one image a source, with its masks."""
    for group in told["sources"][:_SAMPLES]:
        image = next((folder / "images" / group["name"]).glob("*.png"), None)
        if image is not None:
            masks = sorted((folder / "masks" / group["name"]).glob(f"{image.stem}_*_[0-9][0-9][0-9].png"))
            yield f"{group['name']} ({len(masks)})", _overlay(image, masks)


def _overlay(image: Path, masks: Sequence[Path]) -> str:
    from PIL import Image as Pillow

    pixels = np.asarray(Pillow.open(image).convert("RGB"), dtype=np.float32)
    covered = np.zeros(pixels.shape[:2], dtype=bool)
    for mask in masks:
        covered |= np.asarray(Pillow.open(mask)) > 0
    pixels = np.where(covered[..., None], 0.55 * pixels + 0.45 * _OVERLAY, pixels)
    buffer = io.BytesIO()
    picture = Pillow.fromarray(pixels.astype(np.uint8))
    picture.thumbnail((_SIDE_PX, _SIDE_PX))
    larger = _SIDE_PX // max(picture.size)
    picture = picture.resize((picture.width * larger, picture.height * larger), Pillow.Resampling.NEAREST)
    picture.save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
