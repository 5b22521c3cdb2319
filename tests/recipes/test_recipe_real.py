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
        assert len(loaded.label) >= 3
        assert all(one.mask.shape == loaded.image.shape for one in loaded.label)


def test_sammed2d_demo_objects(real_data):
    found = recipes.get("sammed2d").find(real_data / "sammed2d_demo")
    assert sum(len(case.load().label) for case in found.cases) == 30
    assert found.exclusions[0][0] == "amos_0507_31.png"
    assert {case.split for case in found.cases} == {"train", "test"}


def test_dubai_tiles_are_scenes(real_data):
    found = recipes.get("dubai-aerial").find(real_data / "dubai_aerial")
    assert {case.patient for case in found.cases} == {f"Tile{k}" for k in range(1, 6)}
