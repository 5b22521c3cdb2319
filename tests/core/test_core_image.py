"""Images, volumes, label maps and label sets."""

from __future__ import annotations

import numpy as np
import pytest

from samadapt.core.errors import LabelError, ShapeMismatch
from samadapt.core.grid import Grid
from samadapt.core.image import Image, Label, LabelMap, LabelSet, Volume, as_label_values


def grid(*shape):
    return Grid.from_spacing(shape, (1.0,) * len(shape))


def test_image_and_volume_check_their_grid():
    assert Image(np.zeros((3, 4, 2)), grid(3, 4)).shape == (3, 4)
    with pytest.raises(ShapeMismatch, match=r"\(3, 5\).*\(3, 4\)"):
        Image(np.zeros((3, 5)), grid(3, 4))
    with pytest.raises(ShapeMismatch):
        Volume(np.zeros((2, 3, 4)), grid(2, 3, 5))
    with pytest.raises(ShapeMismatch):
        LabelMap(np.zeros((3, 4), np.uint8), grid(4, 3))


def test_slice_keeps_window_modality_and_place():
    voxels = np.arange(24).reshape(2, 3, 4)
    volume = Volume(voxels, Grid.from_spacing((2, 3, 4), (5, 1, 1)), modality="CT", source="a", window=(-160, 240))
    picture = volume.slice(1)
    assert len(volume) == 2
    assert np.array_equal(picture.pixels, voxels[1])
    assert (picture.modality, picture.window, picture.source) == ("CT", (-160, 240), "a[1]")
    assert picture.grid.affine[2, 3] == pytest.approx(5)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [([0, 1], np.uint8), ([0, 255], np.uint8), ([0, 256], np.uint16), ([0, 65536], np.uint32), ([0.0, 13.0], np.uint8)],
)
def test_labels_take_the_smallest_unsigned_type(values, dtype):
    found = as_label_values(np.array([values]))
    assert found.dtype == dtype
    assert found.tolist() == [[int(v) for v in values]]


def test_boolean_and_empty_labels_are_accepted():
    assert as_label_values(np.array([[True, False]])).tolist() == [[1, 0]]
    assert as_label_values(np.zeros((0, 4), np.int64)).dtype == np.uint8


@pytest.mark.parametrize(
    ("values", "message"), [([0.5, 1], "whole numbers, found 0.5"), ([np.nan, 1], "found nan"), ([-1, 1], "negative")]
)
def test_values_that_are_no_labels_are_refused(values, message):
    with pytest.raises(LabelError, match=message):
        as_label_values(np.array([values]), where="label.nii")


def test_names_give_side_and_anatomy():
    labels = LabelSet.from_names({0: "background", 2: "Right_Kidney", 1: "liver", 13: "left-kidney"}, modality="CT")
    assert labels.values == (1, 2, 13)
    assert labels[2] == Label(2, "Right_Kidney", "kidney", "right", "CT")
    assert labels[13].side == "left"
    assert labels[13].anatomy == "kidney"
    assert labels[1].side == ""
    assert labels.has_sides
    assert 13 in labels
    assert 0 not in labels


def test_a_word_that_contains_left_is_no_side():
    assert LabelSet.from_names({1: "leftover", 2: "bright spot"}).has_sides is False
    assert LabelSet.from_names({1: "left lung"}).has_sides is False


@pytest.mark.parametrize("labels", [(Label(1, "a"), Label(1, "b")), (Label(0, "a"),), (Label(-1, "a"),)])
def test_label_values_are_unique_and_positive(labels):
    with pytest.raises(LabelError):
        LabelSet(labels)


def test_ignore_is_no_class():
    labels = LabelSet.from_names({1: "a", 255: "void"}, ignore=255)
    assert labels.values == (1,)
    labels.require_known(np.array([0, 1, 255]))
    with pytest.raises(LabelError, match=r"\[2\]"):
        labels.require_known(np.array([0, 1, 2]), where="x.png")
    with pytest.raises(LabelError):
        LabelSet((Label(1, "a"),), ignore=1)
