"""Scenes: repeatable by name, never empty, with masks that are what is visible."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from samadapt.core.errors import ConfigError
from samadapt.data.synthetic import KINDS, contact_sheet, outdoor, patterns, scene
from samadapt.data.synthetic.__main__ import main
from samadapt.data.synthetic.fields import TEXTURES, fractal, smooth, texture, texture_pool
from samadapt.data.synthetic.layout import Layout, visible_masks
from samadapt.data.synthetic.looks import ultrasound
from samadapt.data.synthetic.membranes import network, rings
from samadapt.data.synthetic.shapes import Space, convex, ribbon, scaled, star, superellipse


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [64, 256])
def test_every_kind_gives_a_picture_with_objects(kind, size):
    for index in range(2):
        made = scene("test", index, kind=kind, size=size)
        assert made.image.shape == (size, size, 3)
        assert made.image.dtype == np.uint8
        assert made.masks.dtype == bool
        assert made.masks.shape[1:] == (size, size)
        areas = made.masks.sum((1, 2))
        assert len(areas) >= 1
        assert areas.min() >= 4
        assert areas.max() <= 0.7 * size**2
        assert made.kind[0] == kind
        assert made.image.std() > 0.5


def test_a_scene_depends_on_its_name_alone():
    first = scene("a", 1)
    scene("something", "between")
    again, other = scene("a", 1), scene("a", 2)
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.masks, again.masks)
    assert first.kind == again.kind
    assert not np.array_equal(first.image, other.image)


def test_every_kind_and_look_turns_up():
    made = [scene("census", index, size=64) for index in range(160)]
    kinds, looks = Counter(m.kind[0] for m in made), Counter(m.kind[1] for m in made)
    assert set(kinds) == set(KINDS)
    assert {"ct", "mr", "grey", "colour", "ultrasound", "fluorescence", "endoscopy", "aerial", "infrared"} <= set(looks)
    grey = sum(np.array_equal(m.image[..., 0], m.image[..., 1]) for m in made)
    assert 55 < grey < 145
    areas = np.concatenate([m.masks.mean((1, 2)) for m in made])
    assert areas.min() < 0.002
    assert areas.max() > 0.4


def test_masks_are_distinct_and_some_are_parts_of_others():
    nested = 0
    for index in range(20):
        masks = scene("nested", index, size=128).masks
        flat = masks.reshape(len(masks), -1)
        assert len({row.tobytes() for row in flat}) == len(flat)
        common = flat.astype("f4") @ flat.T.astype("f4")
        nested += int((common == np.diag(common)[:, None]).sum() > len(flat))
    assert nested >= 7


def test_the_limit_holds():
    assert max(len(scene("limit", index, kind="cells", limit=5).masks) for index in range(6)) == 5


@pytest.mark.parametrize(("arguments", "named"), [({"kind": "cat"}, "cat"), ({"size": 8}, "8"), ({"limit": 0}, "0")])
def test_bad_arguments_are_named(arguments, named):
    with pytest.raises(ConfigError, match=named):
        scene("x", **arguments)


def test_fields_have_unit_variance_and_textures_wrap():
    assert np.mean([smooth(rng(i), 128, 8).std() for i in range(20)]) == pytest.approx(1, abs=0.15)
    assert np.mean([fractal(rng(i), 128).std() for i in range(20)]) == pytest.approx(1, abs=0.25)
    assert set(TEXTURES) == set(texture_pool())
    assert len(TEXTURES) == 13
    for name in TEXTURES:
        part = texture(rng(1), 400, name)
        assert part.shape == (400, 400)
        assert 0.4 < part.std() < 1.6


def test_shapes_have_the_area_they_should():
    space = Space.warped(rng(), 200, 0.0)
    assert superellipse(space, (100, 100), (40, 20), 0.3).inside.sum() == pytest.approx(np.pi * 800, rel=0.02)
    assert superellipse(space, (100, 100), (40, 20), 0.3, 99.0).inside.sum() == pytest.approx(3200, rel=0.03)
    disc = star(space, rng(), (100, 100), 30, rough=0.0)
    assert disc.inside.sum() == pytest.approx(np.pi * 900, rel=0.03)
    assert scaled(disc, 0.5).inside.sum() == pytest.approx(np.pi * 225, rel=0.05)
    tube = ribbon(space, np.array([[50.5, 50.5], [50.5, 150.5]]), np.array([20.0, 20.0]))
    assert tube.inside.sum() == pytest.approx(4000 + np.pi * 400, rel=0.03)
    square = convex(space, rng(), (100, 100), 30, 4).inside.sum()
    assert 900 < square < 7000


def test_a_shape_outside_the_frame_paints_nothing():
    layout, space = Layout(64), Space.warped(rng(), 64, 0.01)
    layout.paint(superellipse(space, (-80.0, 300.0), (9, 9)), "organ")
    assert (layout.regions == 0).all()


def test_a_part_belongs_to_its_whole_and_front_hides_back():
    layout, square = Layout(10), np.zeros((10, 10), bool)
    square[2:8, 2:8] = True
    whole = layout.paint(square, "organ")
    left = np.zeros_like(square)
    left[:, :5] = True
    layout.paint(left, "lesion", within=whole)
    front = np.zeros_like(square)
    front[7:] = True
    layout.paint(front, "tool")
    masks = visible_masks(layout.regions, layout.objects, rng(), 9)
    assert [int(m.sum()) for m in masks] == [30, 15, 30]
    assert (masks[1] <= masks[0]).all()
    assert not (masks[0] & masks[2]).any()


def test_hidden_pixels_belong_to_no_object():
    regions = np.array([[1, 1, 1, -1], [1, 1, 1, -1], [0, 0, 0, -1], [0, 0, 0, -1]], dtype=np.int16)
    masks = visible_masks(regions, [{1}, {2}], rng(), 9)
    assert masks.shape == (1, 4, 4)
    assert np.array_equal(masks[0], regions == 1)


def test_walls_are_thin_and_tell_cells_apart():
    for draw in (network, rings):
        layout = draw(rng(4), 256)
        wall, cell = layout.where("wall"), layout.where("cell")
        assert 0.02 < wall.mean() < 0.5
        thickest = ndimage.distance_transform_edt(wall)[wall]
        assert np.median(thickest) < 6
        pieces, count = ndimage.label(cell)
        assert count >= 5
        numbers = [np.unique(layout.regions[pieces == piece]) for piece in range(1, count + 1)]
        assert sum(len(one) == 1 for one in numbers) >= 0.8 * count


def test_a_town_is_an_object_and_so_are_some_houses():
    layout, space = Layout(256, "soil"), Space.warped(rng(), 256, 0.0)
    outdoor._town(rng(2), layout, space, [])
    masks = visible_masks(layout.regions, layout.objects, rng(), 99)
    roofs = layout.where("roof")
    assert sum(np.array_equal(mask, roofs) for mask in masks) == 1
    assert 10 <= len(masks) <= 25
    assert all((mask <= roofs).all() for mask in masks)
    assert layout.where("shadow").any()


def test_regions_of_no_material_differ_in_ultrasound():
    spread = []
    for index in range(12):
        layout = patterns.partition(rng(index), 64)
        image = ultrasound(rng(index), layout)
        spread.append(np.std([image[layout.regions == region].mean() for region in np.unique(layout.regions)]))
    assert np.mean(spread) > 0.1


def test_contact_sheet(tmp_path):
    path = contact_sheet(tmp_path / "sheet.png", rows=2, columns=3, size=64)
    assert Image.open(path).size == (2 * 3 * 64, 2 * 64)
    each = Image.open(contact_sheet(tmp_path / "each.jpg", kind="each", columns=1, size=64, shrink=2))
    assert (each.format, each.size) == ("JPEG", (64, len(KINDS) * 32))


def test_the_command_names_a_wrong_kind(tmp_path, capsys):
    assert main([str(tmp_path / "sheet.png"), "cat"]) == 2
    assert "cat" in capsys.readouterr().err
    assert main([]) == 2
