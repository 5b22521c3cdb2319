"""From a folder with images and labels to a prepared store, resumable at any point."""

from __future__ import annotations

import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samadapt.config import load_config
from samadapt.core.atomic import disk_errors
from samadapt.core.errors import DataError, StoreError
from samadapt.core.progress import progress
from samadapt.data.config import PrepareConfig
from samadapt.data.encode import EncodeSettings
from samadapt.data.index import Contents, compile_index, is_compiled, read_contents
from samadapt.data.journal import JOURNAL_FILE, Journal
from samadapt.data.labels import merge
from samadapt.data.pool import Task, encoding, worker_count
from samadapt.data.records import CHUNK, label_set_from_dict, label_set_to_dict, pack_rows, unpack_rows
from samadapt.data.shards import ShardWriter
from samadapt.data.split import assign_splits
from samadapt.data.store import Store

if TYPE_CHECKING:
    from samadapt.data.recipes.base import CaseSource, Found, Recipe

_PARTS = "parts"
_COMMIT_SECONDS = 0.5
_SHOWN = 3


def prepare(config: PrepareConfig | None = None, *, recipe: str | Recipe = "auto", **fields: Any) -> Store:
    """Read, check and compress a dataset into a store, or add it to one.

    Running it again resumes; on a finished store it does nothing. A killed run, a full disk or Ctrl-C lose at most
    half a second of finished work and never leave a half-written case.

    Parameters
    ----------
    config : PrepareConfig, optional
        Else the fields of `PrepareConfig` are given by name: ``prepare(source=..., out=...)``.
    recipe : str or Recipe
        Name, "auto", or an object with `info` and `find`, which goes before the name in `config`.
    **fields
        See `PrepareConfig`.

    Returns
    -------
    Store
        With the cases of all datasets prepared into the same folder.

    Raises
    ------
    ConfigError
        If a field is unknown or has a bad value.
    DataError
        If no usable case is found, or a patient is in two splits.
    StoreError
        If the folder holds something else, or the dataset was prepared there with other settings.
    DiskFull
        If there is no room; what is finished stays and the next run resumes.
    """
    if config is None:
        name = recipe if isinstance(recipe, str) else recipe.info.name
        config = load_config(PrepareConfig, values=fields | {"recipe": name})
    chosen = _recipe(config) if isinstance(recipe, str) else recipe
    found = chosen.find(config.source, **config.options)
    _check_found(found, config)
    with _locked(config.out):
        _prepare_into(config.out, chosen, found, config)
    return Store.open(config.out)


@dataclass(frozen=True)
class _Plan:
    """What is left to do for a dataset in a store.

    `facts` is None if the journal knows the dataset already.
    """

    name: str
    facts: dict[str, Any] | None
    settings: EncodeSettings
    pending: list[tuple[str, CaseSource]]
    exclusions: list[tuple[str, str]]
    total: int


def _recipe(config: PrepareConfig) -> Recipe:
    from samadapt.data import recipes

    return recipes.get(recipes.detect(config.source) if config.recipe == "auto" else config.recipe)


def _check_found(found: Found, config: PrepareConfig) -> None:
    """Refuse an empty dataset, repeated names and leaking splits before any work."""
    if not found.cases:
        raise _nothing(config.source, found.exclusions)
    name, count = Counter(case.name for case in found.cases).most_common(1)[0]
    if count > 1:
        raise DataError(f"{count} cases are called {name!r}", where=config.source, remedy="Give each its own name.")
    patients = [case.patient for case in found.cases]
    assign_splits(patients, config.splits, config.seed, [case.split for case in found.cases], where=config.source)


def _nothing(source: object, exclusions: list[tuple[str, str]]) -> DataError:
    what, shown = "no case can be used", _one_of_each(exclusions)[:_SHOWN]
    if shown:
        reasons = [f"{name}: {reason.rstrip('.')}" for name, reason in shown]
        rest = len(exclusions) - len(shown)
        what += f" ({len(exclusions)} left out: {'; '.join(reasons + [f'and {rest} more'] * (rest > 0))})"
    return DataError(what, where=source, remedy="samadapt doctor on the folder lists what is wrong.")


