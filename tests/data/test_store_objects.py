"""Areas, boxes, layers and merged label values against the plain way of computing them."""

from __future__ import annotations

import numpy as np
import pytest

from samadapt.core.errors import DataError, LabelError
from samadapt.core.image import LabelSet
from samadapt.core.rng import named_rng
from samadapt.data.chunks import compress_image, compress_labels, decompress
from samadapt.data.labels import merge, remap
from samadapt.data.objects import layered_objects, semantic_objects
from samadapt.data.store import _classes


def box(mask):
    ys, xs = np.nonzero(mask)
    return [xs.min(), ys.min(), xs.max(), ys.max()]


@pytest.mark.parametrize("top", [3, 250, 60000])
@pytest.mark.parametrize("density", [0.002, 0.3, 1.0])
def test_semantic_rows(top, density):
    rng = named_rng("objects", top, density)
    dtype = np.uint8 if top < 256 else np.uint16
    values = (rng.integers(1, top, (37, 53)) * (rng.random((37, 53)) < density)).astype(dtype)
    rows = semantic_objects(values, ignore=2)
    expected = [v for v in np.unique(values) if v not in (0, 2)]
    assert rows["label"].tolist() == expected
    for row in rows:
        mask = values == row["label"]
        assert row["area"] == mask.sum()
        assert [row[k] for k in ("x0", "y0", "x1", "y1")] == box(mask)


def test_an_empty_slice_has_no_rows():
    assert len(semantic_objects(np.zeros((5, 6), np.uint8))) == 0
    layers, rows = layered_objects([(np.zeros((5, 6), bool), 1)], (5, 6))
    assert layers.shape == (1, 5, 6)
    assert len(rows) == 0


@pytest.mark.parametrize("count", [5, 400])
def test_layers_keep_every_pixel_of_every_object(count):
    rng = named_rng("layers", count)
    masks = []
    for _ in range(count):
        mask = np.zeros((60, 70), bool)
        y, x = rng.integers(0, 55), rng.integers(0, 65)
        mask[y : y + rng.integers(1, 20), x : x + rng.integers(1, 20)] = True
        mask &= rng.random(mask.shape) < 0.8
        mask[y, x] = True
        masks.append((mask, int(rng.integers(1, 4))))
    layers, rows = layered_objects(masks, (60, 70))
    assert len(rows) == count
    assert layers.dtype == (np.uint8 if count < 256 else np.uint16)
    assert rows["value"].tolist() == list(range(1, count + 1))
    for (mask, label), row in zip(masks, rows):
        np.testing.assert_array_equal(layers[row["layer"]] == row["value"], mask)
        assert (row["label"], row["area"]) == (label, mask.sum())
        assert [row[k] for k in ("x0", "y0", "x1", "y1")] == box(mask)
    for label in (1, 2, 3):
        numbers = rows["object"][rows["label"] == label].tolist()
        assert numbers == list(range(len(numbers)))
    for number, layer in enumerate(layers):
        here = rows[rows["layer"] == number]
        classes = np.zeros(layer.shape)
        for row in here:
            classes[layer == row["value"]] = row["label"]
        np.testing.assert_array_equal(_classes(layer, here), classes)
        np.testing.assert_array_equal(_classes(layer.astype(np.uint32), here), classes)


def test_too_many_objects_on_one_pixel():
    full = np.ones((2, 2), bool)
    with pytest.raises(DataError, match="255"):
        layered_objects([(full, 1)] * 256, (2, 2))


def test_merge_keeps_free_values_and_shares_classes():
    first = merge(None, LabelSet.from_names({2: "Left Lung", 7: "heart"}, ignore=255, modality="CT"))
    assert first.values == {2: 2, 7: 7, 255: 255}
    names = {1: "lung_left", 2: "spleen", 3: "lung right", 7: "trachea"}
    second = merge(first.label_set, LabelSet.from_names(names, ignore=3, modality="CT"))
    assert second.values[1] == 2
    assert second.values[2] == 8
    assert second.values[7] == 9
    assert second.values[3] == 255
    assert second.label_set.ignore == 255
    assert second.label_set[2].modality == "CT"
    third = merge(second.label_set, LabelSet.from_names({255: "odd"}))
    assert third.values == {255: 10}


def test_equal_anatomy_within_one_dataset_stays_apart():
    labels = LabelSet.from_names({1: "kidney", 2: "Kidney"})
    assert merge(None, labels).values == {1: 1, 2: 2}


def test_class_values_have_an_end():
    with pytest.raises(LabelError, match="70000"):
        merge(None, LabelSet.from_names({70000: "instance"}))


def test_remap():
    labels = LabelSet.from_names({1: "a", 3: "b"})
    values = np.array([[0, 1, 3]], np.uint8)
    np.testing.assert_array_equal(remap(values, {1: 5, 3: 300}, labels), [[0, 5, 300]])
    assert remap(values, {1: 1, 3: 3}, labels) is values
    for bad in (2, 4, 200):
        with pytest.raises(LabelError, match=str(bad)):
            remap(np.array([[0, bad]], np.uint8), {1: 5, 3: 6}, labels, where="case")


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32"])
@pytest.mark.parametrize("shape", [(17, 33), (9, 8, 3), (5, 4, 70), (1, 1)])
def test_chunks_return_what_they_got(dtype, shape):
    array = named_rng("chunk", dtype, shape).integers(0, 200, shape).astype(dtype)
    for compress in (compress_image, compress_labels):
        np.testing.assert_array_equal(decompress(compress(array), shape, np.dtype(dtype)), array)
    with pytest.raises(ValueError, match="bytes"):
        decompress(compress_image(array), (*shape, 2), np.dtype(dtype))
