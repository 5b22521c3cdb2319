"""Phantoms in four contrast phases, through the recipe that reads them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from samadapt import io
from samadapt.core.errors import ConfigError
from samadapt.data.phantoms import PHASES, synth, write_multiphase
from samadapt.data.prepare import prepare
from samadapt.data.recipes.nnunet import modality_of

SHAPE, SPACING = (12, 48, 48), (16.0, 7.5, 7.5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("multiphase") / "raw"
    synth(kind="multiphase", out=out, cases=4, seed=1, shape=SHAPE, spacing_mm=SPACING)
    return out


def test_every_case_has_four_phases_and_a_tumour_in_its_liver(folder):
    facts = json.loads((folder / "cases.json").read_text())["cases"]
    assert len(facts) == 4
    for case in facts:
        volumes = [io.open(folder / "imagesTr" / f"{case['name']}_{n:04d}.nii.gz") for n in range(len(PHASES))]
        label = io.open_label(folder / "labelsTr" / f"{case['name']}.nii.gz")
        assert {v.shape for v in volumes} == {label.values.shape} == {SHAPE}
        assert case["tumour_voxels"] == (label.values == 2).sum() > 0
        assert (label.values == 1).sum() > 5 * (label.values == 2).sum() / 2


def test_phases_enhance_differently_and_share_the_anatomy(folder):
    facts = json.loads((folder / "cases.json").read_text())["cases"]
    seen = set()
    for case in facts:
        arterial, _, venous, delayed = (
            io.open(folder / "imagesTr" / f"{case['name']}_{n:04d}.nii.gz").voxels.astype(float) for n in range(4)
        )
        values = io.open_label(folder / "labelsTr" / f"{case['name']}.nii.gz").values
        liver, tumour = values == 1, values == 2
        assert arterial[liver].mean() < venous[liver].mean() - 20
        gain = (arterial[tumour].mean() - arterial[liver].mean()) - (delayed[tumour].mean() - delayed[liver].mean())
        assert (gain > 40) == (case["kind"] == "arterial enhancing")
        air = arterial < -700
        assert (venous[air] < -500).mean() > 0.9
        seen.add(case["kind"])
    assert len(facts) == 4
    assert seen


def test_a_case_does_not_depend_on_how_many_there_are(folder, tmp_path):
    write_multiphase(tmp_path, 1, 1, SHAPE, SPACING)
    for name in ("imagesTr/liver_0001_0002.nii.gz", "labelsTr/liver_0001.nii.gz"):
        one, other = (io.open(root / name) for root in (folder, tmp_path))
        assert np.array_equal(one.voxels, other.voxels)
    with pytest.raises(ConfigError, match="at least 1"):
        write_multiphase(tmp_path, 0)


def test_prepared_store_holds_the_phases_as_channels_and_says_who_lacks_one(folder, tmp_path):
    import shutil

    raw = tmp_path / "raw"
    shutil.copytree(folder, raw)
    (raw / "imagesTr" / "liver_0003_0001.nii.gz").unlink()
    store = prepare(source=raw, out=tmp_path / "store", workers=1)
    assert store.datasets[0]["name"] == "multiphase-phantoms"
    assert [case.name for case in store.cases] == ["liver_0001", "liver_0002", "liver_0004"]
    assert {(case.channels, case.modality) for case in store.cases} == {(4, "CT")}
    assert [(e["name"], e["reason"]) for e in store.excluded] == [("liver_0003", "channel 0001 of 4 is missing")]
    assert store.label_set.names == {1: "liver", 2: "tumour"}


def test_names_of_phases_are_a_ct():
    assert modality_of(["CT arterial", "CT_venous"]) == "CT"
    assert modality_of(["CT"]) == "CT"
    assert modality_of(["CT", "PET"]) == ""
    assert modality_of(["T1", "T2"]) == "MR"
