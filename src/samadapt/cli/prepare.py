"""``samadapt prepare``."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import typer

from samadapt.cli.generate import make_command
from samadapt.data.config import PrepareConfig

if TYPE_CHECKING:
    from samadapt.data.store import Store

_SHOWN = 20


def _run(config: PrepareConfig) -> dict[str, Any]:
    from samadapt.data.prepare import prepare

    return describe(prepare(config))


def describe(store: Store) -> dict[str, Any]:
    """What a store holds, JSON-ready."""
    return {
        "store": str(store.path),
        "fingerprint": store.fingerprint,
        "cases": len(store.cases),
        "splits": dict(Counter(case.split for case in store.cases)),
        "slices": len(store.slices),
        "objects": len(store.objects),
        "labels": store.label_set.names,
        "excluded": list(store.excluded),
    }


def _show(facts: dict[str, Any]) -> None:
    splits = ", ".join(f"{n} {name}" for name, n in facts["splits"].items())
    typer.echo(
        f"{facts['store']}: {facts['cases']} cases ({splits}), {facts['slices']} slices, {facts['objects']} objects"
    )
    typer.echo("Labels: " + ", ".join(f"{value} {name}" for value, name in facts["labels"].items()))
    for item in facts["excluded"][:_SHOWN]:
        typer.echo(f"Excluded {item['name']}: {item['reason']}")
    if len(facts["excluded"]) > _SHOWN:
        typer.echo(f"Excluded {len(facts['excluded']) - _SHOWN} more, each with its reason in store.json")


command = make_command(PrepareConfig, _run, arguments=("source",), show=_show)
