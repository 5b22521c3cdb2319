"""`predict`: files in, label maps on the same grid out."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image as Picture

from samadapt import io
from samadapt.core.errors import ConfigError, PromptError, RunFolderError
from samadapt.core.image import LabelSet
from samadapt.infer.predict import parse_prompts, predict


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    from samadapt.models import fresh
    from samadapt.models.loading import save_packaged

    folder = tmp_path_factory.mktemp("model")
    save_packaged(fresh("test"), folder, "small")
    return str(folder / "small.safetensors")


@pytest.fixture(scope="module")
def semantic(model: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    from samadapt.adapt import add_head, inject, save_adapter
    from samadapt.adapt.config import LoraConfig
    from samadapt.adapt.load import load_model

    loaded = load_model(model)
    add_head(loaded, LabelSet.from_names({1: "liver", 5: "spleen"}), context=3)
    inject(loaded, LoraConfig())
    folder = tmp_path_factory.mktemp("adapter")
    save_adapter(loaded, folder)
    return str(folder)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    Picture.fromarray(pixels).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    voxels = np.random.default_rng(1).integers(-200, 300, (30, 34, 6)).astype(np.int16)
    affine = np.array([[0, -0.9, 0, 10], [0.8, 0, 0, -20], [0, 0, 3.0, 5], [0, 0, 0, 1]])
    nib.save(nib.Nifti1Image(voxels, affine), tmp_path / "scan.nii.gz")
    return tmp_path / "scan.nii.gz"


def test_boxes_on_a_picture_give_numbered_objects(model: str, picture: Path, tmp_path: Path) -> None:
    out = tmp_path / "mask.png"
    (done,) = predict(source=picture, model=model, box=("5,5,30,30", "20,10,50,35"), out=out)
    assert len(done.scores) == 2
    assert set(np.unique(io.open_label(out).values)) <= {0, 1, 2}
    assert io.open_label(out).values.shape == (40, 60)


def test_semantic_volume_is_written_on_the_grid_of_the_file(semantic: str, scan: Path, tmp_path: Path) -> None:
    out = tmp_path / "labels.nii.gz"
    (done,) = predict(source=scan, model=semantic, out=out)
    written, original = nib.load(out), nib.load(scan)
    assert written.shape == original.shape
    assert np.allclose(written.affine, original.affine)
    assert set(np.unique(np.asarray(written.dataobj))) <= {0, 1, 5}
    assert done.labels == {1: "liver", 5: "spleen"}


def test_a_single_volume_tells_of_its_slices(
    semantic: str, scan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predict(source=scan, model=semantic, out=tmp_path / "labels.nii.gz", batch_size=4)
    assert "predicting slices: 6 of 6" in capsys.readouterr().err


def test_the_folder_of_a_series_is_one_volume(semantic: str, tmp_path: Path) -> None:
    from fake import dicom

    affine = dicom.affine_of((3.0, 0.9, 0.8))
    affine[:3, 0] *= -1
    dicom.write_series(tmp_path / "series", np.random.default_rng(1).integers(-200, 300, (4, 30, 34)), affine)
    (done,) = predict(source=tmp_path / "series", model=semantic, out=tmp_path / "out.nii.gz")
    io.open_label(done.out).grid.require_match(io.open(tmp_path / "series").grid)


def test_a_folder_is_resumed(semantic: str, scan: Path, picture: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    fields = {"source": scan.parent, "model": semantic, "out": out}
    assert len(predict(**fields)) == 2
    (out / "picture.png").unlink()
    assert [Path(done.out).name for done in predict(**fields)] == ["picture.png"]
    assert predict(**fields) == []


def test_prompts_on_a_volume_need_a_slice(model: str, scan: Path, tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="6 slices"):
        predict(source=scan, model=model, box=("5,5,20,20",), out=tmp_path / "a.nii.gz")
    with pytest.raises(PromptError, match="slice 9 does not exist"):
        predict(source=scan, model=model, box=("5,5,20,20",), slice=9, out=tmp_path / "a.nii.gz")
    predict(source=scan, model=model, box=("5,5,20,20",), slice=2, propagate=False, out=tmp_path / "a.nii.gz")
    touched = np.flatnonzero(np.asarray(nib.load(tmp_path / "a.nii.gz").dataobj).any(axis=(0, 1)))
    assert set(touched) <= {2}


@pytest.mark.parametrize(
    ("boxes", "points", "message"),
    [
        ((), (), "told what to segment"),
        (("1,2,3",), (), "x0,y0,x1,y1"),
        (("9,9,1,1",), (), "reversed"),
        (("a,b,c,d",), (), "cannot read"),
        ((), ("3,4",), "cannot read the point"),
        (("1,1,5,5", "2,2,6,6"), ("3,4,+",), "ambiguous"),
    ],
)
def test_unreadable_prompts_say_what_is_wrong(boxes: tuple[str, ...], points: tuple[str, ...], message: str) -> None:
    with pytest.raises(PromptError, match=message):
        parse_prompts(boxes, points)


def test_prompts_outside_the_picture_are_refused(model: str, picture: Path, tmp_path: Path) -> None:
    for fields in ({"box": ("5,5,90,30",)}, {"point": ("70,10,+",)}):
        with pytest.raises(PromptError, match="width 60"):
            predict(source=picture, model=model, out=tmp_path / "x.png", **fields)
    assert not (tmp_path / "x.png").exists()


def test_existing_output_is_kept_unless_told(model: str, picture: Path, tmp_path: Path) -> None:
    out = tmp_path / "kept.png"
    out.write_bytes(b"something")
    with pytest.raises(RunFolderError, match="exists"):
        predict(source=picture, model=model, box=("5,5,30,30",), out=out)
    assert out.read_bytes() == b"something"


def test_a_prompt_free_model_takes_no_box(semantic: str, picture: Path, tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="prompt-free"):
        predict(source=picture, model=semantic, box=("5,5,30,30",), out=tmp_path / "x.png")


def test_tiles_are_predicted_one_by_one_and_put_together(semantic: str, picture: Path, tmp_path: Path) -> None:
    whole = io.open(picture).pixels
    (done,) = predict(source=picture, model=semantic, out=tmp_path / "tiled.png", tile_px=32, overlap_px=8)
    values = io.open_label(tmp_path / "tiled.png").values
    assert values.shape == (40, 60)
    assert sum(done.pixels.values()) == np.count_nonzero(values)
    Picture.fromarray(whole[8:, 28:]).save(tmp_path / "corner.png")
    predict(source=tmp_path / "corner.png", model=semantic, out=tmp_path / "corner_labels.png")
    corner = io.open_label(tmp_path / "corner_labels.png").values
    assert np.array_equal(values[24:, 44:], corner[16:, 16:])


@pytest.mark.parametrize(
    ("prompts", "said"),
    [
        ({"box": ("50,5,90,30",)}, "leaves the image of width 60 and height 40"),
        ({"box": ("30,5,10,30",)}, "is reversed"),
        ({"point": ("61,5,+",)}, "lies outside the image"),
        ({"box": ("1,2,3",)}, "a box is x0,y0,x1,y1"),
        ({"point": ("a,b,+",)}, "a point is x,y"),
    ],
)
def test_bad_prompts_say_what_and_how_and_write_nothing(
    model: str, picture: Path, tmp_path: Path, prompts: dict[str, tuple[str, ...]], said: str
) -> None:
    with pytest.raises(PromptError, match=said) as error:
        predict(source=picture, model=model, out=tmp_path / "out" / "mask.png", **prompts)
    assert error.value.remedy
    assert not (tmp_path / "out").exists()
    if "image" in said:
        assert error.value.where == str(picture)


def test_an_unknown_field_is_a_clear_error(picture: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown key 'boxes'; did you mean 'box'"):
        predict(source=picture, boxes=("1,2,3,4",), out=tmp_path / "mask.png")
