"""Every recipe on real files, where they are beside the checkout."""

from __future__ import annotations

import numpy as np
import pytest

from samadapt.core.image import LabelMap
from samadapt.data import recipes

# folder: recipe, cases, exclusions, case, shape, {value: area}
REAL = {
    "hippocampus": ("msd", 200, 0, "hippocampus_001", (35, 51, 35), {1: 1324, 2: 1624}),
    "kvasir_seg": ("kvasir-seg", 200, 0, "0", (352, 352), None),
    "sammed2d_demo": ("sammed2d", 4, 1, "s0619_32", (155, 225), None),
    "medsam2_ct_lesion": ("medsam-npz", 2, 0, "CT_Lesion_000001_02_01_008-023", (16, 512, 512), None),
    "sirst_v2": ("sirst", 200, 0, "Misc_162", None, None),
    "gid_mtl5": ("gid-mtl5", 40, 0, "builtup_1", (224, 224), None),
    "dubai_aerial": ("dubai-aerial", 30, 0, "Tile3_image_part_008", None, None),
    "msd_spleen_crop": ("folder", 1, 0, "sub-spleen2_ct", (26, 166, 164), {1: 96672}),
    "sunnybrook_cardiac": ("sunnybrook", 56, 0, "SCD0000101_0059", (256, 256), None),
    "chaos_ct_dicom": ("chaos", 1, 0, "chaos_ct_dicom", (14, 512, 512), {1: 488591}),
    "totalseg_example": ("totalsegmentator", 1, 3, "example", (30, 101, 122), None),
    "dsb2018_nuclei": ("dsb2018", 52, 0, None, None, None),
}


@pytest.mark.parametrize("name", REAL)
def test_counts_and_one_case(real_data, name):
    recipe, cases, exclusions, case_name, shape, areas = REAL[name]
    assert recipes.detect(real_data / name) == recipe
    found = recipes.get(recipe).find(real_data / name)
    assert len(found.cases) == cases
    assert len(found.exclusions) == exclusions
    case = next(c for c in found.cases if case_name in (None, c.name))
    loaded = case.load()
    assert shape in (None, loaded.image.shape)
    if isinstance(loaded.label, LabelMap):
        values, counts = np.unique(loaded.label.values, return_counts=True)
        found.label_set.require_known(values)
        assert len(values) >= 2
        assert areas in (None, {int(v): int(c) for v, c in zip(values, counts) if v})
    else:
        assert len(loaded.label) >= (2 if recipe == "sunnybrook" else 3)
        assert all(one.mask.shape == loaded.image.shape for one in loaded.label)


def test_sammed2d_demo_objects(real_data):
    found = recipes.get("sammed2d").find(real_data / "sammed2d_demo")
    assert sum(len(case.load().label) for case in found.cases) == 30
    assert found.exclusions[0][0] == "amos_0507_31.png"
    assert {case.split for case in found.cases} == {"train", "test"}


def test_dubai_tiles_are_scenes(real_data):
    found = recipes.get("dubai-aerial").find(real_data / "dubai_aerial")
    assert {case.patient for case in found.cases} == {f"Tile{k}" for k in range(1, 6)}


def test_chaos_masks_lie_on_the_liver(real_data):
    loaded = recipes.get("chaos").find(real_data / "chaos_ct_dicom").cases[0].load()
    inside = loaded.image.voxels[loaded.label.values == 1]
    assert 80 < np.percentile(inside, 5) < np.percentile(inside, 95) < 220  # enhanced liver in HU
    assert loaded.image.grid.spacing_mm == (2.0, 0.7265625, 0.7265625)


def test_sunnybrook_patients_and_nesting(real_data):
    found = recipes.get("sunnybrook").find(real_data / "sunnybrook_cardiac")
    assert sorted({case.patient for case in found.cases}) == ["SCD0000101", "SCD0000201", "SCD0000301"]
    objects = [case.load().label for case in found.cases]
    assert [sum(len(one) >= n for one in objects) for n in (1, 2)] == [56, 28]
    assert all((one[0].mask & ~one[1].mask).sum() <= 1 for one in objects if len(one) == 2)


def test_totalsegmentator_names_its_41_structures(real_data):
    found = recipes.get("totalsegmentator").find(real_data / "totalseg_example")
    assert len(found.label_set) == 41
    assert found.label_set.names[52] == "aorta"
    assert found.label_set.has_sides
