"""Phantoms: sides and sizes of organs, the layout on disk, independence of the number of cases."""

from __future__ import annotations

import json

import nibabel
import numpy as np
import pytest
from PIL import Image

from samadapt.core.errors import ConfigError, InvalidGeometry
from samadapt.data.phantoms import SynthConfig, make_case, phantom, synth, write_flare22
from samadapt.data.phantoms.atlas import LABEL, MISSING_CHANCE, ORGANS
from samadapt.data.phantoms.flare22 import _FLIPS
from samadapt.data.phantoms.generate import instance_map
from samadapt.data.phantoms.scanner import _HU
from samadapt.data.recipes.flare22 import ORGANS as OFFICIAL

SMALL = (16, 64, 64)
COARSE = (12.0, 5.6, 5.6)


@pytest.fixture(scope="module")
def cases():
    return [make_case(f"patient {n}") for n in range(6)]


def middle(case, organ):
    where = np.argwhere(case.labels.values == LABEL[organ])
    return None if len(where) < 5 else where.mean(0) * case.volume.grid.spacing_mm


def test_the_labels_are_those_of_flare22():
    assert ORGANS == OFFICIAL
    assert set(MISSING_CHANCE) <= set(LABEL)


def test_a_case_is_a_ct_volume_with_13_organs(cases):
    assert len(cases) == 6
    for case in cases:
        assert case.volume.shape == case.labels.values.shape == (40, 128, 128)
        assert case.volume.voxels.dtype == np.int16
        assert case.labels.values.dtype == np.uint8
        assert case.volume.voxels.min() >= -1024
        assert case.volume.voxels.max() <= 1600
        assert case.volume.modality == "CT"
        case.volume.grid.require_match(case.labels.grid)
        expected = {LABEL[name] for name in LABEL if name not in case.missing}
        assert set(np.unique(case.labels.values)) - {0} == expected


def test_organs_lie_on_their_sides_in_lps(cases):
    seen = 0
    for case in cases:
        spine = (case.volume.shape[2] - 1) / 2 * case.volume.grid.spacing_mm[2]
        for organ, side in (("liver", -1), ("spleen", 1), ("stomach", 1), ("right kidney", -1), ("left kidney", 1)):
            centre = middle(case, organ)
            if centre is not None:
                assert (centre[2] - spine) * side > 0, (case.name, organ)
                seen += 1
        liver, kidney, aorta = (middle(case, o) for o in ("liver", "left kidney", "aorta"))
        stomach = middle(case, "stomach")
        if kidney is not None:
            assert kidney[0] < liver[0]
        assert stomach[1] < aorta[1]
    assert seen >= 25


def test_organ_volumes_are_those_of_adults(cases):
    litres = {"liver": (0.6, 3.0), "spleen": (0.05, 0.7), "right kidney": (0.05, 0.4), "pancreas": (0.015, 0.2)}
    for case in cases:
        voxel = np.prod(case.volume.grid.spacing_mm) / 1e6
        for organ, (low, high) in litres.items():
            if organ not in case.missing:
                assert low < (case.labels.values == LABEL[organ]).sum() * voxel < high, (case.name, organ)


def test_organs_overlap_in_hounsfield_units(cases):
    case = cases[0]
    liver, spleen = (case.volume.voxels[case.labels.values == LABEL[o]].astype(float) for o in ("liver", "spleen"))
    assert 40 < np.median(liver) < 170
    assert abs(np.median(liver) - np.median(spleen)) < 2 * liver.std()
    air = case.volume.voxels[:, 0, 0]
    assert air.mean() < -900


def test_a_case_depends_on_its_name_and_seed_alone():
    first = phantom("a", shape=SMALL, spacing_mm=COARSE)
    phantom("b", shape=SMALL, spacing_mm=COARSE)
    again = phantom("a", shape=SMALL, spacing_mm=COARSE)
    other = phantom("a", seed=1, shape=SMALL, spacing_mm=COARSE)
    assert np.array_equal(first[0].voxels, again[0].voxels)
    assert np.array_equal(first[1].values, again[1].values)
    assert not np.array_equal(first[0].voxels, other[0].voxels)


def test_organs_are_missing_about_as_often_as_stated():
    made = [make_case(f"m{n}", shape=(4, 32, 32), spacing_mm=(50.0, 11.0, 11.0)) for n in range(120)]
    gone = sum("gallbladder" in case.missing for case in made)
    assert 4 <= gone <= 28
    for case in made:
        assert not {LABEL[name] for name in case.missing} & set(np.unique(case.labels.values))


