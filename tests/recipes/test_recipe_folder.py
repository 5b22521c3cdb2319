"""The folder recipe: pairing, options, exclusions, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fake.writing import disc, jpeg, nifti, noisy, png
from samadapt.core.errors import ConfigError, DataError, GridMismatch, LabelError, ShapeMismatch
from samadapt.data import recipes
from samadapt.data.recipes.pairing import pair_files, stem

HW = (20, 24)
MASK = disc(HW, (10, 12), 5)


def folder(root, names=("a", "b"), suffix="", masks="masks", value=255):
    for seed, name in enumerate(names):
        png(root / "images" / f"{name}.png", noisy(HW, seed))
        png(root / masks / f"{name}{suffix}.png", MASK.astype(np.uint8) * value)
    return root


def find(root, **options):
    return recipes.get("folder").find(root, **options)


@pytest.mark.parametrize("suffix", ["", "_mask", "_seg", "_pixels0", "_seg-manual", "-label"])
@pytest.mark.parametrize("masks", ["masks", "labels", "annotations"])
def test_pairs_by_stem_with_suffix(tmp_path, suffix, masks):
    found = find(folder(tmp_path, suffix=suffix, masks=masks))
    assert [case.name for case in found.cases] == ["a", "b"]
    assert found.exclusions == []
    assert np.array_equal(found.cases[0].load().label.values, MASK)


def test_everything_left_out_is_reported(tmp_path):
    folder(tmp_path, names=("a", "b", "c"))
    (tmp_path / "images" / "empty.png").write_bytes(b"")
    (tmp_path / "images" / "text.png").write_bytes(b"<html>not found</html>")
    (tmp_path / "images" / "notes.txt").write_text("x")
    (tmp_path / "images" / "._a.png").write_bytes(b"macOS")
    (tmp_path / "masks" / "b.png").unlink()
    png(tmp_path / "masks" / "z.png", MASK.astype(np.uint8))
    png(tmp_path / "masks" / "c_mask.png", MASK.astype(np.uint8))
    (tmp_path / "images" / "a.tif").write_bytes((tmp_path / "images" / "a.png").read_bytes())
    found = find(tmp_path)
    assert [case.name for case in found.cases] == ["a", "c"]
    reasons = dict(found.exclusions)
    assert set(reasons) == {"empty.png", "text.png", "notes.txt", "b.png", "z.png", "c_mask.png", "a.tif"}
    assert "empty" in reasons["empty.png"]
    assert "web page" in reasons["text.png"]
    assert reasons["b.png"] == "image without label"
    assert reasons["z.png"] == "label without image"
    assert "second label" in reasons["c_mask.png"]
    assert "duplicate" in reasons["a.tif"]


def test_subfolders_give_the_split(tmp_path):
    for split in ("train", "validation", "test"):
        folder(tmp_path / split, names=("a", split))
    found = find(tmp_path)
    assert {case.name: case.split for case in found.cases} == {
        **{"train_a": "train", "train": "train", "val_a": "val"},
        **{"validation": "val", "test_a": "test", "test": "test"},
    }


def test_split_folders_inside(tmp_path):
    for seed, split in enumerate(("train", "val")):
        png(tmp_path / "images" / split / f"{split}1.png", noisy(HW, seed))
        png(tmp_path / "masks" / split / f"{split}1.png", MASK.astype(np.uint8))
    assert {case.name: case.split for case in find(tmp_path).cases} == {"train1": "train", "val1": "val"}


def test_names_and_colours_from_a_table(tmp_path):
    colours = np.zeros((*HW, 3), np.uint8)
    colours[MASK] = (255, 0, 0)
    colours[0] = (0, 0, 255)
    png(tmp_path / "images" / "a.png", noisy(HW, 0))
    png(tmp_path / "masks" / "a.png", colours)
    table = {
        "names": {"1": "roof"},
        "colours": {"#ff0000": 1, "#000000": 0, "#0000FF": 9},
        "ignore": 9,
    }
    (tmp_path / "labels.json").write_text(json.dumps(table))
    found = find(tmp_path)
    assert found.label_set.names == {1: "roof"}
    values = found.cases[0].load().label.values
    assert np.array_equal(values == 1, MASK)
    assert (values[0] == 9).all()


def test_options_reach_the_labels(tmp_path):
    root = folder(tmp_path, value=3)
    assert find(root).label_set.names == {3: "label 3"}
    assert find(root, names={3: "left lung"}).label_set[3].side == "left"
    assert set(np.unique(find(root, threshold=2).cases[0].load().label.values)) == {0, 1}
    remapped = find(root, values={3: 1, 0: 0}, names={1: "x"}, patient=r"^(.)").cases
    assert set(np.unique(remapped[0].load().label.values)) == {0, 1}
    assert remapped[0].patient == "a"


def test_instances_are_objects(tmp_path):
    instances = np.zeros(HW, np.uint16)
    instances[MASK], instances[0, :3] = 7, 300
    png(tmp_path / "images" / "a.png", noisy(HW, 0))
    png(tmp_path / "instances" / "a.png", instances)
    objects = find(tmp_path, names={1: "cell"}).cases[0].load().label
    assert [int(one.mask.sum()) for one in objects] == [int(MASK.sum()), 3]
    assert {one.label for one in objects} == {1}
    (tmp_path / "instances").rename(tmp_path / "masks")
    assert len(find(tmp_path, instances=True).cases[0].load().label) == 2


def test_mixed_mask_names_file_and_remedy(tmp_path):
    folder(tmp_path)
    mixed = MASK.astype(np.uint8)
    mixed[0] = 255
    png(tmp_path / "masks" / "b.png", mixed)
    with pytest.raises(LabelError, match=r"b\.png.*mixes 1 and 255.*ignore=255"):
        find(tmp_path).cases[1].load()
    assert find(tmp_path, ignore=255, threshold=None, names={1: "x"}).cases[1].load().label.values[0, 0] == 255


@pytest.mark.parametrize(
    ("values", "options", "said"),
    [
        (MASK + np.repeat(np.arange(HW[0])[:, None] > 10, HW[1], axis=1) * 60, {}, "nothing is brighter"),
        (MASK * 255, {"names": {1: "disc", 2: "spot"}}, r"cannot hold 2 classes \(disc, spot\)"),
    ],
    ids=["dark", "two names"],
)
def test_classes_in_a_jpeg_are_refused(tmp_path, values, options, said):
    folder(tmp_path)
    (tmp_path / "masks" / "b.png").unlink()
    jpeg(tmp_path / "masks" / "b.jpg", values.astype(np.uint8))
    with pytest.raises(LabelError, match=said):
        find(tmp_path, **options).cases[1].load()
    if not options:
        found = find(tmp_path, threshold=30).cases[1].load().label.values
        assert np.array_equal(found > 0, values > 30)


def test_a_black_jpeg_is_an_image_without_object(tmp_path):
    folder(tmp_path)
    (tmp_path / "masks" / "b.png").unlink()
    jpeg(tmp_path / "masks" / "b.jpg", np.zeros(MASK.shape, np.uint8))
    assert not find(tmp_path).cases[1].load().label.values.any()


def test_shape_and_grid_mismatch(tmp_path):
    folder(tmp_path)
    png(tmp_path / "masks" / "a.png", np.zeros((5, 6), np.uint8))
    with pytest.raises(ShapeMismatch, match=r"a\.png"):
        find(tmp_path).cases[0].load()
    other = tmp_path / "3d"
    nifti(other / "images" / "v.nii.gz", noisy((4, 5, 6), 0))
    nifti(other / "labels" / "v.nii.gz", np.ones((4, 5, 6), np.uint8), spacing=(2.0, 1.0, 1.0))
    with pytest.raises(GridMismatch, match=r"v\.nii\.gz"):
        find(other).cases[0].load()


def test_unknown_value_is_refused(tmp_path):
    root = folder(tmp_path, value=4)
    with pytest.raises(LabelError, match=r"a\.png.*\[4\]"):
        find(root, names={1: "x"}, threshold=None).cases[0].load()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"treshold": 1}, "did you mean 'threshold'"),
        ({"colours": {"red": 1}}, "#RRGGBB"),
        ({"patient": "("}, "regular expression"),
    ],
)
def test_bad_options(tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        find(folder(tmp_path), **options)


def test_nothing_usable_says_what_was_seen(tmp_path):
    png(tmp_path / "images" / "a.png", noisy(HW, 0))
    (tmp_path / "masks").mkdir()
    with pytest.raises(DataError, match=r"a\.png: image without label"):
        find(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        find(tmp_path / "nowhere")


def test_stem_and_suffix_rules():
    assert stem(Path("x.nii.gz")) == "x"
    assert stem(Path("case0001.npy.h5")) == "case0001"
    images = [Path("a.png"), Path("a_seg.png")]
    labels = [Path("a_seg.png"), Path("a_seg_seg.png")]
    assert [(name, label.name) for name, _, label in pair_files(images, labels).pairs] == [
        ("a_seg", "a_seg.png"),
    ]
