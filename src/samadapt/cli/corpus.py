"""``samadapt corpus``."""

from __future__ import annotations

from typing import Any

import typer

from samadapt.cli.generate import make_command
from samadapt.data.corpus.config import CorpusConfig


def _run(config: CorpusConfig) -> dict[str, Any]:
    from samadapt.data.corpus.build import build_corpus
    from samadapt.report.corpus import corpus_page

    built = build_corpus(config)
    page = corpus_page(built.path)
    store = None if built.store is None else str(built.store)
    return {"corpus": str(built.path), "store": store, "page": str(page), **built.statistics}


def _show(told: dict[str, Any]) -> None:
    typer.echo(
        f"{told['corpus']}: {told['images']:,} images, {told['masks']:,} masks, {len(told['modalities'])} modalities, "
        f"{len(told['organs'])} organs"
    )
    for rule, one in told["excluded"].items():
        typer.echo(
            f"Left out by {rule}: {one['masks']:,} masks" + (f", {one['slices']:,} slices" if one["slices"] else "")
        )
    for source, count in told["left_out"].items():
        typer.echo(f"Left out whole of {source}: {count} (see exclusions.csv)")
    typer.echo(f"Page: {told['page']}" + (f"; store: {told['store']}" if told["store"] else ""))


command = make_command(CorpusConfig, _run, arguments=("folders",), show=_show)