def _one_of_each(exclusions: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The first exclusion of every kind: reasons that differ in a file or a number are of one kind."""
    kinds: dict[str, tuple[str, str]] = {}
    for name, reason in exclusions:
        kinds.setdefault(re.sub(r"\S*[/\\]\S*|\d+", "", reason), (name, reason))
    return list(kinds.values())


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Keep a second prepare out of the folder."""
    _require_ours(out)
    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        file = open(out / ".lock", "w")  # noqa: SIM115
    with file:
        try:
            import fcntl

            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # not a POSIX system: no lock
            pass
        except OSError as error:
            raise StoreError(
                "another prepare is writing to this store", where=out, remedy="Wait for it to end."
            ) from error
        yield


def _require_ours(out: Path) -> None:
    ours = {".lock", _PARTS, "shards", JOURNAL_FILE}
    if out.is_dir() and not (out / JOURNAL_FILE).exists() and any(p.name not in ours for p in out.iterdir()):
        raise StoreError("the folder is not empty and holds no store", where=out, remedy="Choose an empty folder.")
    if out.exists() and not out.is_dir():
        raise StoreError("this is a file, not a folder", where=out, remedy="Choose a folder.")


def _prepare_into(out: Path, recipe: Recipe, found: Found, config: PrepareConfig) -> None:
    if (out / JOURNAL_FILE).exists() and not config.resume:
        raise StoreError("the folder holds a store already", where=out, remedy="Choose another, or allow resume.")
    contents = read_contents(out)
    plan = _plan(contents, recipe, found, config)
    with Journal(out) as journal:
        if plan.facts is not None:
            journal.add("dataset", plan.facts)
        for name, reason in plan.exclusions:
            journal.add("excluded", {"dataset": plan.name, "name": name, "reason": reason})
        if journal.pending:
            journal.commit()
        if plan.pending:
            _ingest(out, journal, contents, plan, config)
    _finish(out, plan, config)


def _finish(out: Path, plan: _Plan, config: PrepareConfig) -> None:
    if is_compiled(out):
        return
    contents = read_contents(out)
    if not contents.cases:
        _discard(out)
    else:
        compile_index(out)
    if not any(case[0] == plan.name for case in contents.cases):
        raise _nothing(config.source, [(n, reason) for (d, n), reason in contents.excluded.items() if d == plan.name])


def _discard(out: Path) -> None:
    """Remove a store without a single case."""
    shutil.rmtree(out / "shards", ignore_errors=True)
    (out / JOURNAL_FILE).unlink()


def _plan(contents: Contents, recipe: Recipe, found: Found, config: PrepareConfig) -> _Plan:
    source = str(config.source.resolve())
    known = next(
        (f for f in contents.datasets.values() if (f["recipe"], f["source"]) == (recipe.info.name, source)), None
    )
    facts = known or _dataset_facts(contents, recipe, found, config, source)
    if known is not None:
        _require_same(known, found, config)
    name = facts["name"]
    values = {int(old): new for old, new in facts["values"].items()}
    settings = EncodeSettings(name, config.window, config.slice_axis, found.label_set, values)
    taken = {case[1] for case in contents.cases if case[0] != name}
    done = {case[1] for case in contents.cases if case[0] == name}
    cases = [(f"{name}-{c.name}" if c.name in taken else c.name, c) for c in found.cases[: config.limit]]
    pending = [(case, c) for case, c in cases if case not in done]
    exclusions = [(n, reason) for n, reason in found.exclusions if contents.excluded.get((name, n)) != reason]
    return _Plan(name, None if known else facts, settings, pending, exclusions, len(cases))


def _dataset_facts(
    contents: Contents, recipe: Recipe, found: Found, config: PrepareConfig, source: str
) -> dict[str, Any]:
    info, earlier = recipe.info, list(contents.datasets.values())
    store_labels = label_set_from_dict(earlier[-1]["label_set"]) if earlier else None
    merged = merge(store_labels, found.label_set, where=config.source)
    return {
        "name": _free_name(info.name, contents),
        "title": info.title,
        "licence": info.licence,
        "citation": info.citation,
        "url": info.url,
        "modality": info.modality,
        "recipe": info.name,
        "source": source,
        "settings": _settings(config),
        "labels": label_set_to_dict(found.label_set),
        "values": {str(old): new for old, new in merged.values.items()},
        "label_set": label_set_to_dict(merged.label_set),
    }


def _settings(config: PrepareConfig) -> dict[str, Any]:
    tree = config.model_dump(mode="json")
    return {key: tree[key] for key in ("window", "slice_axis", "splits", "seed", "options")}


def _free_name(wanted: str, contents: Contents) -> str:
    name, number = wanted, 1
    while name in contents.datasets:
        number += 1
        name = f"{wanted}-{number}"
    return name


def _require_same(facts: dict[str, Any], found: Found, config: PrepareConfig) -> None:
    new = _settings(config)
    changed = [key for key, value in facts["settings"].items() if new[key] != value]
    if changed:
        key = changed[0]
        raise StoreError(
            f"dataset {facts['name']!r} was prepared here with {key} = {facts['settings'][key]!r}, not {new[key]!r}",
            where=config.out,
            remedy="Choose another output folder for other settings.",
        )
    if facts["labels"] != label_set_to_dict(found.label_set):
        raise StoreError(
            f"the label list of dataset {facts['name']!r} has changed since it was prepared here",
            where=config.out,
            remedy="Prepare it again into another output folder.",
        )


def _ingest(out: Path, journal: Journal, contents: Contents, plan: _Plan, config: PrepareConfig) -> None:
    """Encode what is pending; one writer, which this process is."""
    parts = out / _PARTS
    shutil.rmtree(parts, ignore_errors=True)
    with disk_errors(parts):
        parts.mkdir()
    task = Task(plan.pending, plan.settings, parts)
    done = plan.total - len(plan.pending)
    try:
        with (
            encoding(task, worker_count(config.workers)) as results,
            ShardWriter(out, contents.ends) as shards,
            progress(f"preparing {plan.name}", plan.total, done) as step,
        ):
            writer = _Writer(shards, journal, plan.name, contents.excluded)
            try:
                for index, outcome in results:
                    step(writer.take(plan.pending[index][0], outcome, task.part(index)))
            finally:
                writer.commit()
    finally:
        shutil.rmtree(parts, ignore_errors=True)


class _Writer:
    """Puts encoded cases into the shard and, once they are safe there, into the journal."""

    def __init__(
        self, shards: ShardWriter, journal: Journal, dataset: str, excluded: dict[tuple[str, str], str]
    ) -> None:
        self._shards, self._journal, self._dataset, self._excluded = shards, journal, dataset, excluded
        self._committed = time.monotonic()

    def take(self, name: str, outcome: dict[str, Any] | str, part: Path) -> str:
        """Take in one outcome; returns what the user should be told of it."""
        if isinstance(outcome, str):
            if self._excluded.get((self._dataset, name)) != outcome:
                self._journal.add("excluded", {"dataset": self._dataset, "name": name, "reason": outcome})
            return f"left out {outcome}"
        shard, start = self._shards.append(part)
        part.unlink()
        chunks = unpack_rows(outcome["chunks"], CHUNK)
        chunks["shard"] = shard
        for field in ("image_at", "label_at"):
            chunks[field] += start
        placed = {"chunks": pack_rows(chunks), "shard": shard, "end": start + outcome["bytes"]}
        self._journal.add("case", outcome | placed)
        if time.monotonic() - self._committed > _COMMIT_SECONDS:
            self.commit()
        return ""

    def commit(self) -> None:
        """Make everything taken in so far permanent."""
        if self._journal.pending:
            self._shards.sync()
            self._journal.commit()
        self._committed = time.monotonic()
