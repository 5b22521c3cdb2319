"""Samples: right places, right values, and the same whoever makes them."""

import numpy as np
import pytest
import torch

from samadapt.core.rng import named_rng
from samadapt.models import preprocess
from samadapt.train.config import AugmentConfig
from samadapt.train.losses import IGNORE
from samadapt.train.order import Batches, Order, Ticket
from samadapt.train.pictures import ScenePictures, StorePictures, labels_by_slice, split_rows
from samadapt.train.samples import OUTSIDE, ObjectSamples, Prepare, SemanticSamples, Zoom, batches

NONE = AugmentConfig(policy="none")


def _prepare(augment=NONE, resolution=64, seed=0):
    return Prepare(preprocess.get("tiny", 64), augment, True, seed, resolution)


def _semantic(store, augment=NONE, resolution=64, context=1):
    return SemanticSamples(StorePictures(store, split_rows(store, "train"), context), _prepare(augment, resolution))


def test_labels_become_class_indices_in_the_model_frame(store):
    samples = _semantic(store)
    sample = samples[Ticket(0, 0, 3)]
    labels = sample["labels"].numpy()
    assert sample["pixel_values"].shape == (3, 64, 64)
    assert sample["pixel_values"].dtype == torch.float32
    assert set(np.unique(labels)) == {IGNORE, 0, 1, 2, 3}
    # 40 x 48 fills 53 rows of 64; the value 4 is the third class.
    assert (labels[53:] == IGNORE).all()
    assert (labels[:53] != IGNORE).all()
    case, z = (int(v) for v in store.slices[samples.pictures.rows[3]])
    share = (store.labels(case, z) == 4).mean()
    assert (labels[:53] == 3).mean() == pytest.approx(share, rel=0.15)


def test_image_and_labels_fit_together(store):
    for augment in (NONE, AugmentConfig(noise=0, blur=0)):
        samples = _semantic(store, augment)
        for place in range(4):
            sample = samples[Ticket(1, place, 3)]
            grey, labels = sample["pixel_values"][0], sample["labels"]
            assert grey[labels == 2].median() > grey[labels == 0].median() + 1


def test_neighbouring_slices_become_channels(store):
    one, three = _semantic(store), _semantic(store, context=3)
    a, b = one[Ticket(0, 0, 1)]["pixel_values"], three[Ticket(0, 0, 1)]["pixel_values"]
    mean, std = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])
    assert torch.allclose(a[1, :53] * std[1] + mean[1], b[1, :53] * std[1] + mean[1], atol=1e-3)
    before = one[Ticket(0, 0, 0)]["pixel_values"]
    assert torch.allclose(before[0], b[0], atol=1e-4)
    assert not torch.allclose(a[0], b[0], atol=1e-1)


def test_any_number_of_workers_gives_the_same_batches(store):
    samples = _semantic(store, AugmentConfig(elastic=0.05), resolution=16)
    order = Order(len(samples), 4, seed=2)
    runs = [list(batches(samples, Batches(order, 3, 6, 0, 1), workers)) for workers in (0, 2)]
    assert [len(run) for run in runs] == [3, 3]
    for left, right in zip(*runs):
        assert left.keys() == right.keys()
        assert all(torch.equal(left[name], right[name]) for name in left)


def test_ranks_together_make_the_batch_of_one(store):
    samples = _semantic(store, AugmentConfig())
    order = Order(len(samples), 4, seed=2)
    whole = next(batches(samples, Batches(order, 5, 6, 0, 1), 0))
    parts = [next(batches(samples, Batches(order, 5, 6, rank, 2), 0)) for rank in (0, 1)]
    assert torch.equal(torch.cat([p["pixel_values"] for p in parts]), whole["pixel_values"])


def test_object_samples_have_prompts_on_their_objects(store):
    rows = split_rows(store, "train")
    rows = rows[[bool(labels) for labels in labels_by_slice(store, rows)]]
    samples = ObjectSamples(
        StorePictures(store, rows), _prepare(AugmentConfig()), objects=5, jitter_px=3, box_share=0.5
    )
    firsts = []
    for number in range(8):
        sample = samples[Ticket(number, 0, number % len(samples))]
        firsts.append(bool(sample["begin_with_box"]))
        assert sample["masks"].shape == (5, 64, 64)
        assert sample["masks"].dtype == torch.uint8
        assert set(sample["masks"].unique().tolist()) <= {0, 1, OUTSIDE}
        for mask, box, point in zip(sample["masks"], sample["boxes"], sample["points"]):
            ys, xs = torch.nonzero(mask == 1, as_tuple=True)
            tight = torch.tensor([xs.min(), ys.min(), xs.max(), ys.max()])
            grown = (tight - box) * torch.tensor([1, 1, -1, -1])
            assert (grown >= 0).all()
            assert (grown <= 3).all()
            assert mask[int(point[0, 1]), int(point[0, 0])] == 1
    assert len(set(firsts)) == 2
    same_batch = [bool(samples[Ticket(3, place, place)]["begin_with_box"]) for place in range(6)]
    assert len(set(same_batch)) == 1


def test_a_batch_may_begin_with_several_clicks():
    samples = ObjectSamples(ScenePictures(20, 0, 64), _prepare(), objects=2, jitter_px=0, most_points=4)
    counts = []
    for number in range(24):
        sample = samples[Ticket(number, 0, number % 20)]
        counts.append(sample["points"].shape[1])
        for mask, points in zip(sample["masks"], sample["points"]):
            assert all(mask[int(y), int(x)] == 1 for x, y in points)
    assert set(counts) == {1, 2, 3, 4}
    assert counts.count(1) > 8
    assert {samples[Ticket(5, place, place)]["points"].shape[1] for place in range(5)} == {counts[5]}


def test_generated_scenes_are_samples_too():
    pictures = ScenePictures(count=100, seed=0, size=64)
    samples = ObjectSamples(pictures, _prepare(AugmentConfig(), resolution=16), objects=3, jitter_px=2)
    sample = samples[Ticket(0, 0, 42)]
    assert sample["masks"].shape == (3, 16, 16)
    assert torch.equal(sample["pixel_values"], samples[Ticket(0, 0, 42)]["pixel_values"])
    assert not torch.equal(sample["pixel_values"], samples[Ticket(0, 1, 43)]["pixel_values"])


def test_a_zoomed_sample_shows_one_object_closely():
    picture = ScenePictures(4, 0, 128, "test zoom")[1]
    zoom = Zoom(share=1.0, least=1.5, most=2.0)
    shares = []
    for seed in range(12):
        near = zoom.apply(picture, named_rng("zoom", seed))
        assert near.main is not None
        mask = near.masks[near.main]()
        assert mask.shape == near.display.shape[:2]
        assert mask.sum() == picture.masks[near.main]().sum() or max(mask.shape) < 128
        shares.append(np.ptp(np.flatnonzero(mask.any(0))) + 1 if mask.any() else 0)
        assert max(mask.shape) <= 128
    assert min(shares) > 0
    assert Zoom(share=0.0).apply(picture, named_rng("zoom", 0)) is picture


def test_batches_in_a_row_may_share_their_scenes():
    order = Order(count=50, batch_size=4, seed=0, repeat=3)
    items = [[t.item for t in order.batch(n)] for n in range(6)]
    assert items[0] == items[1] == items[2]
    assert items[3] == items[5]
    assert items[2] != items[3]
    assert [t.batch for t in order.batch(2)] == [2] * 4
