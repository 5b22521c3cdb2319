"""Scores against brute force and literal tables of the empty cases."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from samadapt import metrics
from samadapt.core.errors import ConfigError, InvalidGeometry, LabelError, NonFiniteValues, ShapeMismatch
from samadapt.core.rng import named_rng

NAN, INF = math.nan, math.inf


def same(a, b, tolerance=0.0):
    return (math.isnan(a) and math.isnan(b)) or a == b or abs(a - b) <= tolerance


def masks(name, shape, spread=0.25):
    """Two overlapping random masks of blocks and specks, neither empty."""
    rng = named_rng("test metrics", name)
    pair = []
    for _ in range(2):
        mask = rng.random(shape) < 0.02
        low = [int(n * spread) for n in shape]
        mask[tuple(slice(a - int(rng.integers(0, 2)), n - a + int(rng.integers(0, 2))) for a, n in zip(low, shape))] = (
            True
        )
        pair.append(mask & (rng.random(shape) < 0.95))
    assert pair[0].any()
    assert pair[1].any()
    return pair


# brute force --------------------------------------------------------------------------------------------------------


def border(mask):
    padded = np.pad(mask, 1)
    neighbours = [np.roll(padded, step, axis) for axis in range(mask.ndim) for step in (-1, 1)]
    return np.argwhere(mask & ~np.logical_and.reduce(neighbours)[tuple(slice(1, -1) for _ in mask.shape)])


def brute_force(reference, prediction, spacing, tolerance):
    a, b = border(reference) * spacing, border(prediction) * spacing
    table = np.linalg.norm(a[:, None] - b[None], axis=2)
    ab, ba = table.min(axis=1), table.min(axis=0)
    both = np.concatenate([ab, ba])
    inter, total = (reference & prediction).sum(), reference.sum() + prediction.sum()
    return {
        "dice": 2 * inter / total,
        "iou": inter / (reference | prediction).sum(),
        "hd": both.max(),
        "hd95": max(np.percentile(ab, 95), np.percentile(ba, 95)),
        "assd": both.mean(),
        "nsd": (both <= tolerance).mean(),
    }


@pytest.mark.parametrize(
    ("shape", "spacing"), [((11, 13, 9), (2.5, 0.8, 0.8)), ((9, 9, 9), (1, 1, 1)), ((31, 23), (0.7, 1.3))]
)
def test_equal_to_brute_force(shape, spacing):
    for k in range(6):
        pair = masks((shape, k), shape)
        found = metrics.score(*pair, spacing_mm=spacing, convention="monai", tolerances_mm=1.1)[1]
        expected = brute_force(*pair, np.array(spacing), 1.1)
        for name, value in expected.items():
            assert found[name] == pytest.approx(value, abs=1e-9), (k, name)


def test_far_boundaries_are_measured_exactly():
    pair = np.zeros((2, 40, 60), dtype=bool)
    pair[0, 2:6, 2:9], pair[1, 30:38, 50:55] = True, True
    found = metrics.score(*pair, spacing_mm=(0.5, 2), convention="monai")[1]
    expected = brute_force(*pair, np.array([0.5, 2]), 2.0)
    assert {k: found[k] for k in expected} == pytest.approx(expected)
    assert found["dice"] == found["nsd"] == 0


def test_two_voxels_by_hand():
    reference, prediction = np.zeros((2, 5, 5, 5), dtype=np.uint8)
    reference[1, 2, 2], prediction[3, 2, 2] = 4, 4
    found = metrics.score(reference, prediction, spacing_mm=(2.5, 1, 1))[4]
    assert (found["dice"], found["iou"], found["hd"], found["hd95"], found["assd"]) == (0, 0, 5, 5, 5)
    assert (found["unit"], found["missing"], found["tolerance_mm"]) == ("mm", "", 2)
    assert metrics.score(reference, prediction, spacing_mm=(2.5, 1, 1), convention="transunet")[4]["hd95"] == 2
    assert metrics.score(reference, prediction, spacing_mm=(2.5, 1, 1), convention="transunet")[4]["unit"] == "voxel"


def test_perfect_prediction():
    reference, _ = masks("perfect", (8, 9, 10))
    for name in metrics.conventions():
        found = metrics.score(reference, reference, spacing_mm=(3, 1, 1), convention=name)[1]
        assert [found[m] for m in metrics.METRICS] == [1, 1, 0, 0, 0, 1], name
    assert len(metrics.conventions()) == 12


def test_swapping_masks_changes_only_the_counts():
    a, b = masks("swap", (9, 10, 11))
    for name in ("strict", "monai", "medpy", "deepmind", "transunet"):
        one = metrics.score(a, b, spacing_mm=(2, 1, 1), convention=name)[1]
        other = metrics.score(b, a, spacing_mm=(2, 1, 1), convention=name)[1]
        assert [one[m] for m in metrics.METRICS] == pytest.approx([other[m] for m in metrics.METRICS]), name


def test_neither_place_nor_surroundings_matter():
    a, b = masks("place", (7, 8, 9))
    inside = metrics.score(a, b, spacing_mm=(2, 1, 0.5))[1]
    for pad in (((0, 3), (5, 0), (1, 1)), ((4, 0), (0, 0), (0, 9))):
        moved = metrics.score(np.pad(a, pad), np.pad(b, pad), spacing_mm=(2, 1, 0.5))[1]
        assert [moved[m] for m in metrics.METRICS] == pytest.approx([inside[m] for m in metrics.METRICS])


def test_strict_nsd_weights_by_area():
    reference = np.zeros((4, 20, 20), dtype=bool)
    reference[:, 5:15, 5:15] = True
    prediction = reference.copy()
    prediction[:, 5:15, 15:18] = True
    by_area = metrics.score(reference, prediction, spacing_mm=(10, 1, 1), tolerances_mm=1)[1]["nsd"]
    by_count = metrics.score(reference, prediction, spacing_mm=(10, 1, 1), tolerances_mm=1, convention="monai")[1][
        "nsd"
    ]
    assert 0 < by_area < by_count < 1


# empty masks --------------------------------------------------------------------------------------------------------

EMPTY = {  # convention: {what is missing: (dice, iou, hd, hd95, assd, nsd)}
    "strict": {
        "both": (NAN, NAN, NAN, NAN, NAN, NAN),
        "reference": (0, 0, INF, INF, INF, 0),
        "prediction": (0, 0, INF, INF, INF, 0),
    },
    "transunet": {
        "both": (0, 0, 0, 0, 0, 0),
        "reference": (1, 1, 0, 0, 0, 1),
        "prediction": (0, 0, 0, 0, 0, 0),
    },
    "flare22": {
        "both": (1, 1, NAN, NAN, NAN, 1),
        "reference": (0, 0, INF, INF, INF, 0),
        "prediction": (0, 0, INF, INF, INF, 0),
    },
    "monai": {
        "both": (NAN, NAN, NAN, NAN, NAN, NAN),
        "reference": (NAN, NAN, INF, NAN, INF, 0),
        "prediction": (0, 0, INF, NAN, INF, 0),
    },
    "nnunet": {
        "both": (NAN, NAN, NAN, NAN, NAN, NAN),
        "reference": (0, 0, NAN, NAN, NAN, 0),
        "prediction": (0, 0, NAN, NAN, NAN, 0),
    },
    "deepmind": {
        "both": (NAN, NAN, INF, INF, NAN, NAN),
        "reference": (0, 0, INF, INF, INF, 0),
        "prediction": (0, 0, INF, INF, INF, 0),
    },
    "medpy": {
        "both": (0, 0, NAN, NAN, NAN, NAN),
        "reference": (0, 0, NAN, NAN, NAN, 0),
        "prediction": (0, 0, NAN, NAN, NAN, 0),
    },
    "medsam": {
        "both": (NAN, NAN, NAN, NAN, NAN, NAN),
        "reference": (0, 0, INF, INF, INF, 0),
        "prediction": (0, 0, INF, INF, INF, 0),
    },
    "cvpr24": {
        "both": (NAN, NAN, NAN, NAN, NAN, NAN),
        "reference": (0, 0, INF, INF, INF, 0),
        "prediction": (0, 0, INF, INF, INF, 0),
    },
    "sammed2d": {
        "both": (1, 1, NAN, NAN, NAN, 1),
        "reference": (0, 0, INF, INF, INF, 0),
        "prediction": (0, 0, INF, INF, INF, 0),
    },
    "irstd": {
        "both": (0, 0, NAN, NAN, NAN, 0),
        "reference": (0, 0, INF, INF, INF, 0),
        "prediction": (0, 0, INF, INF, INF, 0),
    },
    "remote-sensing": {
        "both": (NAN, NAN, NAN, NAN, NAN, NAN),
        "reference": (0, 0, INF, INF, INF, 0),
        "prediction": (0, 0, INF, INF, INF, 0),
    },
}


def test_every_convention_has_its_table():
    assert set(EMPTY) == set(metrics.conventions())


@pytest.mark.parametrize("shape", [(6, 7), (4, 6, 7)])
@pytest.mark.parametrize("convention", EMPTY)
@pytest.mark.parametrize("missing", ["both", "reference", "prediction"])
def test_empty_masks(convention, missing, shape):
    reference, prediction = np.zeros((2, *shape), dtype=np.uint8)
    if missing != "both":
        (prediction if missing == "reference" else reference)[..., 2:5, 2:5] = 5
    assert (not reference.any(), not prediction.any()) == (missing != "prediction", missing != "reference")
    found = metrics.score(reference, prediction, spacing_mm=(1.0,) * len(shape), labels=[5], convention=convention)[5]
    assert found["missing"] == missing
    for name, value in zip(metrics.METRICS, EMPTY[convention][missing], strict=True):
        assert same(found[name], value), name


# rules of single conventions ----------------------------------------------------------------------------------------


def test_medsam_takes_every_spacing_for_1():
    a, b = masks("medsam", (8, 12, 12))
    thick = metrics.score(a, b, spacing_mm=(5, 0.7, 0.7), convention="medsam", tolerances_mm=1)[1]
    cube = metrics.score(a, b, spacing_mm=(1, 1, 1), convention="strict", tolerances_mm=1)[1]
    assert {k: v for k, v in thick.items() if k != "unit"} == {k: v for k, v in cube.items() if k != "unit"}
    assert (thick["unit"], cube["unit"]) == ("voxel", "mm")
    assert 0 < thick["nsd"] < 1
    assert metrics.score(a, b, spacing_mm=(5, 0.7, 0.7), tolerances_mm=1)[1]["nsd"] != thick["nsd"]


@pytest.mark.parametrize(("overlap", "cvpr24", "flare22"), [(1, 0, 0), (2, 0, 1), (3, 1, 1)])
def test_nsd_of_a_failed_object_is_0_in_two_ways(overlap, cvpr24, flare22):
    reference, prediction = np.zeros((2, 3, 40), dtype=np.uint8)
    reference[1, 10:20], prediction[1, 20 - overlap : 30 - overlap] = 1, 1
    rules = {"tolerances_mm": 20, "spacing_mm": (1, 1)}
    for name, expected in (("cvpr24", cvpr24), ("flare22", flare22), ("medsam", 1)):
        found = metrics.score(reference, prediction, convention=name, **rules)[1]
        assert found["dice"] == overlap / 10
        assert found["nsd"] == expected, name


def test_sammed2d_smooths_and_rounds():
    reference, prediction = np.zeros((2, 1, 9), dtype=np.uint8)
    reference[0, :3], prediction[0, 2:9] = 1, 1
    found = metrics.score(reference, prediction, spacing_mm=(1, 1), convention="sammed2d")[1]
    assert (found["dice"], found["iou"]) == (0.2, round((1 + 1e-7) / (9 + 1e-7), 4)) == (0.2, 0.1111)
    exact = metrics.score(reference, prediction, spacing_mm=(1, 1))[1]
    assert exact["iou"] == 1 / 9


def test_sammed2d_scores_a_volume_slice_by_slice():
    reference, prediction = np.zeros((2, 6, 8, 8), dtype=np.uint8)
    reference[1, :2, :3], prediction[1, :2, 1:4] = 1, 1
    reference[2, 4:6, 4:6] = 1  # missed
    reference[3, 1:4, 1:4], prediction[3, 1:4, 1:4] = 1, 1
    prediction[5, 3:5, 3:5] = 1  # invented where nothing is annotated
    rule = {"convention": "sammed2d", "slice_axis": 0}
    found = metrics.score(reference, prediction, spacing_mm=(5, 1, 1), **rule)[1]
    alone = [metrics.score(reference[z], prediction[z], spacing_mm=(1, 1), convention="sammed2d")[1] for z in (1, 2, 3)]
    assert [one["dice"] for one in alone] == [0.6667, 0, 1]
    for figure in ("dice", "iou"):
        assert found[figure] == pytest.approx(np.mean([one[figure] for one in alone]), abs=1e-12)
    assert (found["masks"], alone[0]["masks"]) == (3, 1)
    assert metrics.score(reference, prediction, spacing_mm=(5, 1, 1))[1]["dice"] != found["dice"]
    missed = metrics.score(reference, np.zeros_like(prediction), spacing_mm=(5, 1, 1), **rule)[1]
    assert (missed["dice"], missed["masks"]) == (0, 3)
    side = metrics.score(
        *(np.moveaxis(v, 0, 2) for v in (reference, prediction)), (1, 1, 5), convention="sammed2d", slice_axis=2
    )
    assert side[1]["dice"] == found["dice"]


def test_conventions_found_together_are_those_found_alone():
    reference = np.zeros((10, 14, 14), dtype=np.uint8)
    prediction = np.zeros_like(reference)
    for label in (1, 4, 5):
        a, b = masks(("together", label), reference.shape, 0.2)
        reference[a & (reference == 0)], prediction[b & (prediction == 0)] = label, label
    arguments = {"spacing_mm": (5, 0.8, 0.8), "labels": [1, 4, 5, 9], "ignore": 4}
    together = metrics.score_conventions(reference, prediction, **arguments)
    assert tuple(together) == metrics.conventions()
    compared = 0
    for name, found in together.items():
        alone = metrics.score(reference, prediction, convention=name, **arguments)
        for label, figures in alone.items():
            compared += sum(same(found[label][m], figures[m]) for m in metrics.METRICS)
    assert compared == 12 * 4 * 6
    own = replace(metrics.convention("strict"), name="mine", tolerance_mm=7)
    assert metrics.score(reference, reference, spacing_mm=(5, 1, 1), convention=own)[1]["tolerance_mm"] == 7


def test_every_convention_says_in_a_sentence_why():
    found = [metrics.convention(name) for name in metrics.conventions()]
    assert len({c.why for c in found}) == len(found)
    for c in found:
        assert c.why.endswith(".")
        assert 30 < len(c.why) < 200, c.why
        assert c.own
        assert set(c.own) <= set(metrics.METRICS)


# FLARE22's own rules ------------------------------------------------------------------------------------------------


def tube(label, stop=9):
    reference, prediction = np.zeros((2, 12, 16, 16), dtype=np.uint8)
    reference[2:stop, 4:12, 4:12] = label
    prediction[0:12, 4:12, 4:12] = label
    return reference, prediction


def test_flare22_leaves_out_slices_of_tubes_only():
    for label, dice in ((5, 1.0), (6, 1.0), (10, 1.0), (4, 2 * 7 / (7 + 12))):
        found = metrics.score(*tube(label), spacing_mm=(5, 1, 1), convention="flare22")[label]
        assert found["dice"] == pytest.approx(dice), label
        assert found["reference_voxels"] == 7 * 64


def test_flare22_leaves_out_the_last_reference_slice():
    reference, prediction = tube(5)
    prediction[8] = 0
    assert metrics.score(reference, prediction, spacing_mm=(5, 1, 1), convention="flare22")[5]["dice"] == 1


def test_flare22_tube_in_one_slice_is_undefined():
    found = metrics.score(*tube(5, stop=3), spacing_mm=(5, 1, 1), convention="flare22")[5]
    assert math.isnan(found["dice"])
    assert math.isnan(found["nsd"])


def test_flare22_gives_no_nsd_below_a_dice_of_a_fifth():
    reference, prediction = np.zeros((2, 6, 40, 40), dtype=np.uint8)
    reference[1:5, 10:12, 2:38], prediction[1:5, 12:14, 2:38] = 1, 1
    assert metrics.score(reference, prediction, spacing_mm=(1, 1, 1), convention="flare22")[1]["nsd"] == 0
    assert metrics.score(reference, prediction, spacing_mm=(1, 1, 1), tolerances_mm=5)[1]["nsd"] == 1


def test_slice_axis_is_the_thickest_unless_given():
    reference, prediction = (np.moveaxis(values, 0, 2)[2:-2, 2:-2] for values in tube(5))
    assert reference.shape == (12, 12, 12)
    assert metrics.score(reference, prediction, spacing_mm=(1, 1, 5), convention="flare22")[5]["dice"] == 1
    whole = metrics.score(reference, prediction, spacing_mm=(1, 1, 1), convention="flare22")[5]["dice"]
    given = metrics.score(reference, prediction, spacing_mm=(1, 1, 1), convention="flare22", slice_axis=-1)[5]["dice"]
    assert whole == pytest.approx(2 * 7 / 19)
    assert given == 1
    thin = reference[2:], prediction[2:]
    assert metrics.score(*thin, spacing_mm=(1, 1, 1), convention="flare22")[5]["dice"] == pytest.approx(2 * 7 / 19)
    fewest = np.pad(reference, ((1, 1), (1, 1), (0, 0))), np.pad(prediction, ((1, 1), (1, 1), (0, 0)))
    assert metrics.score(*fewest, spacing_mm=(1, 1, 1), convention="flare22")[5]["dice"] == 1


def test_flare22_tolerances():
    reference = np.arange(14, dtype=np.uint8).reshape(1, 1, 14).repeat(3, 0).repeat(3, 1)
    found = metrics.score(reference, reference, spacing_mm=(1, 1, 1), convention="flare22")
    assert [row["tolerance_mm"] for row in found.values()] == [5, 3, 3, 5, 2, 2, 2, 2, 2, 3, 5, 7, 3]


# arguments ----------------------------------------------------------------------------------------------------------


def test_labels_default_to_those_of_either_array():
    reference, prediction = np.zeros((2, 4, 5), dtype=np.int64)
    reference[0, 0], reference[1, 1], prediction[3, 3] = 2, 70_000, 9
    found = metrics.score(reference, prediction, spacing_mm=(1, 1))
    assert list(found) == [2, 9, 70_000]
    assert [row["missing"] for row in found.values()] == ["prediction", "reference", "prediction"]
    assert list(metrics.score(reference, prediction, spacing_mm=(1, 1), labels=[9, 1])) == [9, 1]
    assert metrics.score(np.zeros((3, 3)), np.zeros((3, 3)), spacing_mm=(1, 1)) == {}


def test_masks_integers_and_whole_floats_score_alike():
    a, b = masks("types", (9, 9))
    scores = [
        metrics.score(a.astype(t), b.astype(t), spacing_mm=(1, 2)) for t in (bool, np.uint8, np.int32, np.float32)
    ]
    assert scores[1:] == scores[:-1]


def test_memory_order_does_not_matter():
    a, b = masks("order", (9, 10, 11))
    straight = metrics.score(a, b, spacing_mm=(3, 1, 1))
    assert metrics.score(np.asfortranarray(a), b[::-1][::-1], spacing_mm=(3, 1, 1)) == straight


def test_ignored_voxels_do_not_count():
    reference, prediction = np.zeros((2, 6, 6), dtype=np.uint8)
    reference[1:4, 1:4], prediction[1:4, 1:6], reference[1:4, 4:] = 1, 1, 255
    found = metrics.score(reference, prediction, spacing_mm=(1, 1), ignore=255)
    assert list(found) == [1]
    assert found[1]["dice"] == 1


def test_arrays_are_left_unchanged():
    a, b = masks("const", (9, 9))
    before = a.copy(), b.copy()
    metrics.score(a, b, spacing_mm=(1, 1), ignore=1)
    assert np.array_equal(a, before[0])
    assert np.array_equal(b, before[1])


ZERO = np.zeros((4, 5), dtype=np.uint8)


@pytest.mark.parametrize(
    ("arguments", "error", "names"),
    [
        ({"prediction": ZERO[1:]}, ShapeMismatch, r"\(3, 5\)"),
        ({"reference": ZERO[0], "prediction": ZERO[0]}, InvalidGeometry, r"\(5,\)"),
        ({"spacing_mm": (1, 1, 1)}, InvalidGeometry, "not 3"),
        ({"spacing_mm": (1, -1)}, InvalidGeometry, "-1"),
        ({"spacing_mm": (1, NAN)}, InvalidGeometry, "nan"),
        ({"prediction": ZERO + 0.5}, LabelError, "0.5"),
        ({"reference": ZERO - np.int16(1)}, LabelError, "-1"),
        ({"reference": ZERO + NAN}, NonFiniteValues, "reference"),
        ({"prediction": ZERO.astype(complex)}, LabelError, "complex"),
        ({"labels": [0, 1]}, LabelError, "background"),
        ({"convention": "transunett"}, ConfigError, "did you mean 'transunet'"),
        ({"tolerances_mm": {1: -2}}, ConfigError, "-2"),
        ({"tolerances_mm": NAN}, ConfigError, "nan"),
        ({"slice_axis": 2}, InvalidGeometry, "no axis 2"),
    ],
)
def test_bad_arguments_are_named(arguments, error, names):
    usual = {"reference": ZERO, "prediction": ZERO, "spacing_mm": (1, 1)}
    with pytest.raises(error, match=names):
        metrics.score(**(usual | arguments))