def test_files_have_the_layout_of_flare22(tmp_path):
    images = write_flare22(tmp_path / "five", 5, seed=3, shape=SMALL, spacing_mm=COARSE)
    assert [p.name for p in images] == [f"FLARE22_Tr_{n:04d}_0000.nii.gz" for n in range(1, 6)]
    facts = json.loads((tmp_path / "five" / "cases.json").read_text())["cases"]
    assert [f["name"] for f in facts] == [f"FLARE22_Tr_{n:04d}" for n in range(1, 6)]
    assert not list((tmp_path / "five").rglob(".*"))
    for fact, path in zip(facts, images, strict=True):
        image = nibabel.load(path)
        label = nibabel.load(tmp_path / "five" / "labels" / f"{fact['name']}.nii.gz")
        assert image.get_data_dtype() == np.int16
        assert label.get_data_dtype() == np.uint8
        assert "".join(nibabel.aff2axcodes(image.affine)) == fact["orientation"]
        assert np.allclose(image.affine, label.affine)
        assert np.allclose(image.header.get_zooms(), fact["spacing_mm"][::-1], atol=1e-4)
        counts = np.bincount(np.asarray(label.dataobj).ravel(), minlength=14)
        assert {ORGANS[v]: int(counts[v]) for v in ORGANS} == fact["voxels"]
    write_flare22(tmp_path / "two", 2, seed=3, shape=SMALL, spacing_mm=COARSE)
    for path in images[:2]:
        other = nibabel.load(tmp_path / "two" / "images" / path.name)
        assert np.array_equal(other.dataobj, nibabel.load(path).dataobj)


@pytest.mark.parametrize("orientation", list(_FLIPS))
def test_every_orientation_reads_back_to_the_same_volume(tmp_path, orientation, monkeypatch):
    from samadapt import io

    monkeypatch.setattr("samadapt.data.phantoms.flare22._orientation", lambda name, seed: orientation)
    path = write_flare22(tmp_path, 1, shape=SMALL, spacing_mm=COARSE)[0]
    made = make_case("FLARE22_Tr_0001", shape=SMALL, spacing_mm=COARSE)
    read = io.open(path)
    label = io.open_label(tmp_path / "labels" / "FLARE22_Tr_0001.nii.gz")
    assert np.array_equal(read.voxels, made.volume.voxels)
    assert np.array_equal(label.values, made.labels.values)
    assert read.grid.matches(made.volume.grid)


def test_the_recipe_finds_the_phantoms(tmp_path):
    from samadapt.data import recipes

    write_flare22(tmp_path, 2, shape=SMALL, spacing_mm=COARSE)
    assert recipes.detect(tmp_path) == "phantoms"
    found = recipes.get("flare22").find(tmp_path)
    assert [case.name for case in found.cases] == ["FLARE22_Tr_0001", "FLARE22_Tr_0002"]


def test_bad_arguments_are_named(tmp_path):
    with pytest.raises(InvalidGeometry, match=r"2, 32, 32"):
        phantom("x", shape=(2, 32, 32))
    with pytest.raises(InvalidGeometry, match=r"-1"):
        phantom("x", spacing_mm=(5.0, -1.0, 1.0))
    with pytest.raises(ConfigError, match="0"):
        write_flare22(tmp_path, 0)
    with pytest.raises(ConfigError, match="kind"):
        synth(out=tmp_path, kind="cats")


def test_every_tissue_has_plausible_units():
    assert len(_HU) > 30
    for name, (mean, between, within) in _HU.items():
        assert -1024 <= mean <= 600, name
        assert between >= 0, name
        assert within >= 0, name


def test_scenes_are_written_as_images_and_instances(tmp_path):
    assert synth(SynthConfig(out=tmp_path, kind="scenes", cases=3, seed=2, size=64)) == tmp_path
    kinds = json.loads((tmp_path / "scenes.json").read_text())["kinds"]
    assert len(kinds) == 3
    for name in kinds:
        image, numbers = Image.open(tmp_path / "images" / f"{name}.png"), tmp_path / "instances" / f"{name}.png"
        assert image.size == (64, 64)
        assert np.asarray(Image.open(numbers)).max() >= 1
    assert SynthConfig(out=tmp_path).kind == "flare22"


def test_a_part_lies_in_front_of_its_whole():
    masks = np.zeros((2, 4, 4), bool)
    masks[0, 1, 1] = True
    masks[1, :3, :3] = True
    numbers = instance_map(masks)
    assert numbers[1, 1] == 2
    assert numbers[0, 0] == 1
    assert numbers[3, 3] == 0
    assert numbers.dtype == np.uint16
