"""A corpus that `samadapt corpus` built: pairs in SAM-Med2D's layout that know modality, patient and source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from samadapt.core.image import LabelSet
from samadapt.data.journal import JOURNAL_FILE, read_journal
from samadapt.data.labels import merge
from samadapt.data.recipes.base import CaseSource, Exclusion, Found, RecipeInfo, require_cases, require_folder
from samadapt.data.recipes.nnunet import no_options
from samadapt.data.recipes.sammed2d import ObjectsLoader
from samadapt.data.records import label_set_from_dict

RECORD = "record"
"""Folder of the journal, below that of the corpus."""


class CorpusPairs:
    """`images/<source>/`, `masks/<source>/` and the record that connects them; all sources as one dataset."""

    info: ClassVar[RecipeInfo] = RecipeInfo(
        name="corpus",
        title="Corpus of image and mask pairs built from several datasets",
        licence="those of its sources",
        citation="those of its sources; layout: Cheng et al. 2023, SAM-Med2D, arXiv:2308.16184",
        url="",
        how_to_get="samadapt corpus FOLDER ... --out CORPUS",
    )

    def matches(self, source: Path) -> bool:
        """True if the folder has the record of a corpus."""
        return (Path(source) / RECORD / JOURNAL_FILE).is_file()

    def find(self, source: Path, **options: Any) -> Found:
        """List the pictures; labels of the same anatomy and side are one."""
        no_options(self.info.name, options)
        source = require_folder(source)
        label_set: LabelSet | None = None
        values: dict[str, dict[int, int]] = {}
        cases: list[CaseSource] = []
        exclusions: list[Exclusion] = []
        for kind, line, _ in read_journal(source / RECORD):
            if kind == "source":
                merged = merge(label_set, labels_of(line), where=source)
                label_set, values[line["name"]] = merged.label_set, merged.values
            elif kind == "case":
                cases.extend(pictures_of(source, line, values[line["source"]]))
            elif kind == "excluded":
                exclusions.append((f"{line['source']}: {line['name']}", line["reason"]))
        found = Found(sorted(cases, key=lambda case: case.name), label_set or LabelSet(()), exclusions)
        return require_cases(found, source, "a corpus with at least one image")


@dataclass(frozen=True)
class SourceOfCorpus:
    """One source of a corpus as a dataset of its own, under its own licence and citation.

    Attributes
    ----------
    info : RecipeInfo
    found : Found
    """

    info: RecipeInfo
    found: Found

    @classmethod
    def read(cls, corpus: Path, name: str) -> SourceOfCorpus | None:
        """A source by name; None if none of its masks passed the rules."""
        lines = [
            (kind, line)
            for kind, line, _ in read_journal(corpus / RECORD)
            if (line["name"] if kind == "source" else line.get("source")) == name
        ]
        facts = next(line for kind, line in lines if kind == "source")
        label_set = labels_of(facts)
        same = {value: value for value in label_set.values}
        cases = [case for kind, line in lines if kind == "case" for case in pictures_of(corpus, line, same)]
        exclusions = [(line["name"], line["reason"]) for kind, line in lines if kind == "excluded"]
        info = replace(RecipeInfo(**facts["info"]), name=name)
        found = Found(sorted(cases, key=lambda case: case.name), label_set, exclusions)
        return cls(info, found) if cases else None

    def matches(self, source: Path) -> bool:
        """False: it is never detected, the corpus is."""
        return False

    def find(self, source: Path, **options: Any) -> Found:
        """What was read."""
        return self.found


def labels_of(facts: dict[str, Any]) -> LabelSet:
    """Label set of a source, with the organs that the corpus was told."""
    labels = label_set_from_dict(facts["labels"])
    told = facts["anatomy"]
    return LabelSet(tuple(replace(one, anatomy=told.get(one.name, one.anatomy)) for one in labels.labels))


def pictures_of(corpus: Path, line: dict[str, Any], values: dict[int, int]) -> Iterator[CaseSource]:
    """Pictures of one case; they are all of one patient."""
    folders = corpus / "images" / line["source"], corpus / "masks" / line["source"]
    for one in line["images"]:
        image = folders[0] / one["image"]
        masks = tuple((folders[1] / file, values[value]) for file, value, _ in one["masks"])
        patient = f"{line['source']}:{line['patient']}"
        files = (image, *(path for path, _ in masks))
        loader = ObjectsLoader(image, masks)
        yield CaseSource(image.stem, patient, line["split"], line["modality"], loader, files)
