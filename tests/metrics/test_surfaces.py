"""Surface elements, distances and their areas, from first principles."""

from __future__ import annotations

import numpy as np
import pytest

from samadapt.core.rng import named_rng
from samadapt.metrics.boxes import label_boxes
from samadapt.metrics.elements import corner_weights, element_areas, neighbour_codes
from samadapt.metrics.nearest import distances, margins
from samadapt.metrics.surfaces import border_surfaces, element_surfaces


def code(*corners):
    weights = corner_weights(len(corners[0]))
    return sum(weights[corner] for corner in corners)


def test_areas_of_the_basic_patterns():
    areas = element_areas((1.0, 1.0, 1.0))
    corner = np.sqrt(3) / 8
    assert areas[code((0, 0, 0))] == pytest.approx(corner)
    assert areas[code((0, 0, 0), (1, 1, 1))] == pytest.approx(2 * corner)
    assert areas[code((0, 0, 0), (0, 0, 1))] == pytest.approx(np.sqrt(0.5))
    assert areas[code((0, 0, 0), (0, 1, 0), (0, 0, 1))] == pytest.approx(0.5 + 3 * corner)
    assert areas[code((0, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1))] == pytest.approx(1)
    assert areas[code((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))] == pytest.approx(6 * corner)
    assert areas[code((0, 0, 0), (0, 0, 1), (0, 1, 1), (1, 1, 1))] == pytest.approx(np.sqrt(0.5) + 4 * corner)
    assert areas[0] == areas[255] == 0


def test_lengths_of_the_patterns_in_two_dimensions():
    lengths = element_areas((2.0, 3.0))
    corner = np.hypot(1, 1.5)
    assert lengths[code((0, 0))] == pytest.approx(corner)
    assert lengths[code((0, 0), (1, 1))] == pytest.approx(2 * corner)
    assert lengths[code((0, 0), (0, 1))] == 3
    assert lengths[code((0, 0), (1, 0))] == 2


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.5, 0.8, 0.7), (0.5, 3.0)])
def test_a_pattern_and_its_complement_share_their_surface(spacing):
    areas = element_areas(spacing)
    assert np.array_equal(areas, areas[::-1])
    assert (areas[1:-1] > 0).all()


def test_flat_faces_add_up_to_a_box():
    mask = np.zeros((34, 44, 54), dtype=bool)
    mask[2:32, 2:42, 2:52] = True
    spacing = (2.0, 1.0, 0.5)
    total = element_areas(spacing)[neighbour_codes(np.pad(mask, 1))].sum()
    box = 2 * (60 * 40 + 60 * 25 + 40 * 25)
    assert 0.9 * box < total < box


def test_distances_equal_a_table_of_all_pairs():
    for k, spacing in enumerate([(1.0, 1.0, 1.0), (5.0, 0.7, 0.7), (0.3, 4.0), (1.0, 1.0)]):
        rng = named_rng("test distances", k)
        shape = (9, 14, 15)[: len(spacing)]
        width = [(m, m) for m in margins(spacing)]
        a, b = (np.pad(rng.random(shape) < density, width) for density in (0.3, 0.01))
        b[tuple(m for m in margins(spacing))] = True
        table = np.linalg.norm((np.argwhere(a)[:, None] - np.argwhere(b)[None]) * spacing, axis=2)
        assert table.size > 20
        assert np.allclose(distances(a, b, spacing), table.min(axis=1), rtol=0, atol=1e-12)
        assert np.allclose(distances(b, a, spacing), table.min(axis=0), rtol=0, atol=1e-12)


def test_distances_to_nothing_are_infinite():
    width = [(m, m) for m in margins((1.0, 1.0))]
    some, none = np.pad(np.ones((2, 2), dtype=bool), width), np.pad(np.zeros((2, 2), dtype=bool), width)
    assert not none.any()
    assert distances(some, none, (1.0, 1.0)).tolist() == [np.inf] * 4
    assert distances(none, some, (1.0, 1.0)).tolist() == []


def test_the_array_edge_is_a_boundary():
    full = np.ones((3, 4), dtype=bool)
    smaller = full.copy()
    smaller[:, -1] = False
    surfaces = border_surfaces(full, smaller, (1.0, 1.0))
    assert (len(surfaces.to_prediction), surfaces.hausdorff) == (10, 1)


def test_element_distances_of_a_shifted_cube():
    a, b = np.zeros((2, 12, 12, 12), dtype=bool)
    a[2:8, 2:8, 2:8], b[4:10, 2:8, 2:8] = True, True
    surfaces = element_surfaces(a, b, (3.0, 1.0, 1.0))
    assert surfaces.hausdorff == 6
    assert surfaces.within(6) == 1
    assert 0 < surfaces.within(5.9) < 1
    assert surfaces.reference_weights.sum() == pytest.approx(surfaces.prediction_weights.sum())


@pytest.mark.parametrize("largest", [1, 7, 8, 15, 40, 63, 64, 900, 70_000])
@pytest.mark.parametrize("shape", [(9, 11), (5, 6, 7)])
def test_boxes_of_any_number_of_labels(largest, shape):
    values = named_rng("test boxes", largest).integers(0, largest + 1, shape)
    values[(0,) * len(shape)], values[(-1,) * len(shape)] = largest, largest
    boxes = label_boxes(values)
    assert set(boxes) == set(np.unique(values).tolist()) - {0}
    for label, box in boxes.items():
        where = np.argwhere(values == label)
        assert [(side.start, side.stop) for side in box] == list(zip(where.min(axis=0), where.max(axis=0) + 1))


def test_boxes_of_nothing():
    assert label_boxes(np.zeros((3, 4), dtype=np.uint8)) == {}
