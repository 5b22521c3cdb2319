"""Build a corpus: source by source, resumable at any case, in several processes."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from samadapt.config import load_config
from samadapt.core.atomic import atomic_path, disk_errors, write_json
from samadapt.core.errors import ConfigError, DataError, StoreError
from samadapt.core.progress import progress
from samadapt.data.config import PrepareConfig
from samadapt.data.corpus.config import CorpusConfig, CorpusSource
from samadapt.data.corpus.pairs import WHOLE_SLICE, PairsJob
from samadapt.data.corpus.statistics import statistics
from samadapt.data.journal import Journal, read_journal
from samadapt.data.pool import encoding, worker_count
from samadapt.data.prepare import prepare
from samadapt.data.recipes.base import Found, Recipe
from samadapt.data.recipes.corpus import RECORD, SourceOfCorpus
from samadapt.data.recipes.sammed2d import TEST, TRAIN
from samadapt.data.records import label_set_to_dict
from samadapt.data.split import assign_splits

STATISTICS_FILE = "statistics.json"
EXCLUSIONS_FILE = "exclusions.csv"
_COMMIT_SECONDS = 0.5
_LISTS = {"train": TRAIN, "val": "label2image_val.json", "test": TEST}


@dataclass(frozen=True)
class Corpus:
    """What was built.

    Attributes
    ----------
    path : Path
        With images/, masks/, the JSON files of SAM-Med2D's layout, exclusions.csv and statistics.json.
    store : Path or None
        The prepared store of the same pairs.
    statistics : dict
        Content of statistics.json.
    """

    path: Path
    store: Path | None
    statistics: dict[str, Any]


def build_corpus(config: CorpusConfig | None = None, **fields: Any) -> Corpus:
    """Turn many datasets into one corpus of image and mask pairs.

    Running it again resumes: finished cases are not read again, new sources are taken in. Memory holds one case a
    worker and the list of cases of one source.

    Parameters
    ----------
    config : CorpusConfig, optional
        Else its fields by name.

    Returns
    -------
    Corpus

    Raises
    ------
    ConfigError
        If two sources have one name, or a recipe or option is unknown.
    DataError
        If a source has no usable case, or a patient in two splits.
    StoreError
        If the folder holds something else, or was built with other rules.
    DiskFull
        If there is no room; what is finished stays.
    """
    config = config or load_config(CorpusConfig, values=fields)
    sources = _named(config)
    _require_ours(config.out)
    with disk_errors(config.out):
        (config.out / RECORD).mkdir(parents=True, exist_ok=True)
    with Journal(config.out / RECORD) as journal:
        _require_same_rules(config, journal)
        for name, source, recipe in sources:
            _take_in(name, source, recipe, config, journal)
    _write_lists(config.out)
    _write_exclusions(config.out)
    told = statistics(config.out) | {"rules": config.rules.model_dump(mode="json")}
    write_json(config.out / STATISTICS_FILE, told)
    if not told["images"]:
        raise DataError(
            "no mask passed the rules", where=config.out, remedy="exclusions.csv lists which rule took each."
        )
    return Corpus(config.out, _store(config, sources) if config.store else None, told)


Named = tuple[str, CorpusSource, Recipe]


def _named(config: CorpusConfig) -> list[Named]:
    from samadapt.data import recipes

    found: list[Named] = []
    for source in config.all_sources():
        recipe = recipes.get(recipes.detect(source.source) if source.recipe == "auto" else source.recipe)
        name = source.name or recipe.info.name
        if name in {other for other, _, _ in found}:
            raise ConfigError(
                f"two sources are called {name!r}",
                where=source.source,
                remedy="Give each a name of its own (name: ...).",
            )
        found.append((name, source, recipe))
    return found


def _require_ours(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise StoreError("this is a file, not a folder", where=out, remedy="Choose a folder.")
    if out.is_dir() and any(out.iterdir()) and not (out / RECORD).is_dir():
        raise StoreError("the folder is not empty and holds no corpus", where=out, remedy="Choose an empty folder.")


def _require_same_rules(config: CorpusConfig, journal: Journal) -> None:
    rules = config.model_dump(mode="json", include={"rules", "splits", "seed"})
    known = next((line for kind, line, _ in read_journal(config.out / RECORD) if kind == "corpus"), None)
    if known is None:
        journal.add("corpus", rules)
        journal.commit()
    elif known != rules:
        changed = [key for key in rules if known.get(key) != rules[key]]
        raise StoreError(
            f"this corpus was built with other {' and '.join(changed)}",
            where=config.out,
            remedy="Choose another output folder for other rules.",
        )


def _take_in(name: str, source: CorpusSource, recipe: Recipe, config: CorpusConfig, journal: Journal) -> None:
    """All cases of a source that the journal has not."""
    found = recipe.find(source.source, **source.options)
    cases = found.cases[: source.limit]
    facts = _facts(name, source, recipe, found)
    known = {(k, line["name"]): line for k, line, _ in _lines_of(config.out, name)}
    if ("source", name) not in known:
        journal.add("source", facts)
    elif known["source", name] != facts:
        raise StoreError(
            f"the source {name!r} was taken in with other settings, or its labels have changed",
            where=config.out,
            remedy="Choose another output folder, or give the source another name.",
        )
    for item, reason in found.exclusions:
        if ("excluded", item) not in known:
            journal.add("excluded", {"source": name, "name": item, "reason": reason})
    journal.commit()
    splits = assign_splits(
        [c.patient for c in cases], config.splits, config.seed, [c.split for c in cases], where=source.source
    )
    pending = [(c, s) for c, s in zip(cases, splits) if not {("case", c.name), ("excluded", c.name)} & known.keys()]
    if pending:
        job = PairsJob(name, pending, found.label_set, source, config.rules, config.out)
        _run(job, journal, len(cases), worker_count(config.workers))


def _facts(name: str, source: CorpusSource, recipe: Recipe, found: Found) -> dict[str, Any]:
    settings = source.model_dump(mode="json", exclude={"limit", "name", "recipe", "source"})
    return {
        "name": name,
        "recipe": recipe.info.name,
        "source": str(source.source.resolve()),
        "info": asdict(recipe.info),
        "labels": label_set_to_dict(found.label_set),
        **settings,
    }


def _lines_of(out: Path, source: str) -> Iterator[tuple[str, dict[str, Any], int]]:
    for kind, line, offset in read_journal(out / RECORD):
        if (kind in ("case", "excluded") and line["source"] == source) or (kind == "source" and line["name"] == source):
            yield kind, line, offset


def _run(job: PairsJob, journal: Journal, total: int, workers: int) -> None:
    committed = time.monotonic()
    with encoding(job, workers) as results, progress(f"corpus {job.name}", total, total - len(job)) as step:
        try:
            for index, outcome in results:
                if isinstance(outcome, str):
                    line = {"source": job.name, "name": job.cases[index][0].name, "reason": outcome}
                    journal.add("excluded", line)
                    step(f"left out {outcome}")
                else:
                    journal.add("case", outcome)
                    step()
                if time.monotonic() - committed > _COMMIT_SECONDS:
                    journal.commit()
                    committed = time.monotonic()
        finally:
            if journal.pending:
                journal.commit()


def _write_lists(out: Path) -> None:
    """image2label_train.json, and label2image of the other splits, written as they are read."""
    for split, file in _LISTS.items():
        entries = _train_entries(out) if split == "train" else _mask_entries(out, split)
        with atomic_path(out / file) as temporary, open(temporary, "w", encoding="utf-8") as stream:
            stream.write("{")
            for number, (key, value) in enumerate(entries):
                stream.write(",\n" if number else "\n")
                stream.write(f"{json.dumps(key)}: {json.dumps(value)}")
            stream.write("\n}\n")


def _images(out: Path, split: str) -> Iterator[tuple[str, list[str]]]:
    for kind, line, _ in read_journal(out / RECORD):
        if kind == "case" and line["split"] == split:
            for one in line["images"]:
                masks = [f"{out.name}/masks/{line['source']}/{mask}" for mask, _, _ in one["masks"]]
                yield f"{out.name}/images/{line['source']}/{one['image']}", masks


def _train_entries(out: Path) -> Iterator[tuple[str, Any]]:
    yield from _images(out, "train")


def _mask_entries(out: Path, split: str) -> Iterator[tuple[str, Any]]:
    for image, masks in _images(out, split):
        yield from ((mask, image) for mask in masks)


def _write_exclusions(out: Path) -> None:
    """Every exclusion, one row each: whole cases with the reason in words, slices and masks with their rule."""
    head = ("source", "case", "axis", "slice", "label", "part", "area_share", "rule", "masks")
    labels: dict[str, dict[int, str]] = {}
    with (
        atomic_path(out / EXCLUSIONS_FILE) as temporary,
        open(temporary, "w", encoding="utf-8", newline="") as stream,
    ):
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(head)
        for kind, line, _ in read_journal(out / RECORD):
            if kind == "source":
                labels[line["name"]] = {one["value"]: one["name"] for one in line["labels"]["labels"]}
            elif kind == "excluded":
                rows.writerow((line["source"], line["name"], "", "", "", "", "", line["reason"], ""))
            elif kind == "case":
                for axis, z, label, part, share, rule, masks in line["excluded"]:
                    what = ("", "", "") if part == WHOLE_SLICE else (labels[line["source"]][label], part, share)
                    rows.writerow((line["source"], line["name"], axis, z, *what, rule, masks))


def _store(config: CorpusConfig, sources: list[Named]) -> Path:
    """The pairs as a prepared store, one dataset a source."""
    path = config.out / "store"
    for name, _, _ in sources:
        recipe = SourceOfCorpus.read(config.out, name)
        if recipe is not None:
            prepare(
                PrepareConfig(
                    source=config.out, out=path, recipe="corpus", splits=_three(config), workers=config.workers
                ),
                recipe=cast(Recipe, recipe),  # its facts are those of one source, not of a class
            )
    return path


def _three(config: CorpusConfig) -> dict[str, float]:
    return {"train": 0.0, "val": 0.0, "test": 0.0} | config.splits
