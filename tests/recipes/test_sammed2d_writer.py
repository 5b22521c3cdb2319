"""A store written in SAM-Med2D's layout reads back as the same objects."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image as Pillow

from fake import flare22, sammed2d
from samadapt.core.errors import RunFolderError
from samadapt.data import recipes
from samadapt.data.prepare import prepare
from samadapt.data.recipes.sammed2d_writer import write_sammed2d


def objects_of(case, label_set):
    return sorted((label_set.names[one.label], one.mask.tobytes()) for one in case.load().label)


def test_round_trip_of_overlapping_objects(tmp_path):
    source = sammed2d.write(tmp_path / "data_demo")
    store = prepare(source=source, out=tmp_path / "store", workers=0)
    written = write_sammed2d(store, tmp_path / "copy")
    assert (written.images, written.masks) == (3, 6)
    before, after = (recipes.get("sammed2d").find(root) for root in (source, tmp_path / "copy"))
    assert [c.name for c in after.cases] == [c.name for c in before.cases]
    assert [c.split for c in after.cases] == [c.split for c in before.cases]
    assert after.exclusions == []
    compared = 0
    for one, other in zip(before.cases, after.cases, strict=True):
        assert objects_of(one, before.label_set) == objects_of(other, after.label_set)
        assert np.array_equal(one.load().image.pixels, other.load().image.pixels)
        compared += 1
    assert compared == 3


def test_volumes_become_slices_and_components(tmp_path):
    store = prepare(source=flare22.write(tmp_path / "data", cases=5), out=tmp_path / "store", workers=0)
    out = tmp_path / "out"
    written = write_sammed2d(store, out, min_area_px=4)
    train = json.loads((out / "image2label_train.json").read_text())
    test = json.loads((out / "label2image_test.json").read_text())
    assert written.images == len(train) + len(set(test.values()))
    assert written.masks == sum(map(len, train.values())) + len(test)
    assert written.skipped_small > 0
    image, masks = next(iter(train.items()))
    assert image.startswith("out/images/FLARE22_Tr_")
    name = image.removeprefix("out/images/").removesuffix(".png")
    assert all(mask.startswith(f"out/masks/{name}_") and mask.endswith("_000.png") for mask in masks[:1])
    mask = np.asarray(Pillow.open(tmp_path / masks[0]))
    assert set(np.unique(mask)) == {0, 255}
    assert mask.shape == (40, 48)
    found = recipes.get("sammed2d").find(out)
    assert "right_kidney" in found.label_set.names.values()
    patients = {case.patient for case in found.cases}
    assert patients <= {f"FLARE22_Tr_{number:04d}" for number in range(1, 6)}


def test_refuses_a_folder_in_use(tmp_path):
    store = prepare(source=sammed2d.write(tmp_path / "data_demo"), out=tmp_path / "store", workers=0)
    with pytest.raises(RunFolderError, match="not empty"):
        write_sammed2d(store, tmp_path)
