"""Recipes of published protocols: splits, label maps, tiles, and what they refuse."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fake import aerial, amos, flare22, infrared, sammed2d, synapse, totalsegmentator
from fake.abdomen import abdomen
from fake.writing import nifti, noisy, png
from samadapt.core.errors import ConfigError, FileFormatError, LabelError
from samadapt.core.image import Image, Volume
from samadapt.data import recipes
from samadapt.data.prepare import prepare
from samadapt.data.recipes.flare22 import cleaned
from samadapt.data.recipes.synapse_orders import BTCV, SAMED, TEST, TRAIN, TRANSUNET, seen_order, to_samed
from samadapt.data.tiling import Tiling


def test_synapse_split_and_maps_are_the_published_ones():
    assert (len(TRAIN), len(TEST), set(TRAIN) & set(TEST)) == (18, 12, set())
    assert set(TRAIN) | set(TEST) == {*range(1, 11), *range(21, 41)}
    assert {k: v for k, v in to_samed("btcv").items() if v} == {1: 1, 2: 2, 3: 3, 4: 4, 6: 5, 7: 6, 8: 7, 11: 8}
    assert {TRANSUNET[old]: SAMED[new] for old, new in to_samed("transunet").items()} == {n: n for n in SAMED.values()}
    assert len(BTCV) == 13


def test_synapse_raw_case(tmp_path):
    found = recipes.get("synapse").find(synapse.write_raw(tmp_path))
    assert {case.name: case.split for case in found.cases} == {
        **{"case0001": "test", "case0002": "test", "case0005": "train", "case0006": "train", "case0007": "train"},
    }
    image, labels = synapse.case(5)
    case = found.cases[2].load()
    assert case.window == (-125.0, 275.0)
    assert np.array_equal(case.image.voxels, image)
    assert np.array_equal(case.label.values, synapse.remap(labels, synapse.SAMED_FROM_BTCV))
    all13 = recipes.get("synapse").find(tmp_path, labels="btcv", split="none")
    assert all13.label_set.names == BTCV
    assert {case.split for case in all13.cases} == {None}
    assert np.array_equal(all13.cases[2].load().label.values, labels)


def test_synapse_exclusions(tmp_path):
    root = synapse.write_raw(tmp_path, (1, 5, 15))
    nifti(root / "Training" / "img" / "img0009.nii.gz", np.zeros((2, 3, 4), np.int16))
    nifti(root / "Training" / "label" / "label0010.nii.gz", np.zeros((2, 3, 4), np.uint8))
    reasons = dict(recipes.get("synapse").find(root).exclusions)
    assert reasons["0009"] == "image without label"
    assert reasons["0010"] == "label without image"
    assert "neither list of the published split" in reasons["0015"]
    assert reasons["img0061.nii.gz"] == "test image without label"


def test_synapse_slices_as_stored(tmp_path):
    """SAMed's preprocessing transposes the file's array and never looks at its orientation."""
    image, labels = synapse.case(1)
    affine = np.diag([0.8, 0.8, 3.0, 1.0])  # RAS: the file's x grows to the right, its y to the front
    for kind, array in (("img", image), ("label", labels)):
        nifti(tmp_path / kind / f"{kind}0001.nii.gz", array, affine=affine)
    canonical, stored = (
        recipes.get("synapse").find(tmp_path, orientation=o, labels="btcv").cases[0].load()
        for o in ("canonical", "stored")
    )
    assert np.array_equal(stored.image.voxels, image)
    assert np.array_equal(stored.label.values, labels)
    assert np.array_equal(canonical.image.voxels, image[:, ::-1, ::-1])
    corner = stored.image.grid.affine @ [0, 0, 0, 1]
    assert np.allclose(corner, canonical.image.grid.affine @ [0, 39, 47, 1])


def test_synapse_npz_gives_hounsfield_units_back(tmp_path):
    found = recipes.get("synapse-npz").find(synapse.write_npz(tmp_path))
    by_name = {case.name: case for case in found.cases}
    image, labels = synapse.case(5)
    case = by_name["case0005_slice004"].load()
    assert isinstance(case.image, Image)
    assert case.image.pixels.dtype == np.int16
    assert np.array_equal(case.image.pixels, np.clip(image[4], -125, 275))
    assert np.array_equal(case.label.values, synapse.remap(labels, synapse.SAMED_FROM_BTCV)[4])
    assert by_name["case0005_slice004"].patient == "case0005"
    volume = by_name["case0001"].load()
    assert isinstance(volume.image, Volume)
    assert np.array_equal(volume.label.values, synapse.remap(synapse.case(1)[1], synapse.SAMED_FROM_BTCV))


def test_synapse_layouts_agree(tmp_path):
    raw = recipes.get("synapse").find(synapse.write_raw(tmp_path / "raw", (1,))).cases[0].load()
    h5 = recipes.get("synapse-npz").find(synapse.write_npz(tmp_path / "npz", train=())).cases[0].load()
    assert np.array_equal(np.clip(raw.image.voxels, -125, 275), h5.image.voxels)
    assert np.array_equal(raw.label.values, h5.label.values)


@pytest.mark.parametrize("test", [(1,), ()])
def test_transunet_order_is_seen(tmp_path, test):
    root = synapse.write_npz(tmp_path, test=test, table=synapse.TRANSUNET_FROM_BTCV)
    with pytest.raises(LabelError, match=r"case000.*'transunet' \(1 aorta.*not 'samed'.*label_order=transunet"):
        recipes.get("synapse-npz").find(root)
    found = recipes.get("synapse-npz").find(root, label_order="transunet")
    slices = {case.name: case for case in found.cases}
    expected = synapse.remap(synapse.case(5)[1], synapse.SAMED_FROM_BTCV)[8]
    assert np.array_equal(slices["case0005_slice008"].load().label.values, expected)


def test_orders_are_told_apart():
    _, labels = synapse.case(3)
    assert seen_order(labels) == "btcv"
    assert seen_order(synapse.remap(labels, synapse.SAMED_FROM_BTCV)) == "samed"
    assert seen_order(synapse.remap(labels, synapse.TRANSUNET_FROM_BTCV)) == "transunet"
    assert seen_order(np.where(labels == 3, 3, 0)) is None


@pytest.mark.parametrize("table", [synapse.TRANSUNET_FROM_BTCV, synapse.SAMED_FROM_BTCV])
def test_raw_folder_with_eight_labels_is_refused(tmp_path, table):
    root = synapse.write_raw(tmp_path, (1, 2), order=table)
    found = recipes.get("synapse").find(root)
    with pytest.raises(LabelError, match=r"label0001.*end at 8.*13 organs.*synapse-npz"):
        found.cases[0].load()


def test_thirteen_labels_and_raw_intensities_in_npz_are_refused(tmp_path):
    root = synapse.write_npz(tmp_path / "a", test=(), table={n: n for n in BTCV})
    with pytest.raises(LabelError, match=r"'btcv'.*label_order=btcv"):
        recipes.get("synapse-npz").find(root)
    path = next((synapse.write_npz(tmp_path / "b", test=()) / "train_npz").iterdir())
    np.savez(path, image=np.full((8, 8), 40.0), label=np.zeros((8, 8)))
    case = next(c for c in recipes.get("synapse-npz").find(tmp_path / "b").cases if c.files[0] == path)
    with pytest.raises(FileFormatError, match=r"40.*leaves 0 to 1"):
        case.load()


def test_training_slices_are_shrunk_and_test_volumes_are_not(tmp_path):
    from scipy import ndimage

    found = recipes.get("synapse-npz").find(synapse.write_npz(tmp_path), train_px=32)
    by_name = {case.name: case.load() for case in found.cases if case.name in ("case0005_slice010", "case0001")}
    assert by_name["case0001"].image.shape == (24, 40, 48)
    small = by_name["case0005_slice010"]
    image, labels = synapse.case(5)
    expected = ndimage.zoom(np.clip(image[10], -125, 275).astype(np.float32), (32 / 40, 32 / 48), order=3)
    assert np.allclose(small.image.pixels, expected)
    organs = synapse.remap(labels, synapse.SAMED_FROM_BTCV)[10]
    assert np.array_equal(small.label.values, ndimage.zoom(organs, (32 / 40, 32 / 48), order=0))
    assert small.image.grid.spacing_mm == pytest.approx((40 / 32, 48 / 32))


def test_synapse_store_has_the_window_of_the_protocol(tmp_path):
    root = synapse.write_raw(tmp_path / "raw", (1, 5))
    store = prepare(source=root, out=tmp_path / "store", workers=0)
    assert {case.window for case in store.cases} == {(-125.0, 275.0)}
    assert [store.cases[i].name for i in store.split("train")] == ["case0005"]
    asked = prepare(source=root, out=tmp_path / "other", workers=0, window="ct-lung")
    assert {case.window for case in asked.cases} == {(-1350.0, 150.0)}


def test_a_store_of_mislabelled_files_is_refused_with_the_reason(tmp_path):
    root = synapse.write_raw(tmp_path / "raw", (1, 5))
    _, labels = synapse.case(1)
    wrong = synapse.remap(labels, synapse.TRANSUNET_FROM_BTCV)
    nifti(root / "Training" / "label" / "label0001.nii.gz", wrong, synapse.SPACING)
    store = prepare(source=root, out=tmp_path / "store", workers=0)
    assert [case.name for case in store.cases] == ["case0005"]
    reason = next(e["reason"] for e in store.excluded if e["name"] == "case0001")
    assert "TransUNet" in reason


def test_amos_modalities(tmp_path):
    root = amos.write(tmp_path)
    found = recipes.get("amos").find(root)
    assert {case.name: (case.modality, case.split) for case in found.cases} == {
        **{"amos_0001": ("CT", "train"), "amos_0004": ("CT", "train")},
        **{"amos_0008": ("CT", "val"), "amos_0507": ("MR", "train")},
    }
    only = recipes.get("amos").find(root, modality="MR")
    assert [case.name for case in only.cases] == ["amos_0507"]
    assert dict(only.exclusions)["amos_0001"] == "CT case, only MR is asked for"
    assert dict(only.exclusions)["amos_0002.nii.gz"] == "image without label"
    with pytest.raises(ConfigError, match="modality"):
        recipes.get("amos").find(root, modality="PET")


def test_totalsegmentator_class_map_by_name(tmp_path):
    recipe = recipes.get("totalsegmentator")
    subjects = totalsegmentator.write_subjects(tmp_path / "a")
    as_flare = recipe.find(subjects, classes="flare22")
    assert as_flare.label_set.names[13] == "kidney_left"
    labels = as_flare.cases[0].load().label.values
    assert np.array_equal(labels, np.where(abdomen(0)[1] <= 3, abdomen(0)[1], 0))
    mapped = recipe.find(totalsegmentator.write_map(tmp_path / "b"), classes="flare22")
    labels = mapped.cases[0].load().label.values
    assert np.array_equal(labels, np.where(abdomen(1)[1] <= 3, abdomen(1)[1], 0))
    whole = recipe.find(subjects, classes="total").label_set
    assert (len(whole), whole.names[1], whole.names[52], whole.names[117]) == (
        117,
        "spleen",
        "aorta",
        "costal_cartilages",
    )
    with pytest.raises(ConfigError, match="did you mean 'organs'"):
        recipe.find(subjects, classes="organ")


def test_flare22_official_packages(tmp_path):
    found = recipes.get("flare22").find(flare22.write_official(tmp_path))
    splits = {case.name: case.split for case in found.cases}
    assert splits == {
        **{f"FLARE22_Tr_{n:04d}": "train" for n in (1, 2, 3)},
        "FLARETs_0001": "val",
        "FLARETs_0002": "val",
    }
    reasons = dict(found.exclusions)
    assert reasons["FLARETs_0003_0000.nii.gz"] == "tuning image without label"
    assert reasons["Case_00001_0000.nii.gz"] == "unlabelled image"


def test_flare22_as_medsam_uses_it(tmp_path):
    flare22.write(tmp_path, cases=1)
    for number in range(2, 43):
        for folder, end in (("images", "_0000"), ("labels", "")):
            file = tmp_path / folder / f"FLARE22_Tr_0001{end}.nii.gz"
            (tmp_path / folder / f"FLARE22_Tr_{number:04d}{end}.nii.gz").hardlink_to(file)
    found = recipes.get("flare22").find(tmp_path, split="medsam", clean=True)
    splits = [case.split for case in found.cases]
    assert splits == ["train"] * 40 + ["test"] * 2
    assert 12 not in found.label_set
    assert 12 not in np.unique(found.cases[0].load().label.values)


def test_cleaning_removes_small_bodies_and_spots():
    values = np.zeros((12, 40, 40), np.uint8)
    values[:, :12, :12] = 1  # 1728 voxels
    values[0, 30:36, 30:36] = 1  # an island of 36
    values[2:4, 20:30, 20:30] = 2  # 200 voxels in all
    values[5, 12, 12:20] = 1  # a diagonal neighbour: part of the body, and of the spot in its slice
    values[8, :12, :12] = 0
    values[8, :5, :5] = 1  # connected to the body, 25 pixels in its slice
    values[:, 38:, :] = 12
    found = cleaned(values)
    assert set(np.unique(found)) == {0, 1}
    assert not found[0, 30:36, 30:36].any()
    assert found[5, 12, 12:20].all()
    assert not found[8].any()


def test_gid_tiles_cover_the_scene_once(tmp_path):
    found = recipes.get("gid").find(aerial.write_gid(tmp_path), tile_px=64, overlap_px=16)
    scene = aerial.SCENES[0]
    tiles = [case for case in found.cases if case.patient == scene]
    image, classes = aerial.gid_scene(0)
    tiling = Tiling(150, 170, 64, 16)
    assert [case.name for case in tiles] == [f"{scene}_{tile.name}" for tile in tiling]
    loaded = [case.load() for case in tiles]
    assert np.array_equal(tiling.join([case.image.pixels for case in loaded]), image)
    values = tiling.join([case.label.values for case in loaded])
    assert np.array_equal(values, np.where(classes == 0, 255, classes))
    assert len({case.patient for case in found.cases}) == 3


def test_gid_unlabelled_as_background(tmp_path):
    root = aerial.write_gid(tmp_path, hw=(60, 170))
    found = recipes.get("gid").find(root, unlabelled="background", tile_px=None)
    assert (found.cases[0].load().label.values[:, :34] == 0).any()
    with pytest.raises(ConfigError, match="ignore or background"):
        recipes.get("gid").find(root, unlabelled="black")


def test_colours_outside_the_palette_leave_the_tile_out(tmp_path):
    import tifffile

    root = aerial.write_gid(tmp_path / "gid", aerial.SCENES[:1])
    path = next((root / "label_5classes").iterdir())
    pixels = tifffile.imread(path)
    pixels[3, 5] = (200, 0, 0)
    tifffile.imwrite(path, pixels, photometric="rgb")
    store = prepare(source=root, out=tmp_path / "store", workers=0, options={"tile_px": 64})
    assert len(store.cases) == 8
    assert [entry["name"][-13:] for entry in store.excluded] == ["y00000_x00000"]
    assert "(200, 0, 0): 1 pixels" in store.excluded[0]["reason"]


def test_jpeg_labels_with_classes_are_left_out(tmp_path):
    from fake.writing import jpeg

    classes = (np.mgrid[:32, :32][1] // 4 % 8).astype(np.uint8) * 20
    for name in ("0", "1"):
        png(tmp_path / "data" / "Train" / "Rural" / "images_png" / f"{name}.png", noisy((32, 32, 3), 1))
        png(tmp_path / "data" / "Train" / "Rural" / "masks_png" / f"{name}.png", classes // 20)
    jpeg(tmp_path / "data" / "Train" / "Rural" / "masks_png" / "1.jpg", classes)
    (tmp_path / "data" / "Train" / "Rural" / "masks_png" / "1.png").unlink()
    store = prepare(source=tmp_path / "data", out=tmp_path / "store", workers=0)
    assert [case.name for case in store.cases] == ["Rural_0"]
    assert "JPEG mask" in store.excluded[0]["reason"]


def test_loveda_values_and_domains(tmp_path):
    found = recipes.get("loveda").find(aerial.write_loveda(tmp_path))
    assert {(case.name.split("_")[0], case.split) for case in found.cases} == {
        **{("Rural", "train"): 0, ("Urban", "train"): 0, ("Rural", "val"): 0, ("Urban", "val"): 0},
    }.keys()
    values = found.cases[0].load().label.values
    assert values[0, ::4].tolist() == [255, 0, 1, 2, 3, 4, 5, 6]
    assert found.exclusions == [("8.png", "image without label (Test/Urban/images_png/ has no masks beside it)")]


@pytest.mark.parametrize(
    ("lists", "suffix"),
    [
        ("idx_427/trainval.txt idx_427/test.txt", "_pixels0"),
        ("img_idx/train_NUAA-SIRST.txt img_idx/test_NUAA-SIRST.txt", ""),
    ],
)
def test_nuaa_sirst_lists(tmp_path, lists, suffix):
    root = infrared.write_nuaa(tmp_path, lists, suffix)
    assert recipes.detect(root) == "nuaa-sirst"
    found = recipes.get("nuaa-sirst").find(root)
    assert [case.split for case in found.cases] == ["train"] * 4 + ["test"] * 2
    assert {case.split for case in recipes.get("nuaa-sirst").find(root, published=False).cases} == {None}


def test_listed_image_without_mask_is_reported(tmp_path):
    root = infrared.write_sirst5k(tmp_path / "SIRST-5k")
    (root / "masks" / "000005.png").unlink()
    found = recipes.get("sirst-5k").find(root)
    assert len(found.cases) == 5
    reasons = dict(found.exclusions)
    assert reasons["000005.png"] == "image without label"
    assert reasons["000005"] == "listed for test, but there is no such image with a mask"


def test_mixed_masks_leave_their_image_out(tmp_path):
    mask = np.zeros((20, 24), np.uint8)
    mask[5:12, 5:12] = 1
    for name, extra in (("a", 1), ("b", 255)):
        png(tmp_path / "data" / "images" / f"{name}.png", noisy((20, 24), 0))
        png(tmp_path / "data" / "masks" / f"{name}.png", np.maximum(mask, np.eye(20, 24, dtype=np.uint8) * extra))
    store = prepare(source=tmp_path / "data", out=tmp_path / "store", workers=0)
    assert [case.name for case in store.cases] == ["a"]
    assert "mixes 1 and 255" in store.excluded[0]["reason"]
    assert "ignore=255" in store.excluded[0]["reason"]


def test_image_listed_without_masks_is_reported(tmp_path):
    root = sammed2d.write(tmp_path / "data_demo")
    listed = json.loads((root / "image2label_train.json").read_text())
    listed["data_demo/images/amos_0507_31.png"] = []
    (root / "image2label_train.json").write_text(json.dumps(listed))
    assert recipes.get("sammed2d").find(root).exclusions == [("amos_0507_31.png", "image without label")]
