"""Volumes cut along all three axes: what is learnt from, what is answered, and the way back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from train_cases import NAMES, ToyRecipe

from samadapt import io
from samadapt.core.errors import ConfigError
from samadapt.core.grid import Grid
from samadapt.core.image import LabelMap, LabelSet, Volume
from samadapt.core.rng import named_rng
from samadapt.data.prepare import prepare
from samadapt.data.recipes.base import LoadedCase
from samadapt.data.slicing import PLANES, plane_of, turned
from samadapt.data.store import Store
from samadapt.train import train
from samadapt.train.planes import cut_planes, slice_axis, uncut


def even_volume(index: int) -> LoadedCase:
    """Bright boxes of three kinds in a volume of unlike sides and equal spacing."""
    rng = named_rng("even toy", index)
    values = np.zeros((18, 22, 26), np.uint8)
    z, y, x = rng.integers(1, 5, 3)
    values[z : z + 8, y : y + 9, x : x + 10] = 1
    values[11:16, 12:20, 2:9] = 2
    values[10:17, 13:21, 14:24] = 4
    voxels = np.array([-100, 120, 200, 0, 40], np.int16)[values] + rng.normal(0, 10, values.shape).astype(np.int16)
    grid = Grid.from_spacing(values.shape, (1.2, 1.0, 1.0))
    return LoadedCase(Volume(voxels, grid, modality="CT", source=f"ct{index}"), LabelMap(values, grid))


@pytest.fixture(scope="module")
def even_store(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("even")
    recipe = ToyRecipe({f"case{i}": (lambda i=i: even_volume(i)) for i in range(6)})
    return prepare(recipe=recipe, source=folder, out=folder / "store", workers=0, slice_axis="coronal").path


@pytest.mark.parametrize("before", PLANES)
@pytest.mark.parametrize("after", PLANES)
def test_every_voxel_keeps_its_place_in_the_world(before, after):
    start = turned(even_volume(0).image, "axial", before)
    cut = turned(start, before, after)
    assert (plane_of(start.grid), plane_of(cut.grid)) == (before, after)
    back = turned(cut, after, before)
    np.testing.assert_array_equal(back.voxels, start.voxels)
    assert back.grid.matches(start.grid)
    assert back.orientation == start.orientation
    for index in ([0, 0, 0], [1, 3, 2], [4, 2, 5]):
        world = cut.grid.affine @ [*index, 1]
        there = np.linalg.solve(start.grid.affine, world)[:3].round().astype(int)
        assert cut.voxels[tuple(index)] == start.voxels[tuple(there)]


def test_training_cases_are_cut_along_every_axis_in_which_they_are_even(even_store, store_path, tmp_path):
    for path, axes in ((even_store, set(PLANES)), (store_path, {"axial"})):
        store, out = Store.open(path), tmp_path / path.parent.name
        cut_planes(store, store.split("train"), out)
        cuts = Store.open(out)
        assert {case.name.partition("@")[2] for case in cuts.cases} == axes
        assert {uncut(case.name) for case in cuts.cases} == {store.cases[case].name for case in store.split("train")}
        for number, case in enumerate(cuts.cases):
            whole = store.index_of(uncut(case.name))
            assert (case.window, case.patient) == (store.cases[whole].window, store.cases[whole].patient)
            assert plane_of(case.grid) == case.name.partition("@")[2]
            volume = turned(cuts.volume(number), plane_of(case.grid), plane_of(store.cases[whole].grid))
            np.testing.assert_array_equal(volume.voxels, store.volume(whole).voxels)


def test_cuts_keep_the_window_of_every_channel(tmp_path):
    loaded = even_volume(0)
    second = np.stack([loaded.image.voxels, loaded.image.voxels // 3], axis=-1)
    image = Volume(second, loaded.image.grid, modality="CT", channels=("first", "second"))
    recipe = ToyRecipe({f"case{i}": (lambda: LoadedCase(image, loaded.label)) for i in range(6)})
    store = prepare(recipe=recipe, source=tmp_path, out=tmp_path / "store", workers=0, window="percentile")
    cut_planes(store, [0], tmp_path / "planes")
    cuts = Store.open(tmp_path / "planes").cases
    assert len(set(store.cases[0].channel_windows)) == 2
    assert [cut.channel_windows for cut in cuts] == [store.cases[0].channel_windows] * 3
    assert [cut.channel_names for cut in cuts] == [("first", "second")] * 3


def test_a_run_learns_from_all_planes_and_answers_along_them(fields, even_store, tmp_path):
    from samadapt import load_model
    from samadapt.infer.predict import predict
    from samadapt.infer.semantic import segment

    out = Path(fields["out"])
    train(**fields | {"data": str(even_store), "task": {"task": "semantic", "planes": 3}, "context": 3})
    facts = json.loads((out / "run.json").read_text())
    assert facts["learnt_from"] == {"patients": 4, "cases": 4, "slices": 4 * (18 + 22 + 26)}
    assert not (out / "planes").exists()
    model = load_model(out)
    assert model.head.facts() == {"context": 3, "planes": 3, "slice_axis": "coronal"}

    store = Store.open(even_store)
    case = store.split("test")[0]
    stored, file = store.volume(case), tmp_path / "image.nii.gz"
    io.save_image(even_volume(5).image, file)
    answer = segment(model, stored)
    predict(model=str(out), source=file, out=tmp_path / "answer.nii.gz", modality="CT")
    predicted = io.open_label(tmp_path / "answer.nii.gz")
    assert len(np.unique(predicted.values)) > 1
    np.testing.assert_array_equal(turned(answer, "coronal", "axial").values, predicted.values)


def test_the_answer_is_the_mean_over_the_planes(base_model):
    import torch

    from samadapt import load_model
    from samadapt.adapt import add_head
    from samadapt.infer.semantic import segment, slice_count

    volume, model = even_volume(1).image, load_model(str(base_model))
    head = add_head(model, LabelSet.from_names(NAMES), planes=3)
    total = np.zeros((4, *volume.shape))
    for plane in PLANES:
        cut = turned(volume, "axial", plane)
        for index in range(len(cut)):
            pixels = model.preprocess([cut.slice(index)])
            with torch.inference_mode():
                logits = head.logits(model, model.encode(pixels), pixels)
            shown = model.frame(cut.shape[1:])
            whole = torch.nn.functional.interpolate(logits, (shown.size, shown.size), mode="bilinear")
            (top, left), (h, w) = shown.offset_yx, shown.content_hw
            content = whole[..., top : top + h, left : left + w]
            scores = torch.nn.functional.interpolate(content, cut.shape[1:], mode="bilinear").softmax(1)[0].numpy()
            for channel in range(4):
                place = turned(Volume(total[channel], volume.grid), "axial", plane).voxels
                place[index] += scores[channel]
    wanted = np.array(head.values)[total.argmax(0)]
    counts: list[int] = []
    answer = segment(model, volume, batch_size=5, progress=lambda note="", count=1: counts.append(count))
    second, first = np.sort(total, axis=0)[-2:]
    clear = first - second > 0.005  # half precision decides the rest
    assert clear.mean() > 0.5
    np.testing.assert_array_equal(answer.values[clear], wanted[clear])
    assert sum(counts) == slice_count(model, volume) == 18 + 22 + 26
    uneven = Volume(volume.voxels, Grid.from_spacing(volume.shape, (5.0, 1.0, 1.0)), modality="CT")
    assert head.planes_for(uneven.grid) == ("axial",)
    assert head.planes_for(Grid.from_spacing((1, 22, 26), (1.0, 1.0, 1.0))) == ("axial",)
    with pytest.raises(ConfigError, match="along one plane"):
        segment(model, volume, test_as="samed")


def test_a_model_cuts_a_file_as_it_learnt(base_model):
    from samadapt import load_model
    from samadapt.adapt import add_head
    from samadapt.infer.semantic import segment

    volume, model = even_volume(2).image, load_model(str(base_model))
    labels = LabelSet.from_names(NAMES)
    add_head(model, labels, slice_axis="sagittal")
    found = segment(model, volume)
    add_head(model, labels)  # as it comes
    along = turned(segment(model, turned(volume, "axial", "sagittal")), "sagittal", "axial")
    np.testing.assert_array_equal(found.values, along.values)
    assert found.grid.matches(volume.grid)
    assert found.orientation == volume.orientation
    assert not np.array_equal(segment(model, volume).values, found.values)


def test_what_cannot_be_cut_is_refused(fields, even_store):
    task = {"task": "semantic", "planes": 3}
    with pytest.raises(ConfigError, match="equal spacing and sides"):
        train(**fields | {"task": task})
    assert not Path(fields["out"]).exists()
    with pytest.raises(ConfigError, match="planes=1"):
        train(**fields | {"task": task, "cache_embeddings": fields["out"], "method": {"method": "decoder"}})


def test_a_store_says_along_which_axis_it_was_cut(even_store, store_path, tmp_path):
    assert slice_axis(Store.open(even_store)) == "coronal"
    assert slice_axis(Store.open(store_path)) == "axial"
