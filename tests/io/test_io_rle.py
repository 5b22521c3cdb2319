"""Run lengths as COCO writes them."""

from __future__ import annotations

import numpy as np
import pytest

from samadapt.core.errors import FileFormatError, ShapeMismatch
from samadapt.io import rle


def disc(hw, centre, radius):
    y, x = np.mgrid[: hw[0], : hw[1]]
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2


def holes():
    mask = np.zeros((5, 4), dtype=bool)
    mask[1:3, 1:3] = mask[4, 3] = True
    return mask


# Texts of pycocotools 2.0.11.
KNOWN = {
    "holes": (holes(), "62303O"),
    "full": (np.ones((3000, 2000), dtype=bool), "0P\\Sg5"),
    "disc": (
        disc((480, 640), (200, 300), 150)[:, :170],
        "gnV2S1f=>D:F:G8I6I8I6J6K4K6K4K6K4L4L4L4L4L4oK",
    ),
    "empty": (np.zeros((3, 7), dtype=bool), "e0"),
}


@pytest.mark.parametrize("name", KNOWN)
def test_texts_are_those_of_coco(name):
    mask, text = KNOWN[name]
    found = rle.encode(mask)
    assert found.as_dict() == {"size": list(mask.shape), "counts": text}
    assert (rle.decode({"size": mask.shape, "counts": text.encode()}) == mask).all()


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.95, 1.0])
def test_there_and_back(share):
    rng = np.random.default_rng(int(100 * share))
    for _ in range(20):
        mask = rng.random(rng.integers(1, 30, 2)) < share
        mask = mask.repeat(rng.integers(1, 9), 0).repeat(rng.integers(1, 9), 1)
        found = rle.encode(mask)
        assert found.area == mask.sum()
        assert (found.mask() == mask).all()
        assert rle.unpack(rle.pack(found.counts)).tolist() == found.counts.tolist()
        assert (rle.decode(found.as_dict()) == mask).all()
        assert (rle.decode(found.as_dict(compressed=False)) == mask).all()


def test_counts_go_down_the_columns_and_join_across_them():
    mask = np.zeros((3, 3), dtype=bool)
    mask[:, 0] = mask[0, 1] = True
    assert rle.encode(mask).counts.tolist() == [0, 4, 5]


def test_a_part_of_an_image():
    part = disc((20, 30), (9, 16), 12)
    whole = np.zeros((50, 60), dtype=bool)
    whole[7:27, 30:60] = part
    assert (rle.encode(part, inside=(50, 60), offset_yx=(7, 30)).mask() == whole).all()
    with pytest.raises(ShapeMismatch, match="does not fit"):
        rle.encode(part, inside=(50, 60), offset_yx=(7, 31))


@pytest.mark.parametrize(
    "broken",
    [
        {"size": [5, 4]},
        {"size": [5, 4], "counts": "62303"},
        {"size": [5, 4], "counts": "62303o"},
        {"size": [5, 4], "counts": "6230\n"},
        {"size": [5, 4], "counts": [6, 2, -3, 15]},
        {"size": [5], "counts": [5]},
        {"size": [5, 4], "counts": "o" * 14 + "0"},
    ],
)
def test_damaged_counts_are_refused(broken):
    with pytest.raises(FileFormatError, match="run lengths"):
        rle.decode(broken, where="a.json")
