from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from samadapt.core.errors import ConfigError, DataError
from samadapt.data.split import assign_splits, check_proportions, draw_splits, nested_part

SHARES = {"train": 0.7, "val": 0.1, "test": 0.2}


def test_exact_proportions_and_independence_of_order():
    patients = [f"p{i}" for i in range(50)]
    found = draw_splits(patients, SHARES, seed=3)
    assert Counter(found.values()) == {"train": 35, "val": 5, "test": 10}
    assert draw_splits(patients[::-1] + patients[:7], SHARES, seed=3) == found
    assert draw_splits(patients, SHARES, seed=4) != found


def test_every_split_has_someone_from_three_patients_on():
    for count in range(3, 40):
        found = Counter(draw_splits([str(i) for i in range(count)], SHARES, seed=count).values())
        assert set(found) == {"train", "val", "test"}
        assert sum(found.values()) == count
    assert set(draw_splits(["a"], SHARES, 0).values()) == {"train"}
    assert len(draw_splits(["a", "b"], SHARES, 0)) == 2


def test_a_share_of_zero_gets_nobody():
    found = draw_splits([str(i) for i in range(10)], {"train": 0.8, "test": 0.2}, 0)
    assert Counter(found.values()) == {"train": 8, "test": 2}


def test_cases_of_a_patient_stay_together():
    patients = [f"p{i // 4}" for i in range(80)]
    splits = assign_splits(patients, SHARES, 0)
    assert len({(p, s) for p, s in zip(patients, splits)}) == 20


def test_own_split_of_the_dataset_is_kept():
    given = ["test", None, "train", None]
    splits = assign_splits(["a", "a", "b", "c"], {"val": 1.0}, 0, given)
    assert splits == ["test", "test", "train", "val"]


def test_leak_is_refused_and_names_the_patient():
    with pytest.raises(DataError, match="'anna' is in two splits"):
        assign_splits(["anna", "anna"], SHARES, 0, ["train", "test"])


def test_unknown_names_are_refused():
    with pytest.raises(DataError, match="'dev'"):
        assign_splits(["a"], SHARES, 0, ["dev"])
    with pytest.raises(ConfigError, match="'dev'"):
        check_proportions({"dev": 1.0})


@pytest.mark.parametrize("shares", [{"train": 0.5}, {"train": 1.2, "test": -0.2}, {}])
def test_shares_must_add_up(shares):
    with pytest.raises(ConfigError, match="add up to 1"):
        check_proportions(shares)


def test_a_smaller_part_is_inside_every_larger_one():
    patients = [f"p{i}" for i in range(23)] * 2
    for seed in range(5):
        parts = [nested_part(patients, fraction, seed) for fraction in (0.01, 0.1, 0.3, 0.5, 1.0)]
        assert [len(part) for part in parts] == [1, 3, 7, 12, 23]
        assert all(small < large for small, large in pairwise(parts))
        assert parts[2] == nested_part(reversed(patients), 0.3, seed)
    assert len({frozenset(nested_part(patients, 0.3, seed)) for seed in range(5)}) > 1
    for fraction in (0, -0.1, 1.1):
        with pytest.raises(ConfigError, match="above 0"):
            nested_part(patients, fraction, 0)
