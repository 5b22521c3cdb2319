"""Figures counted over a whole set: brute force, literal tables of the empty cases, merging."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from samadapt import metrics
from samadapt.core.errors import ConfigError, LabelError, ShapeMismatch
from samadapt.core.rng import named_rng
from samadapt.metrics.targets import match

NAN = math.nan


def picture(*rows):
    """Label map from text, one digit a pixel, "." for background."""
    return np.array([[0 if c == "." else int(c) for c in row] for row in rows], dtype=np.uint8)


def land(name, shape=(23, 17), classes=4):
    rng = named_rng("test pooled", name)
    reference = rng.integers(0, classes + 1, shape)
    prediction = np.where(rng.random(shape) < 0.6, reference, rng.integers(0, classes + 1, shape))
    return reference, prediction


# confusion matrix ---------------------------------------------------------------------------------------------------


def brute_confusion(reference, prediction, labels, ignore):
    pixels = [(int(a), int(b)) for a, b in zip(reference.flat, prediction.flat) if a != ignore]
    iou, f1 = {}, {}
    for label in (0, *labels):
        both = sum(a == label and b == label for a, b in pixels)
        either = sum(a == label or b == label for a, b in pixels)
        sizes = sum((a == label) + (b == label) for a, b in pixels)
        iou[label], f1[label] = (both / either, 2 * both / sizes) if either else (NAN, NAN)
    n = len(pixels)
    observed = sum(a == b for a, b in pixels) / n
    chance = sum(sum(a == k for a, _ in pixels) * sum(b == k for _, b in pixels) for k in (0, *labels)) / n**2
    return iou, f1, observed, (observed - chance) / (1 - chance)


@pytest.mark.parametrize("ignore", [None, 0, 255])
def test_confusion_equals_brute_force_pixel_by_pixel(ignore):
    labels = [1, 2, 3, 4, 7]
    for k in range(3):
        reference, prediction = land((ignore, k))
        if ignore == 255:
            reference[:4] = 255
        found = metrics.count(reference, prediction, labels, "remote-sensing", ignore).figures()
        iou, f1, accuracy, kappa = brute_confusion(reference, prediction, labels, ignore)
        for label in (0, 1, 2, 3, 4):
            assert found[label] == pytest.approx({"iou": iou[label], "f1": f1[label]})
        assert math.isnan(found[7]["iou"])
        whole = found["all"]
        assert (whole["oa"], whole["kappa"]) == pytest.approx((accuracy, kappa))
        assert whole["miou"] == pytest.approx(np.mean([iou[label] for label in (1, 2, 3, 4)]))
        assert whole["mf1"] == pytest.approx(np.mean([f1[label] for label in (1, 2, 3, 4)]))
        assert whole["miou_background"] == pytest.approx(np.mean([iou[label] for label in (0, 1, 2, 3, 4)]))


def test_confusion_by_hand():
    reference = picture("1122", "1122")
    prediction = picture("1112", "1222")
    found = metrics.count(reference, prediction, [1, 2], "remote-sensing").figures()
    assert found[1] == pytest.approx({"iou": 3 / 5, "f1": 3 / 4})
    assert found["all"]["oa"] == 6 / 8
    assert found["all"]["kappa"] == pytest.approx((0.75 - 0.5) / 0.5)


CONFUSION_EMPTY = {  # what is missing: iou and f1 of label 1, miou, oa, kappa
    "both": (NAN, NAN, NAN, 1.0, NAN),
    "reference": (0.0, 0.0, 0.0, 0.5, 0.0),
    "prediction": (0.0, 0.0, 0.0, 0.5, 0.0),
    "everything ignored": (NAN, NAN, NAN, NAN, NAN),
}


@pytest.mark.parametrize("missing", CONFUSION_EMPTY)
def test_confusion_where_a_class_is_missing(missing):
    empty, full = picture("....", "...."), picture("11..", "11..")
    reference, prediction = {
        "both": (empty, empty),
        "reference": (empty, full),
        "prediction": (full, empty),
        "everything ignored": (empty, full),
    }[missing]
    ignore = 0 if missing == "everything ignored" else None
    found = metrics.count(reference, prediction, [1], "remote-sensing", ignore).figures()
    whole = found["all"]
    values = found[1]["iou"], found[1]["f1"], whole["miou"], whole["oa"], whole["kappa"]
    assert values == pytest.approx(CONFUSION_EMPTY[missing], nan_ok=True)


# small targets ------------------------------------------------------------------------------------------------------


def flood(mask):
    """8-connected blobs as sets of pixels, in raster order of their first pixels."""
    left, blobs = {(int(y), int(x)) for y, x in np.argwhere(mask)}, []
    for pixel in sorted(left):
        if pixel in left:
            left.remove(pixel)
            blob = [pixel]
            for y, x in blob:
                for near in [(y + i, x + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]:
                    if near in left:
                        left.remove(near)
                        blob.append(near)
            blobs.append(set(blob))
    return blobs


def brute_targets(reference, prediction):
    targets, blobs = flood(reference), flood(prediction)
    areas, matched = [len(b) for b in blobs], []
    left, painted = list(blobs), set()
    for target in targets:
        for blob in left:
            if math.dist(np.mean(list(target), axis=0), np.mean(list(blob), axis=0)) < 3:
                matched.append(len(blob))
                painted |= blob
                left.remove(blob)
                break
    unlike = sum(area for area in areas if area not in matched)
    return len(targets), len(matched), int(prediction.sum()) - len(painted), unlike


def sky(name, shape=(40, 52)):
    """Specks of 1 to 4 pixels, some of them in both, moved a little."""
    rng = named_rng("test targets", name)
    reference, prediction = np.zeros((2, *shape), dtype=bool)
    for _ in range(int(rng.integers(0, 9))):
        y, x = (int(v) for v in rng.integers(4, 36, 2))
        dy, dx = (int(v) for v in rng.integers(-4, 5, 2))
        h, w = (int(v) for v in rng.integers(1, 4, 2))
        kind = int(rng.integers(0, 4))
        if kind != 3:
            reference[y : y + h, x : x + w] = True
        if kind != 2:
            prediction[y + dy : y + dy + h, x + dx : x + dx + w] = True
    return reference, prediction


def test_targets_equal_brute_force_over_images():
    pairs = [sky(k) for k in range(60)]
    brute = np.array([brute_targets(a, b) for a, b in pairs])
    found = metrics.merge([metrics.count(a, b, [1], "irstd") for a, b in pairs])
    counts = found.by_label[1]
    assert [counts.targets, counts.found, counts.false_pixels, counts.false_pixels_dnanet] == brute.sum(axis=0).tolist()
    assert min(brute.sum(axis=0)) > 20
    assert (brute[:, 2] != brute[:, 3]).any()
    figures = found.figures()[1]
    assert figures["iou"] == sum((a & b).sum() for a, b in pairs) / sum((a | b).sum() for a, b in pairs)
    assert figures["niou"] == pytest.approx(
        np.mean([(a & b).sum() / (np.spacing(1) + (a | b).sum()) for a, b in pairs])
    )
    assert figures["pd"] == brute[:, 1].sum() / brute[:, 0].sum()
    assert figures["fa"] == brute[:, 2].sum() / (60 * 40 * 52)
    assert figures["fa_dnanet"] == brute[:, 3].sum() / (60 * 256 * 256)


def test_two_blobs_of_one_area_cancel_in_dnanets_false_alarms():
    reference, prediction = picture("11......", "........"), picture("11....11", "........")
    counts = metrics.count(reference, prediction, [1], "irstd").by_label[1]
    assert (counts.found, counts.false_pixels, counts.false_pixels_dnanet) == (1, 2, 0)
    prediction[1, 6] = 1
    counts = metrics.count(reference, prediction, [1], "irstd").by_label[1]
    assert (counts.found, counts.false_pixels, counts.false_pixels_dnanet) == (1, 3, 3)


def test_blobs_touch_at_corners_and_match_below_3_pixels():
    assert metrics.count(picture("1.", ".1"), picture("1.", ".1"), [1], "irstd").by_label[1].targets == 1
    for gap, found in ((2, 1), (3, 0)):
        reference, prediction = np.zeros((2, 3, 9), dtype=bool)
        reference[1, 1], prediction[1, 1 + gap] = True, True
        assert metrics.count(reference, prediction, [1], "irstd").by_label[1].found == found
    first_come = match(np.array([[0.0, 0.0], [0.0, 2.0]]), np.array([[0.0, 1.0], [0.0, 2.0]]))
    assert first_come == [0, 1]
    assert match(np.array([[0.0, 0.0]]), np.zeros((0, 2))) == []


TARGETS_EMPTY = {  # what is missing: iou, niou, pd, fa, fa_dnanet
    "both": (NAN, 0.0, NAN, 0.0, 0.0),
    "reference": (0.0, 0.0, NAN, 0.25, 2 / 65536),
    "prediction": (0.0, 0.0, 0.0, 0.0, 0.0),
}


@pytest.mark.parametrize("missing", TARGETS_EMPTY)
def test_targets_where_a_mask_is_empty(missing):
    empty, full = picture("....", "...."), picture("11..", "....")
    pair = {"both": (empty, empty), "reference": (empty, full), "prediction": (full, empty)}[missing]
    assert tuple(metrics.count(*pair, [1], "irstd").figures()[1].values()) == pytest.approx(
        TARGETS_EMPTY[missing], nan_ok=True
    )


def test_slices_of_a_volume_are_images_and_ignored_pixels_no_alarm():
    pairs = [sky(("volume", k)) for k in range(5)]
    volume = [np.stack(masks) for masks in zip(*pairs)]
    apart = metrics.merge([metrics.count(*pair, [1], "irstd") for pair in pairs])
    assert metrics.count(*volume, [1], "irstd") == apart
    reference, prediction = picture("3...", "...1"), picture("1...", "...1")
    assert metrics.count(reference, prediction, [1], "irstd", ignore=3).figures()[1]["fa"] == 0


# both ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("convention", ["irstd", "remote-sensing"])
def test_counts_add_up_in_any_order_and_survive_a_file(convention):
    cases = [land(("merge", k), (9, 8 + k)) for k in range(4)]
    counts = [metrics.count(a, b, [1, 2, 3, 4], convention) for a, b in cases]
    figures = metrics.merge(counts).figures()
    assert metrics.merge(counts[::-1]).figures() == {k: pytest.approx(v, nan_ok=True) for k, v in figures.items()}
    read = [metrics.counter(convention).from_json(json.loads(json.dumps(c.as_json()))) for c in counts]
    assert metrics.merge(read).figures() == figures
    if convention == "remote-sensing":
        flat = [np.concatenate([pair[i].ravel() for pair in cases])[None] for i in (0, 1)]
        assert metrics.count(*flat, [1, 2, 3, 4], convention).figures() == figures


def test_pooled_conventions_say_what_they_count():
    assert metrics.pooled_conventions() == ("irstd", "remote-sensing")
    for name in metrics.pooled_conventions():
        figures = metrics.count(picture("1."), picture("1."), [1], name).figures()
        found = {key for values in figures.values() for key in values if not key.endswith("_background")}
        assert found == set(metrics.convention(name).pooled)


def test_bad_arguments_are_named():
    one, two = picture("12"), picture("13")
    with pytest.raises(ConfigError, match=r"strict.*averaged"):
        metrics.count(one, one, [1, 2], "strict")
    with pytest.raises(ConfigError, match="did you mean 'irstd'"):
        metrics.count(one, one, [1, 2], "irst")
    with pytest.raises(LabelError, match="3"):
        metrics.count(one, two, [1, 2], "remote-sensing")
    with pytest.raises(ShapeMismatch):
        metrics.count(one, two.T, [1, 2], "irstd")
    with pytest.raises(ConfigError, match="no counts"):
        metrics.merge([])
    for name in metrics.pooled_conventions():
        with pytest.raises(ConfigError, match="other labels"):
            metrics.merge([metrics.count(one, one, [1, 2], name), metrics.count(one, one, [1, 2, 4], name)])
