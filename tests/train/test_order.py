"""The order of samples is a pure function of seed and step."""

import numpy as np
import pytest

from samadapt.core.errors import ConfigError
from samadapt.train.order import Batches, Order, slice_weights


def test_every_epoch_shows_every_sample_once():
    order = Order(count=10, batch_size=4, seed=3)
    items = [t.item for number in range(5) for t in order.batch(number)]
    assert sorted(items[:10]) == sorted(items[10:20]) == list(range(10))
    assert items[:10] != items[10:20]
    assert order.batches_per_epoch == 3


@pytest.mark.parametrize("weights", [None, np.arange(1.0, 12.0)])
def test_ranks_share_the_batch_of_one_process(weights):
    order = Order(count=11, batch_size=6, seed=1, weights=weights)
    for number in (0, 7):
        shares = [order.share(number, rank, 3) for rank in range(3)]
        assert [len(s) for s in shares] == [2, 2, 2]
        assert [ticket for share in shares for ticket in share] == order.batch(number)


def test_a_batch_that_does_not_divide_is_refused():
    with pytest.raises(ConfigError, match="batch of 6 cannot be divided among 4"):
        Order(count=11, batch_size=6, seed=1).share(0, 0, 4)


def test_starting_later_gives_the_same_batches():
    order = Order(count=7, batch_size=3, seed=5)
    whole, late = list(Batches(order, 0, 6, 0, 1)), list(Batches(Order(7, 3, 5), 4, 6, 0, 1))
    assert whole[4:] == late
    assert len(late) == 2


def test_weights_give_the_asked_share_and_lift_rare_labels():
    labels = [frozenset()] * 80 + [frozenset({1})] * 18 + [frozenset({1, 2})] * 2
    assert slice_weights(labels, None, 0) is None
    half = slice_weights(labels, 0.5, 0)
    assert half[80:].sum() == pytest.approx(0.5)
    assert half[80] == half[99]
    rare = slice_weights(labels, 0.5, 1.0)
    assert rare.sum() == pytest.approx(1)
    assert rare[98:].sum() == pytest.approx(0.5 * (2 * 0.5) / (2 * 0.5 + 18 * 0.05))
    drawn = [t.item for n in range(100) for t in Order(100, 8, 0, half).batch(n)]
    assert np.mean(np.array(drawn) >= 80) == pytest.approx(0.5, abs=0.06)
