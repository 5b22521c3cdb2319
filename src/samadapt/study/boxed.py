"""Predictions of a network that was given the box of a label as a channel: one file for every case and label."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from samadapt.core.errors import DataError
from samadapt.core.image import LabelSet
from samadapt.data.nnunet_box import OBJECT, case_name, labels_in
from samadapt.study.config import ScoreConfig
from samadapt.study.references import StoreReferences, prediction_files, read_prediction

if TYPE_CHECKING:
    from samadapt.study.ledger import Ledger
    from samadapt.study.predicting import CasePredictions
    from samadapt.study.rows import Row

_OBJECT: Final = LabelSet.from_names({1: OBJECT})
_TOLD: Final = ("box", "model", "predicted")


class BoxedPredictions:
    """Files of an export with `box`, scored as a model that is asked about every label by its boxes.

    Labels may overlap, and slices without a box of a label are not asked about: what a file holds there is left out.

    Parameters
    ----------
    references : StoreReferences
    config : ScoreConfig

    Attributes
    ----------
    names : list of str
        Cases that hold a label.
    unused : list of str
        Files of no case.

    Raises
    ------
    DataError
        If no case holds a label, or a label of a case has no prediction.
    """

    def __init__(self, references: StoreReferences, config: ScoreConfig) -> None:
        self.references, self.config = references, config
        store = references.store
        self.labels = {name: labels_in(store, case) for name, case in references.numbers.items()}
        self.names = [name for name, labels in self.labels.items() if labels]
        if not self.names:
            raise DataError(f"no case of the split {references.split!r} holds a label", where=store.path)
        asked = [self._file(name, label) for name in self.names for label in self.labels[name]]
        self.files, self.unused = prediction_files(config.prediction, asked)

    def check(self, name: str) -> None:
        """Raise if a file of a case cannot be read, lies on another grid, or holds more than one label."""
        for label in self.labels[name]:
            read_prediction(self._path(name, label), self.references.truth(name), {}, _OBJECT)

    def rows(self, name: str, ledger: Ledger) -> Iterator[Row]:
        """Rows of a case, and its overlay."""
        from samadapt.study.overlays import save_overlay
        from samadapt.study.scoring import score_prompted

        store, case = self.references.store, self.references.numbers[name]
        found = self._predictions(name)
        save_overlay(self.config.out, store, case, found.crops[_TOLD])
        yield from score_prompted(store, case, found, self.config.convention, ledger)

    def _predictions(self, name: str) -> CasePredictions:
        from samadapt.study.predicting import UNITED, CasePredictions, Crop

        store, case = self.references.store, self.references.numbers[name]
        found = CasePredictions(seconds=self.config.seconds_per_case or 0.0)
        objects = store.objects[store.objects_of(case)]
        truth = self.references.truth(name)
        for label in self.labels[name]:
            answer = read_prediction(self._path(name, label), truth, {}, _OBJECT)
            slices = sorted({int(row["z"]) for row in objects if int(row["label"]) == label})
            found.crops[_TOLD][label, UNITED] = [Crop.of(answer[z] > 0, z) for z in slices]
        return found

    def _file(self, name: str, label: int) -> str:
        return case_name(Path(name).name, label)

    def _path(self, name: str, label: int) -> Path:
        return self.files[self._file(name, label)]
