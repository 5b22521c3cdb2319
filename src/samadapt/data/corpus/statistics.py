"""What a corpus holds, counted from its journal: by modality, organ, source, region, split and rule."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from samadapt.data.corpus.pairs import WHOLE_SLICE
from samadapt.data.journal import read_journal
from samadapt.data.recipes.corpus import RECORD

EDGES = tuple(10 ** (exponent / 4) for exponent in range(-20, 1))
"""Borders of the histogram of area shares: four a decade, from 0.00001 to 1."""


@dataclass
class _Group:
    cases: int = 0
    images: int = 0
    masks: int = 0
    others: set[str] = field(default_factory=set)
    shares: array[float] = field(default_factory=lambda: array("f"))

    def told(self, name: str, others: str) -> dict[str, Any]:
        shares = np.frombuffer(self.shares, dtype=np.float32) if self.shares else np.array([np.nan])
        return {
            "name": name,
            others: sorted(self.others),
            "cases": self.cases,
            "images": self.images,
            "masks": self.masks,
            "median_area_share": None if np.isnan(shares).all() else float(np.median(shares)),
        }


def statistics(corpus: Path) -> dict[str, Any]:
    """Counts of a corpus, JSON-ready.

    Returns
    -------
    dict
        "cases", "images", "masks" in all; "modalities", "organs", "sources", "regions", "splits": lists of
        groups, most masks first; "rules": see `CorpusRules`; "excluded": rule to masks, slices and sources;
        "left_out": cases left out whole; "empty_slices"; "area_histogram": counts between `EDGES`.
    """
    counts = _Counts()
    for kind, line, _ in read_journal(corpus / RECORD):
        if kind == "source":
            counts.sources[line["name"]] = line
        elif kind == "excluded":
            counts.left_out[line["source"]] += 1
        elif kind == "case":
            counts.case(line)
    return counts.told()


class _Counts:
    def __init__(self) -> None:
        self.sources: dict[str, dict[str, Any]] = {}
        self.left_out: Counter[str] = Counter()
        self.empty = 0
        self.groups: dict[str, dict[str, _Group]] = defaultdict(lambda: defaultdict(_Group))
        self.rules: dict[str, dict[str, Any]] = {}
        self.histogram = np.zeros(len(EDGES) - 1, dtype=np.int64)
        self.total = _Group()

    def case(self, line: dict[str, Any]) -> None:
        source = self.sources[line["source"]]
        self.empty += line["empty"]
        modality, region = line["modality"] or "unknown", source["region"] or "not stated"
        for kind, name, other in (
            ("modalities", modality, line["source"]),
            ("regions", region, line["source"]),
            ("sources", line["source"], modality),
            ("splits", line["split"], line["source"]),
        ):
            self._add(self.groups[kind][name], line["images"], other)
        self._add(self.total, line["images"], line["source"])
        self._organs(line, source, modality)
        for _, _, _, part, _, rule, masks in line["excluded"]:
            told = self.rules.setdefault(rule, {"masks": 0, "slices": 0, "sources": set()})
            told["masks"] += masks
            told["slices"] += part == WHOLE_SLICE
            told["sources"].add(line["source"])

    def _add(self, group: _Group, images: list[dict[str, Any]], other: str) -> None:
        group.cases += bool(images)
        group.images += len(images)
        group.masks += sum(len(one["masks"]) for one in images)
        group.others.add(other)
        group.shares.extend(_shares(images))

    def _organs(self, line: dict[str, Any], source: dict[str, Any], modality: str) -> None:
        organ = {one["value"]: organ_of(one, source["anatomy"]) for one in source["labels"]["labels"]}
        in_case: set[str] = set()
        for one in line["images"]:
            size = one["hw"][0] * one["hw"][1]
            in_image: set[str] = set()
            for _, value, area in one["masks"]:
                group = self.groups["organs"][organ[value]]
                group.masks += 1
                group.others.add(modality)
                group.shares.append(area / size)
                in_image.add(organ[value])
            for name in in_image:
                self.groups["organs"][name].images += 1
            in_case |= in_image
        for name in in_case:
            self.groups["organs"][name].cases += 1
        found, _ = np.histogram(list(_shares(line["images"])), EDGES)
        self.histogram += found

    def told(self) -> dict[str, Any]:
        others = {"modalities": "sources", "regions": "sources", "sources": "modalities", "organs": "modalities"}
        lists = {
            kind: [group.told(name, others.get(kind, "sources")) for name, group in _most_first(self.groups[kind])]
            for kind in ("modalities", "organs", "sources", "regions", "splits")
        }
        for one in lists["sources"]:
            one |= {key: self.sources[one["name"]]["info"][key] for key in ("title", "licence", "citation")}
        excluded = {
            rule: one | {"sources": sorted(one["sources"])}
            for rule, one in sorted(self.rules.items(), key=lambda item: -item[1]["masks"])
        }
        total = {"cases": self.total.cases, "images": self.total.images, "masks": self.total.masks}
        counted = {"left_out": dict(self.left_out), "empty_slices": self.empty, "excluded": excluded}
        histogram = {"edges": list(EDGES), "counts": [int(n) for n in self.histogram]}
        return total | lists | counted | {"area_histogram": histogram}


def organ_of(label: dict[str, Any], anatomy: dict[str, str]) -> str:
    """Organ of a label: what the source says, else what its name says, without its side."""
    return anatomy.get(label["name"]) or label["anatomy"] or label["name"]


def _shares(images: list[dict[str, Any]]) -> Iterable[float]:
    return (area / (one["hw"][0] * one["hw"][1]) for one in images for _, _, area in one["masks"])


def _most_first(groups: dict[str, _Group]) -> list[tuple[str, _Group]]:
    return sorted(groups.items(), key=lambda item: (-item[1].masks, item[0]))
