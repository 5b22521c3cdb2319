"""Every recipe on tiny data in the dataset's own layout."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from fake import (
    aerial,
    amos,
    dicom,
    flare22,
    folders,
    infrared,
    medsam_npz,
    msd,
    nnunet,
    sammed2d,
    synapse,
    totalsegmentator,
)
from samadapt.core.errors import ConfigError
from samadapt.core.image import Image, LabelMap, Volume
from samadapt.data import recipes

# name: (writer, recipe, cases, labels, exclusions, image shape of the first case, splits)
LAYOUTS = {
    "flare22": (flare22.write, "flare22", 4, 13, 0, (24, 40, 48), {None}),
    "flare22 Tr": (
        lambda r: flare22.write(r, folders=("imagesTr", "labelsTr")),
        *("flare22", 4, 13, 0, (24, 40, 48), {None}),
    ),
    "nnunet": (nnunet.write, "nnunet", 3, 2, 1, (6, 12, 10), {None}),
    "msd": (msd.write, "msd", 3, 2, 1, (6, 12, 10), {None}),
    "msd one channel": (lambda r: msd.write(r, channels=1), "msd", 3, 2, 1, (6, 12, 10), {None}),
    "hippocampus": (msd.write_hippocampus, "msd", 8, 2, 0, (25, 31, 21), {None}),
    "sammed2d": (sammed2d.write, "sammed2d", 3, 4, 1, (48, 64), {"train", "test"}),
    "medsam-npz": (medsam_npz.write, "medsam-npz", 2, 1, 0, (5, 32, 28), {None}),
    "kvasir": (folders.write_kvasir, "kvasir-seg", 9, 1, 0, (64, 64), {"train", "val", "test"}),
    "sirst": (folders.write_sirst, "sirst", 5, 1, 0, (40, 56), {None}),
    "gid mtl5": (folders.write_gid, "gid-mtl5", 10, 5, 0, (32, 32), {None}),
    "dubai": (folders.write_dubai, "dubai-aerial", 6, 5, 0, (30, 40), {None}),
    "dubai flat": (lambda r: folders.write_dubai(r, flat=True), "dubai-aerial", 6, 5, 0, (30, 40), {None}),
    "dsb2018": (folders.write_dsb2018, "dsb2018", 2, 1, 0, (48, 40), {None}),
    "dsb2018 published": (
        lambda r: folders.write_dsb2018(r, published=True),
        *("dsb2018", 2, 1, 0, (48, 40), {None}),
    ),
    "sunnybrook": (dicom.write_sunnybrook, "sunnybrook", 4, 2, 1, (32, 32), {None}),
    "chaos": (dicom.write_chaos, "chaos", 5, 4, 0, (4, 24, 20), {None}),
    "chaos bare": (lambda r: dicom.write_chaos(r, bare=True), "chaos", 1, 1, 0, (4, 24, 20), {None}),
    "series": (dicom.write_pairs, "folder", 3, 1, 1, (4, 24, 20), {None}),
    "totalsegmentator": (
        totalsegmentator.write_subjects,
        *("totalsegmentator", 3, 3, 0, (24, 40, 48), {"train", "val", "test"}),
    ),
    "totalsegmentator map": (totalsegmentator.write_map, "totalsegmentator", 1, 3, 1, (24, 40, 48), {None}),
    "flare22 official": (flare22.write_official, "flare22", 5, 13, 3, (24, 40, 48), {"train", "val"}),
    "synapse": (synapse.write_raw, "synapse", 5, 8, 1, (24, 40, 48), {"train", "test"}),
    "synapse npz": (synapse.write_npz, "synapse-npz", 25, 8, 0, (24, 40, 48), {"train", "test"}),
    "synapse npz unlisted": (
        lambda r: synapse.write_npz(r, lists=False),
        *("synapse-npz", 25, 8, 0, (24, 40, 48), {"train", "test"}),
    ),
    "amos": (amos.write, "amos", 4, 15, 1, (24, 40, 48), {"train", "val"}),
    "gid": (aerial.write_gid, "gid", 27, 5, 0, (64, 64), {None}),
    "loveda": (aerial.write_loveda, "loveda", 8, 6, 1, (32, 32), {"train", "val"}),
    "nuaa-sirst": (infrared.write_nuaa, "nuaa-sirst", 6, 1, 0, (40, 56), {"train", "test"}),
    "sirst-5k": (infrared.write_sirst5k, "sirst-5k", 6, 1, 0, (40, 56), {"train", "test"}),
    "spleen": (folders.write_spleen, "folder", 1, 1, 0, (24, 40, 48), {None}),
}

FOLDER_NAMES = {"kvasir": "Kvasir-SEG", "sirst-5k": "SIRST-5k"}
OPTIONS = {"gid": {"tile_px": 64}}


@pytest.fixture(params=LAYOUTS)
def layout(request, tmp_path):
    writer, *expected = LAYOUTS[request.param]
    root = writer(tmp_path / FOLDER_NAMES.get(request.param, "data"))
    return root, OPTIONS.get(request.param, {}), *expected


def test_detects_lists_and_loads(layout):
    root, options, recipe, cases, labels, exclusions, shape, splits = layout
    assert recipes.detect(root) == recipe
    found = recipes.get(recipe).find(root, **options)
    assert len(found.cases) == cases
    assert len(found.label_set) == labels
    assert len(found.exclusions) == exclusions
    assert {case.split for case in found.cases} == splits
    assert [case.name for case in found.cases] == sorted({case.name for case in found.cases})
    assert all(path.is_file() for case in found.cases for path in case.files)
    loaded = found.cases[0].load()
    assert loaded.image.shape == shape
    seen = set()
    for case in found.cases:
        seen |= _values(pickle.loads(pickle.dumps(case)).load(), found.label_set)
    assert seen == set(found.label_set.values)


def _values(loaded, label_set):
    if isinstance(loaded.label, LabelMap):
        assert loaded.label.grid.matches(loaded.image.grid)
        label_set.require_known(loaded.label.values)
        return {int(v) for v in np.unique(loaded.label.values)} - {0, label_set.ignore}
    assert all(one.mask.shape == loaded.image.shape and one.mask.any() for one in loaded.label)
    return {one.label for one in loaded.label}


def test_every_recipe_has_its_facts():
    names = recipes.names()
    assert len(names) >= 11
    for name in names:
        info = recipes.get(name).info
        assert info.name == name
        assert all([info.title, info.licence, info.citation, info.how_to_get])
    assert recipes.get("kvasir_seg").info.name == "kvasir-seg"


def test_flare22_keeps_sides_and_values(tmp_path):
    found = recipes.get("flare22").find(flare22.write(tmp_path, cases=1))
    loaded = found.cases[0].load()
    assert isinstance(loaded.image, Volume)
    assert loaded.image.modality == "CT"
    assert found.label_set.names[2] == "right kidney"
    assert found.label_set[13].side == "left"
    x = {v: np.nonzero(loaded.label.values == v)[2].mean() for v in (2, 13)}
    assert x[13] > x[2]
    assert loaded.image.grid.spacing_mm == pytest.approx(flare22.SPACING)


def test_nnunet_stacks_channels_in_order(tmp_path):
    loaded = recipes.get("nnunet").find(nnunet.write(tmp_path)).cases[0].load()
    assert loaded.image.voxels.shape == (6, 12, 10, 2)
    tumour = loaded.image.voxels[loaded.label.values == 1].mean(axis=0)
    assert tumour[0] > tumour[1] + 30


def test_msd_channels_are_the_last_axis(tmp_path):
    loaded = recipes.get("msd").find(msd.write(tmp_path)).cases[0].load()
    assert loaded.image.voxels.shape == (6, 12, 10, 2)
    assert loaded.image.modality == "MR"


def test_sammed2d_objects_and_patients(tmp_path):
    found = recipes.get("sammed2d").find(sammed2d.write(tmp_path / "data_demo"))
    by_name = {case.name: case for case in found.cases}
    assert by_name["s0114_111"].patient == "s0114"
    assert by_name["amos_0002_33"].split == "test"
    objects = by_name["s0114_111"].load().label
    names = [found.label_set.names[one.label] for one in objects]
    assert sorted(names) == ["heart", "lung_left", "lung_left"]
    assert (objects[0].mask & objects[1].mask).any() or (objects[0].mask & objects[2].mask).any()
    assert found.label_set[objects[names.index("lung_left")].label].side == "left"


def test_medsam_spacing_and_patient(tmp_path):
    case = recipes.get("medsam-npz").find(medsam_npz.write(tmp_path)).cases[0]
    loaded = case.load()
    assert case.patient == "CT_Lesion_000001"
    assert loaded.image.grid.spacing_mm == pytest.approx((5.0, 0.8, 0.8))
    assert loaded.image.modality == "CT"


def test_kvasir_masks_are_cut_at_127(tmp_path):
    loaded = recipes.get("kvasir-seg").find(folders.write_kvasir(tmp_path)).cases[0].load()
    assert set(np.unique(loaded.label.values)) == {0, 1}
    assert abs(int(loaded.label.values.sum()) - np.pi * 144) < 40


def test_sirst_keeps_empty_masks_and_groups_sequences(tmp_path):
    root = folders.write_sirst(tmp_path)
    found = recipes.get("sirst").find(root)
    empty = [case.name for case in found.cases if not case.load().label.values.any()]
    assert empty == ["S20210407_S2_40"]
    patients = {case.name: case.patient for case in found.cases}
    assert patients["S20210407_S2_15"] == patients["S20210407_S2_40"] == "S20210407_S2"
    assert patients["Misc_1"] != patients["Misc_2"]
    lists = {"train": "splits/train_v1.txt", "test": "splits/test_v1.txt"}
    listed = recipes.get("sirst").find(root, split_lists=lists)
    assert {case.name: case.split for case in listed.cases} == {
        "Misc_1": "train",
        "S20210407_S2_15": "train",
        "Misc_2": "test",
    }
    assert len(listed.exclusions) == 2


def test_gid_moves_classes_up_and_ignores_undefined(tmp_path):
    found = recipes.get("gid-mtl5").find(folders.write_gid(tmp_path))
    values = {case.name: case.load().label.values for case in found.cases}
    assert values["builtup_1"][10, 0] == 1
    assert values["water_1"][10, 0] == 5
    assert (values["water_1"][:4] == found.label_set.ignore).all()


def test_gid_tiles_count_undefined_as_background_if_asked(tmp_path):
    root = folders.write_gid(tmp_path)
    found = recipes.get("gid-mtl5").find(root, unlabelled="background")
    values = {case.name: case.load().label.values for case in found.cases}["water_1"]
    assert (values[:4] == 0).all()
    assert values[10, 0] == 5
    with pytest.raises(ConfigError, match="ignore or background"):
        recipes.get("gid-mtl5").find(root, unlabelled="black")


def test_dubai_colours_and_tiles(tmp_path):
    found = recipes.get("dubai-aerial").find(folders.write_dubai(tmp_path))
    assert sorted({case.patient for case in found.cases}) == ["Tile1", "Tile2", "Tile3"]
    values = found.cases[0].load().label.values
    assert (values[:3] == 255).all()
    assert values[10, 0] == (0 + 1 + 1) % 5 + 1


def test_dsb2018_layouts_agree(tmp_path):
    composed = recipes.get("dsb2018").find(folders.write_dsb2018(tmp_path / "a")).cases[0].load()
    published = recipes.get("dsb2018").find(folders.write_dsb2018(tmp_path / "b", published=True)).cases[0].load()
    assert isinstance(composed.image, Image)
    assert len(composed.label) == len(published.label) == 3
    for one, other in zip(composed.label, published.label, strict=True):
        assert np.array_equal(one.mask, other.mask)


def test_chaos_masks_follow_their_file_and_not_the_position(tmp_path):
    found = recipes.get("chaos").find(dicom.write_chaos(tmp_path))
    assert [(case.name, case.patient) for case in found.cases] == [
        ("CT_1", "CT_1"),
        ("CT_2", "CT_2"),
        ("MR_3_T1DUAL_InPhase", "MR_3"),
        ("MR_3_T1DUAL_OutPhase", "MR_3"),
        ("MR_3_T2SPIR", "MR_3"),
    ]
    assert [case.modality for case in found.cases] == ["CT", "CT", "MR", "MR", "MR"]
    for case in found.cases[:2]:
        loaded = case.load()
        inside = loaded.label.values == 1
        assert inside.sum(axis=(1, 2)).tolist() == sorted(inside.sum(axis=(1, 2)), reverse=True)
        assert loaded.image.voxels[inside].min() > loaded.image.voxels[~inside].max()
        assert loaded.image.grid.spacing_mm == pytest.approx((2.5, 0.8, 0.7))
    for case in found.cases[2:]:
        loaded = case.load()
        assert sorted({(int(v), int(i)) for v, i in zip(loaded.label.values.flat, loaded.image.voxels.flat)}) == [
            (0, 20),
            *((value, stored * 3 + 20) for value, stored in ((1, 63), (2, 126), (3, 189), (4, 252))),
        ]


def test_chaos_reports_masks_that_cannot_be_told_apart(tmp_path):
    root = dicom.write_chaos(tmp_path)
    (root / "CT" / "1" / "Ground" / "liver_GT_002.png").unlink()
    found = recipes.get("chaos").find(root)
    assert [name for name, _ in found.exclusions] == ["CT_1"]
    assert "4 slices and 3 masks" in found.exclusions[0][1]
    assert len(found.cases) == 4


def test_sunnybrook_objects_are_nested(tmp_path):
    found = recipes.get("sunnybrook").find(dicom.write_sunnybrook(tmp_path))
    assert {case.patient for case in found.cases} == {"SCD0000101", "SCD0000201"}
    assert [len(case.load().label) for case in found.cases] == [1, 2, 1, 2]
    loaded = found.cases[1].load()
    assert (loaded.image.modality, loaded.image.grid.spacing_mm) == ("MR", pytest.approx((1.4, 1.4)))
    endo, epi = loaded.label
    assert [found.label_set.names[one.label] for one in (endo, epi)] == ["endocardium", "epicardium"]
    assert (epi.mask & endo.mask).sum() == endo.mask.sum() < epi.mask.sum()
    assert found.exclusions == [("SCD0000101_0099.png", "epicardium without slice")]


def test_totalsegmentator_layouts(tmp_path):
    recipe = recipes.get("totalsegmentator")
    subjects = recipe.find(totalsegmentator.write_subjects(tmp_path / "a"))
    assert subjects.label_set.names == {1: "kidney_right", 2: "liver", 3: "spleen"}
    assert subjects.label_set[1].side == "right"
    assert {case.name: case.split for case in subjects.cases} == {"s0000": "train", "s0001": "val", "s0287": "test"}
    mapped = recipe.find(totalsegmentator.write_map(tmp_path / "b"))
    assert mapped.label_set.names == {1: "spleen", 2: "kidney_right", 5: "liver"}
    assert mapped.exclusions == [("example_ct.nii.gz", "image without label")]
    one, other = subjects.cases[1].load(), mapped.cases[0].load()
    assert one.image.modality == other.image.modality == "CT"
    assert np.array_equal(one.image.voxels, other.image.voxels)
    for name in mapped.label_set.names.values():
        values = [
            next(v for v, n in found.label_set.names.items() if n == name) == loaded.label.values
            for found, loaded in ((subjects, one), (mapped, other))
        ]
        assert np.array_equal(*values)
    only = recipe.find(tmp_path / "b", classes=["liver"])
    assert set(np.unique(only.cases[0].load().label.values)) == {0, 5}
    with pytest.raises(ConfigError, match="no structure is called 'livr'"):
        recipe.find(tmp_path / "a", classes=["livr"])


def test_series_in_folders_pair_with_label_files(tmp_path):
    found = recipes.get("folder").find(dicom.write_pairs(tmp_path))
    assert [case.name for case in found.cases] == ["case.1", "case.2", "scout"]
    assert found.exclusions == [("empty.dcm", "unreadable: the file is empty (0 bytes)")]
    for case in found.cases[:2]:
        loaded = case.load()
        assert loaded.image.modality == "CT"
        assert loaded.image.voxels[loaded.label.values == 1].min() > 0
    assert found.cases[2].load().image.grid.spacing_mm == pytest.approx((0.8, 0.7))
