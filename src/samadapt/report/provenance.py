"""Where every figure comes from, in words a reader can check."""

from __future__ import annotations

from collections.abc import Mapping

from samadapt.report.conditions import Condition, conditions_of, method_in_words
from samadapt.report.empty import empty_masks_in_words, named_convention, without_objects_in_words
from samadapt.report.grid import DASH, Cell, Column, Line, Table, joined
from samadapt.report.runs import Run

_ORDER = (
    *("columns", "job", "data", "store", "fingerprint of the data", "split", "cases", "cases without objects"),
    *("labels", "spacing (z × y × x, mm)", "prompts", "figures defined by", "empty masks", "model"),
    *("base weights (hash)", "adapter (hash)", "image size (px)", "preprocessing", "method", "task", "steps", "batch"),
    *("best validation", "seed", "configuration (hash)", "samadapt", "Python", "libraries", "machine", "started"),
    *("command", "folder"),
)
_SHOWN_CASES = 20


def provenance_table(runs: list[Run]) -> Table:
    """One line per fact, one column per run; facts that no run states are left out."""
    conditions = conditions_of(runs)
    facts = [_columns(run, conditions) | _facts(run) for run in runs]
    names = sorted({name for found in facts for name in found}, key=_ORDER.index)
    lines = tuple(Line(name, tuple(_cell(found.get(name)) for found in facts)) for name in names)
    columns = tuple(Column(run.name, kind="words") for run in runs)
    caption = (
        "What produced the figures of this page: the line “columns” says which columns of the tables are of which run."
    )
    return Table("provenance", "Provenance", caption, "Fact", columns, lines)


def _columns(run: Run, conditions: list[Condition]) -> dict[str, str]:
    groups = dict.fromkeys(c.column.head if c.choice == "baseline" else c.group for c in conditions if c.run is run)
    return {"columns": ", ".join(groups)} if groups else {}


def _cell(text: str | None) -> Cell:
    return Cell(text or DASH, values={"": text} if text else {})


def _facts(run: Run) -> dict[str, str]:
    found = {"job": f"{run.manifest['kind']}, {run.manifest.get('status', 'unknown')}"}
    found |= _data(run) | (_questions(run) if run.kind == "evaluate" else _training(run)) | _model(run) | _machine(run)
    return {name: text for name, text in found.items() if text}


def _data(run: Run) -> dict[str, str]:
    facts, context = run.facts, run.facts.get("context")
    fingerprint = facts.get("store_fingerprint") or (context.get("store") if isinstance(context, Mapping) else "")
    labels = list(dict(facts.get("label_set") or {}).values())
    spacings = [" × ".join(f"{s:g}" for s in spacing) for spacing in facts.get("spacing_mm") or ()]
    split = facts.get("split") or run.config.get("train_split", "")
    return {
        "data": ", ".join(map(str, facts.get("datasets") or ())),
        "store": str(facts.get("store") or run.config.get("data") or ""),
        "fingerprint of the data": str(fingerprint or ""),
        "split": str(split),
        "cases": str(facts.get("cases", "")),
        "cases without objects": without_objects_in_words(facts, shown=_SHOWN_CASES),
        "labels": f"{len(labels)}: {joined(labels[:20])}{' …' if len(labels) > 20 else ''}" if labels else "",
        "spacing (z × y × x, mm)": "; ".join(spacings),
    }


def _questions(run: Run) -> dict[str, str]:
    sets = run.facts.get("prompts") or ()
    told = [
        f"{p.get('policy')}: {p.get('n')} prompts drawn from the {p.get('origin')}, seed {p.get('seed')}, "
        f"hash {p.get('hash')}"
        for p in sets
    ]
    name = str(run.facts.get("convention", ""))
    return {
        "prompts": "; ".join(told) or "none: the model is prompt-free",
        "figures defined by": f"convention “{name}” ({_source(name)})" if name else "",
        "empty masks": empty_masks_in_words(name),
    }


def _source(name: str) -> str:
    found = named_convention(name)
    return str(found.source) if found else "unknown to this version"


def _training(run: Run) -> dict[str, str]:
    config, facts = run.config, run.facts
    best = facts.get("best_metric")
    return {
        "method": method_in_words(run),
        "task": str((config.get("task") or {}).get("task", "")),
        "steps": str(facts.get("steps", "")),
        "batch": str(config.get("batch_size", "")),
        "best validation": f"{best:.4f} at step {facts.get('best_step')}" if best is not None else "",
    }


def _model(run: Run) -> dict[str, str]:
    facts = run.facts
    return {
        "model": " ".join(str(facts[key]) for key in ("model", "family") if facts.get(key)),
        "image size (px)": str(facts.get("image_size") or ""),
        "preprocessing": str(facts.get("preprocessing", "")),
        "base weights (hash)": str(facts.get("base_hash", "")),
        "adapter (hash)": str(facts.get("adapter_hash", "")),
        "seed": str(facts.get("seed", run.config.get("seed", ""))),
    }


def _machine(run: Run) -> dict[str, str]:
    manifest = run.manifest
    machine = manifest.get("machine") or {}
    libraries = [f"{name} {version}" for name, version in (manifest.get("libraries") or {}).items()]
    where = [str(machine[key]) for key in ("processor", "system") if machine.get(key)]
    cores = [f"{machine['cores']} cores"] if machine.get("cores") else []
    return {
        "configuration (hash)": str(manifest.get("config_hash", "")),
        "samadapt": str(manifest.get("samadapt", "")),
        "Python": str(manifest.get("python", "")),
        "libraries": ", ".join(libraries),
        "machine": ", ".join(where[:1] + cores + where[1:]),
        "started": str(manifest.get("started", "")),
        "command": str(manifest.get("command", "")),
        "folder": str(run.folder),
    }
