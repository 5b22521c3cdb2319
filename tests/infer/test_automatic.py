"""Automatic masks: equal to SAM's generator, with crops, small regions, files and errors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Picture
from plain_automatic import drop, fill, plain_masks, suppress

import samadapt
from samadapt import io
from samadapt.core.errors import ConfigError, DataError, PromptError, RunFolderError, ShapeMismatch
from samadapt.core.frames import Frame
from samadapt.core.image import LabelSet
from samadapt.infer.automatic.enlarge import Enlarger
from samadapt.infer.automatic.files import auto, label_map
from samadapt.infer.automatic.generate import options_for
from samadapt.infer.automatic.grid import crops_of, point_grid
from samadapt.infer.automatic.nms import keep_best
from samadapt.infer.automatic.options import MaskOptions
from samadapt.infer.automatic.regions import clean
from samadapt.infer.upscale import to_original
from samadapt.io import rle
from samadapt.models import fresh
from samadapt.models.decode import DecoderOutput

LOOSE = {"pred_iou_thresh": 0.3, "stability_score_thresh": 0.7}


class Stand:
    """Nothing but encode, decode, pixels, preprocess and frame: a bright disc is found from any point in it."""

    def __init__(self) -> None:
        self.base = fresh("test", image_size=64)
        self.mask_size, self.device, self.family = self.base.mask_size, torch.device("cpu"), "stand"
        self.frame, self.preprocess, self.pixels = self.base.frame, self.base.preprocess, self.base.pixels
        self.modules = self.base.modules
        self.eval = self.base.eval
        self.asked: list[dict] = []

    def encode(self, pixel_values):
        return torch.nn.functional.avg_pool2d(pixel_values.mean(1, keepdim=True), 4)

    def decode(self, embedding, points=None, point_labels=None, masks=None, multimask=True):
        self.asked.append({"points": points, "masks": masks, "multimask": multimask})
        side, count = self.mask_size, 3 if multimask else 1
        y, x = torch.meshgrid(*2 * [(torch.arange(side) + 0.5) * 4], indexing="ij")
        near = ((torch.stack([x, y], -1)[None, None] - points[:, :, :, None]) ** 2).sum(-1).sqrt()
        logits = 8 * embedding[:, :, None] + 6 - near[:, :, None] / torch.arange(1, count + 1)[:, None, None]
        logits = logits if masks is None else (logits + masks[:, :, None]) / 2
        return DecoderOutput(logits, logits.amax((-2, -1)).sigmoid())


def discs(hw=(90, 120)):
    y, x = np.mgrid[: hw[0], : hw[1]]
    image = np.full((*hw, 3), 40, dtype=np.uint8)
    for cy, cx, r in ((25, 30, 14), (60, 80, 20), (20, 95, 9), (70, 20, 6)):
        image[(y - cy) ** 2 + (x - cx) ** 2 < r * r] = 200
    return image


@pytest.fixture(scope="module")
def trained(golden: Path):
    return samadapt.load_model(golden / "sam_trained.pth")


@pytest.fixture(scope="module")
def picture(golden: Path):
    return np.load(golden / "sam_amg.npz")["image"]


def same(ours, theirs, least=1):
    """Equal masks in the same order, and equal records."""
    assert len(ours) == len(theirs) >= least
    for a, b in zip(ours, theirs):
        assert (a.mask == b["mask"]).mean() > 0.9999
        assert np.abs(np.array(a.xyxy) - b["box"]).max() <= 1
        assert a.predicted_iou == pytest.approx(b["iou"], abs=1e-5)
        assert a.stability == pytest.approx(b["stability"], abs=1e-3)
        assert a.point_xy == pytest.approx(tuple(b["point"]), abs=1e-3)
        x0, y0, x1, y1 = b["crop"]
        assert a.crop_xywh == (x0, y0, x1 - x0, y1 - y0)


def test_masks_of_the_original_generator(trained, golden: Path):
    reference = np.load(golden / "sam_amg.npz")
    expected = json.loads((golden / "sam_amg.json").read_text())
    found = samadapt.automatic_masks(trained, reference["image"], **expected["settings"])
    assert len(found) == len(expected["records"]) == len(reference["masks"]) == 12
    for mask, record, pixels in zip(found, expected["records"], reference["masks"].astype(bool)):
        assert (mask.mask & pixels).sum() / (mask.mask | pixels).sum() > 0.99
        ours = mask.as_record()
        for key in ("area", "bbox", "crop_box"):
            assert ours[key] == record[key], key
        for key in ("predicted_iou", "stability_score"):
            assert ours[key] == pytest.approx(record[key], abs=1e-5), key
        assert np.allclose(ours["point_coords"], record["point_coords"])
        assert (rle.decode(ours["segmentation"]) == mask.mask).all()


@pytest.mark.parametrize(
    "options",
    [
        {"crop_n_layers": 2, "crop_n_points_downscale_factor": 2, "points_per_side": 5, "crop_nms_thresh": 0.5},
        {"min_mask_region_area": 900},
        {"crop_n_layers": 1, "min_mask_region_area": 60, "box_nms_thresh": 0.5, "crop_overlap_ratio": 0.5},
    ],
    ids=["two layers of crops", "small regions", "both"],
)
def test_crops_and_small_regions_as_in_the_plain_way(trained, picture, options):
    options = {"points_per_side": 4, **LOOSE} | options
    same(samadapt.automatic_masks(trained, picture, **options), plain_masks(trained, picture, **options), 3)


@pytest.mark.parametrize("options", [{}, {"crop_n_layers": 1}, {"min_mask_region_area": 40}], ids=str)
def test_any_model_with_encode_and_decode(options):
    model, image = Stand(), discs()
    options = {"points_per_side": 6, "pred_iou_thresh": 0.5, "stability_score_thresh": 0.6} | options
    same(samadapt.automatic_masks(model, image, **options), plain_masks(model, image, **options), 3)


def test_sam_2(golden: Path, picture):
    model = samadapt.load_model(golden / "sam2.pt")
    options = {"points_per_side": 4, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "box_nms_thresh": 0.9}
    options["stability_score_offset"] = 0.05  # the logits of an untrained network are small
    assert options_for(model, MaskOptions()).pred_iou_thresh == 0.8
    same(samadapt.automatic_masks(model, picture, **options), plain_masks(model, picture, **options))
    assert samadapt.automatic_masks(model, picture, use_m2m=True, **options)


def test_a_random_network_with_every_mask_kept():
    model, image = fresh("test", seed=3), discs()
    options = {"points_per_side": 5, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "box_nms_thresh": 0.9}
    same(samadapt.automatic_masks(model, image, **options), plain_masks(model, image, **options))


def test_every_mask_is_drawn_again_from_itself_where_asked():
    model = Stand()
    options = {"points_per_side": 3, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.3, "points_per_batch": 6}
    found = samadapt.automatic_masks(model, discs(), use_m2m=True, **options)
    first = [call for call in model.asked if call["masks"] is None]
    again = [call for call in model.asked if call["masks"] is not None]
    assert [call["points"].shape[1] for call in first] == [6, 3]
    assert [call["points"].shape[1] for call in again] == [6, 6, 6, 6, 3]
    assert {call["multimask"] for call in again} == {False}
    assert torch.equal(again[0]["points"][0, 0], again[0]["points"][0, 2])
    assert found


def test_one_mask_of_each_point():
    model = Stand()
    samadapt.automatic_masks(model, discs(), 4, multimask=False, stability_score_thresh=0.2)
    assert [call["multimask"] for call in model.asked] == [False]


@pytest.mark.parametrize("hw", [(200, 256), (256, 100), (40, 64), (90, 30), (700, 900)])
def test_bounds_hold_and_enlarging_is_that_of_the_predictor(hw):
    torch.manual_seed(0)
    frame = fresh("test", image_size=256).frame(hw)
    logits = 4 * torch.randn(3, 64, 64)
    enlarger = Enlarger(frame, 64)
    exact = to_original(logits[None], frame)[0]
    low, high = enlarger.extremes(logits)
    assert enlarger.count(torch.ones_like(low, dtype=torch.bool)).tolist() == [hw[0] * hw[1]] * 3
    for threshold in (-1.0, 0.0, 1.0):
        over = (exact > threshold).sum((1, 2))
        assert (enlarger.count(low > threshold) <= over).all()
        assert (over <= enlarger.count(high > threshold)).all()
    whole, corner = enlarger.enlarge(logits[0].numpy(), np.ones(low.shape[1:], dtype=bool))
    assert corner == (0, 0)
    assert np.abs(whole - exact[0].numpy()).max() < 1e-4
    groups = np.zeros(low.shape[1:], dtype=bool)
    groups[2:5, 3] = True
    part, (y, x) = enlarger.enlarge(logits[0].numpy(), groups)
    assert 0 < part.size < whole.size
    assert np.abs(part - whole[y : y + part.shape[0], x : x + part.shape[1]]).max() < 1e-5


def test_bounds_hold_where_the_content_is_centred():
    frame, logits = Frame((60, 50), (60, 50), 128, (34, 39)), 4 * torch.randn(2, 32, 32)
    enlarger = Enlarger(frame, 32)
    exact = to_original(logits[None], frame)[0]
    low, high = enlarger.extremes(logits)
    assert (enlarger.count(low > 0) <= (exact > 0).sum((1, 2))).all()
    assert ((exact > 0).sum((1, 2)) <= enlarger.count(high > 0)).all()
    whole, _ = enlarger.enlarge(logits[1].numpy(), np.ones(low.shape[1:], dtype=bool))
    assert np.abs(whole - exact[1].numpy()).max() < 1e-4


def test_suppression_against_all_pairs():
    rng = np.random.default_rng(5)
    corners = rng.integers(0, 60, (300, 2))
    boxes = np.concatenate([corners, corners + rng.integers(0, 30, (300, 2))], axis=1)
    scores = rng.integers(0, 20, 300) / 20  # many equal ones
    for threshold in (0.3, 0.7):
        kept = keep_best(boxes, scores, threshold)
        assert kept.tolist() == suppress(boxes, scores, threshold)
        assert 10 < len(kept) < 300
    assert keep_best([], [], 0.5).tolist() == []


def test_small_regions_against_the_plain_way():
    rng = np.random.default_rng(1)
    changed = 0
    for _ in range(40):
        mask = rng.random((12, 15)).repeat(2, 0).repeat(2, 1) < rng.choice([0.02, 0.3, 0.6, 0.95])
        least = rng.choice([4, 20])  # no region has fewer than 4 pixels
        filled, some = fill(mask, least)
        dropped, more = drop(filled, least)
        cleaned, different = clean(mask, least)
        assert (cleaned == dropped).all()
        assert different == (some or more)
        changed += different
    assert 5 < changed < 40


def test_points_and_crops_are_where_they_are_published():
    assert point_grid((50, 100), 2).tolist() == [[25, 12.5], [75, 12.5], [25, 37.5], [75, 37.5]]
    crops = crops_of((1000, 1500), 2, 512 / 1500)
    assert [crop.layer for crop in crops] == [0] + 4 * [1] + 16 * [2]
    assert crops[0].xywh == (0, 0, 1500, 1000)
    assert [crop.xywh for crop in crops[1:5]] == [
        (0, 0, 921, 671),
        (0, 330, 921, 670),
        (580, 0, 920, 671),
        (580, 330, 920, 670),
    ]


def test_a_dark_corner_is_no_mistake():
    image = discs()
    image[45:, 60:] = 0
    assert samadapt.automatic_masks(Stand(), image, 4, crop_n_layers=1, stability_score_thresh=0.5, pred_iou_thresh=0.5)


def test_the_model_is_left_as_it_was(tmp_path: Path):
    model = fresh("test").train()
    Picture.fromarray(discs()).save(tmp_path / "a.png")
    samadapt.automatic_masks(model, tmp_path / "a.png", 2)
    assert model.training
    assert model.sam.mask_decoder.training


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pred_iou_tresh": 0.5}, "did you mean 'pred_iou_thresh'"),
        ({"points_per_side": 0}, "points_per_side"),
        ({"stability_score_thresh": 1.5}, "stability_score_thresh"),
    ],
)
def test_wrong_options(options, said):
    with pytest.raises(ConfigError, match=said):
        samadapt.automatic_masks(fresh("test"), discs(), **options)


def test_wrong_models_and_images():
    from samadapt.adapt import add_head

    with pytest.raises(ShapeMismatch):
        samadapt.automatic_masks(fresh("test"), np.zeros((3, 4, 5, 6), dtype=np.uint8))
    model = fresh("test")
    add_head(model, LabelSet.from_names({1: "liver"}))
    with pytest.raises(PromptError, match="prompt-free"):
        samadapt.automatic_masks(model, discs())


def test_published_thresholds_come_with_the_family():
    model = Stand()
    assert options_for(model, MaskOptions()).pred_iou_thresh == 0.88
    model.family = "sam2.1"
    assert options_for(model, MaskOptions()).pred_iou_thresh == 0.8
    assert options_for(model, MaskOptions(pred_iou_thresh=0.1)).pred_iou_thresh == 0.1
    assert options_for(model, MaskOptions()).multimask


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    from samadapt.models.loading import save_packaged

    folder = tmp_path_factory.mktemp("model")
    save_packaged(fresh("test", seed=3), folder, "small")
    return str(folder / "small.safetensors")


FIELDS = {"points_per_side": 4, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "box_nms_thresh": 0.9}


def test_files_of_a_folder(weights: str, tmp_path: Path):
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.jpg"):
        Picture.fromarray(discs()).save(tmp_path / "in" / name)
    given = {"source": tmp_path / "in", "model": weights, "out": tmp_path / "out", **FIELDS}
    done = auto(**given)
    assert [Path(found.out).name for found in done] == ["a.json", "b.json"]
    assert all(found.masks > 0 and 0 < found.covered <= 1 for found in done)
    written = json.loads((tmp_path / "out" / "a.json").read_text())
    assert written["image"] == {"file_name": "a.png", "height": 90, "width": 120}
    assert written["options"]["multimask"] is True
    masks = [rle.decode(record["segmentation"]) for record in written["annotations"]]
    assert [int(mask.sum()) for mask in masks] == [record["area"] for record in written["annotations"]]
    labels = io.open_label(tmp_path / "out" / "a.labels.png").values
    assert ((labels > 0) == np.any(masks, axis=0)).all()
    drawn = np.asarray(Picture.open(tmp_path / "out" / "a.overlay.png"))
    assert drawn.shape == (90, 120, 3)
    assert (drawn[labels == 0] == discs()[labels == 0]).all()
    assert (drawn != discs()).any()
    (tmp_path / "out" / "b.json").unlink()
    assert [Path(found.out).name for found in auto(**given)] == ["b.json"]
    assert len(auto(**given, overwrite=True)) == 2


def test_numbers_instead_of_text_and_no_pictures(weights: str, tmp_path: Path):
    Picture.fromarray(discs()[..., 0]).save(tmp_path / "a.png")
    given = {"source": tmp_path / "a.png", "model": weights, "out": tmp_path / "out", **FIELDS}
    auto(**given, compressed=False, pictures=False)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.json"]
    written = json.loads((tmp_path / "out" / "a.json").read_text())
    assert sum(written["annotations"][0]["segmentation"]["counts"]) == 90 * 120
    with pytest.raises(RunFolderError, match="exists"):
        auto(**given)


def test_a_slice_of_a_volume(weights: str, tmp_path: Path):
    from samadapt.core.grid import Grid
    from samadapt.core.image import Volume

    voxels = np.stack([discs()[..., 0]] * 3).astype(np.int16)
    io.save_image(Volume(voxels, Grid.from_spacing(voxels.shape, (2.0, 1.0, 1.0))), tmp_path / "v.nii.gz")
    given = {"source": tmp_path / "v.nii.gz", "model": weights, "out": tmp_path / "out", **FIELDS}
    with pytest.raises(PromptError, match="which of its 3 slices"):
        auto(**given)
    auto(**given, slice=1)
    assert json.loads((tmp_path / "out" / "v.json").read_text())["image"]["slice"] == 1


def test_folders_that_cannot_be_done(weights: str, tmp_path: Path):
    with pytest.raises(DataError, match="no image"):
        auto(source=tmp_path, model=weights, out=tmp_path / "out")
    for name in ("a.png", "a.jpg"):
        Picture.fromarray(discs()).save(tmp_path / name)
    with pytest.raises(RunFolderError, match="both be written"):
        auto(source=tmp_path, model=weights, out=tmp_path / "out")


def test_small_masks_lie_on_top_of_large_ones():
    found = samadapt.automatic_masks(Stand(), discs(), 8, pred_iou_thresh=0.5, stability_score_thresh=0.5)
    labels = label_map(found, (90, 120))
    smallest = min(range(len(found)), key=lambda i: found[i].area)
    assert (labels[found[smallest].mask] == smallest + 1).all()
    with pytest.raises(ShapeMismatch):
        label_map(found, (90, 121))
