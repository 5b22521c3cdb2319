"""DICOM files and series: the same frame as NIfTI, and every fault of a folder said plainly."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
from io_cases import AXES, oriented_affine, rotation

import samadapt.io as io
from fake import dicom
from fake.writing import noisy
from samadapt.core.errors import FileFormatError, InvalidGeometry
from samadapt.core.image import Image, Volume

LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
SHAPE = (5, 7, 6)


def _hu(seed=0, shape=SHAPE):
    return np.random.default_rng(seed).integers(-1000, 1500, shape).astype(np.int16)


@pytest.fixture
def series(tmp_path):
    """Write `_hu()` as a series and return its folder."""

    def write(**options):
        dicom.write_series(tmp_path / "series", _hu(), dicom.affine_of(), RescaleIntercept=-1024, **options)
        return tmp_path / "series"

    return write


@pytest.mark.parametrize("axes", AXES[::5])
@pytest.mark.parametrize("tilt", [None, rotation(20.0, 0) @ rotation(11.0, 2)])
def test_the_same_volume_as_dicom_and_nifti(tmp_path, axes, tilt):
    """File axes x, y, z of NIfTI are column, row, slice of DICOM."""
    ras, stack = oriented_affine(axes, tilt=tilt), _hu()
    nibabel.save(nibabel.Nifti1Image(stack.transpose(2, 1, 0), ras), tmp_path / "a.nii.gz")
    dicom.write_series(tmp_path / "series", stack, (LPS_FROM_RAS @ ras)[:, [2, 1, 0, 3]], RescaleIntercept=-1024)
    ours, theirs = io.open(tmp_path / "series"), io.open(tmp_path / "a.nii.gz")
    assert isinstance(ours, Volume)
    assert np.array_equal(ours.voxels, theirs.voxels)
    assert ours.voxels.dtype == np.int16
    assert ours.modality == "CT"
    assert ours.grid.matches(theirs.grid, tolerance_mm=1e-3)
    assert ours.grid.spacing_mm == pytest.approx(theirs.grid.spacing_mm, abs=1e-5)


def test_positions_decide_and_not_names_or_numbers(tmp_path):
    paths = dicom.write_series(tmp_path, _hu(), dicom.affine_of(), RescaleIntercept=-1024)
    for path, name in zip(paths, "cabed"):
        path.rename(tmp_path / name)
    assert np.array_equal(io.open(tmp_path).voxels, _hu())
    found = io.find_series(tmp_path)
    assert "".join(path.name for path in found.files) == "cabed"


def test_labels_by_file_land_on_their_slices(tmp_path):
    affine = dicom.affine_of()
    affine[2, 0] *= -1
    dicom.write_series(tmp_path, _hu(), affine, RescaleIntercept=-1024)
    found = io.find_series(tmp_path)
    stack = np.stack([np.full(SHAPE[1:], int(path.stem), np.uint8) for path in found.files])
    label, volume = found.label_map(stack), found.load()
    label.grid.require_match(volume.grid)
    assert label.values[:, 0, 0].tolist() == [4, 3, 2, 1, 0]
    assert np.array_equal(volume.voxels[0], _hu()[4])


def test_the_step_is_between_positions_not_the_thickness(tmp_path):
    dicom.write_series(tmp_path, _hu(), dicom.affine_of((2.0, 0.5, 0.25)), RescaleIntercept=-1024, SliceThickness=5)
    assert io.open(tmp_path).grid.spacing_mm == pytest.approx((2.0, 0.5, 0.25))


def test_gantry_tilt_keeps_its_shear(tmp_path):
    affine = dicom.affine_of()
    affine[1, 0] = 0.9
    dicom.write_series(tmp_path, _hu(), affine, RescaleIntercept=-1024)
    assert np.allclose(io.open(tmp_path).grid.affine, affine, atol=1e-5)


def test_a_label_map_goes_back_over_a_series(series, tmp_path):
    volume = io.open(series())
    label = volume.voxels > 0
    from samadapt.core.image import LabelMap

    io.save_label(LabelMap(label, volume.grid, volume.orientation), tmp_path / "label.nii.gz")
    back = io.open_label(tmp_path / "label.nii.gz")
    back.grid.require_match(volume.grid)
    assert np.array_equal(back.values, label)


@pytest.mark.parametrize("slope", [2.5, 0.25])
def test_slope_and_intercept(tmp_path, slope):
    stored = np.arange(20, dtype=np.uint16).reshape(4, 5)
    made = dicom.dataset(stored, dicom.affine_of(), RescaleSlope=slope, RescaleIntercept=-3.5)
    image = io.open(dicom.write(tmp_path / "x", made))
    assert image.pixels.dtype == np.float32
    assert np.allclose(image.pixels, stored * slope - 3.5)


def test_one_file_is_an_image_that_knows_its_place(tmp_path):
    plane = _hu()[0]
    affine = dicom.affine_of((4.0, 1.5, 0.5), turn=rotation(30.0, 1))
    made = dicom.dataset(plane, affine, Modality="MR")
    image = io.open(dicom.write(tmp_path / "x.dcm", made))
    assert isinstance(image, Image)
    assert image.modality == "MR"
    assert np.array_equal(image.pixels, plane)
    assert np.allclose(image.grid.affine, affine, atol=1e-4)
    assert image.grid.spacing_mm == pytest.approx((1.5, 0.5))
    alone = io.open(tmp_path)
    assert isinstance(alone, Volume)
    assert alone.shape == (1, *plane.shape)


def test_radiograph_without_a_place(tmp_path):
    made = dicom.dataset(noisy((6, 5), 1).astype(np.uint16), Modality="DX", ImagerPixelSpacing=[0.2, 0.1])
    for source in (dicom.write(tmp_path / "x.dcm", made), tmp_path):
        image = io.open(source)
        assert isinstance(image, Image)
        assert (image.modality, image.grid.spacing_mm) == ("X-ray", (0.2, 0.1))


def test_monochrome1_is_turned_over_unless_numbers_mean_something(tmp_path):
    stored = np.arange(20, dtype=np.uint16).reshape(4, 5)
    tags = {"PhotometricInterpretation": "MONOCHROME1", "BitsStored": 12, "HighBit": 11}
    radiograph = io.open(dicom.write(tmp_path / "a", dicom.dataset(stored, Modality="CR", **tags)))
    assert np.array_equal(radiograph.pixels, 4095 - stored)
    signed = io.open(dicom.write(tmp_path / "b", dicom.dataset(stored.astype(np.int16), Modality="CR", **tags)))
    assert np.array_equal(signed.pixels, -1 - stored.astype(np.int16))
    ct = io.open(dicom.write(tmp_path / "c", dicom.dataset(stored, Modality="CT", **tags)))
    assert np.array_equal(ct.pixels, stored)


def test_colour_and_palette(tmp_path):
    rgb = noisy((4, 5, 3), 2)
    colour = io.open(dicom.write(tmp_path / "a", dicom.dataset(rgb, Modality="US")))
    assert np.array_equal(colour.pixels, rgb)
    assert colour.modality == "ultrasound"
    index = np.arange(20, dtype=np.uint8).reshape(4, 5)
    made = dicom.dataset(index, Modality="OT", PhotometricInterpretation="PALETTE COLOR")
    for name, factor in (("Red", 1), ("Green", 2), ("Blue", 3)):
        setattr(made, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 16])
        table = (np.arange(256) * factor % 256 * 256).astype(np.uint16)
        setattr(made, f"{name}PaletteColorLookupTableData", table.tobytes())
    path = dicom.write(tmp_path / "b", made)
    assert np.array_equal(io.open(path).pixels, np.stack([index, index * 2, index * 3], axis=-1))
    assert io.open(path).modality == "RGB"
    assert np.array_equal(io.open_label(path).values, index)


COMPRESSED = {
    "1.2.840.10008.1.2.4.57": lambda ic, plane: ic.ljpeg_encode(plane),
    "1.2.840.10008.1.2.4.70": lambda ic, plane: ic.ljpeg_encode(plane),
    "1.2.840.10008.1.2.4.80": lambda ic, plane: ic.jpegls_encode(plane),
    "1.2.840.10008.1.2.4.90": lambda ic, plane: ic.jpeg2k_encode(plane, codecformat="j2k", level=0),
    "1.2.840.10008.1.2.4.201": lambda ic, plane: ic.htj2k_encode(plane),
}


@pytest.mark.parametrize("syntax", COMPRESSED)
@pytest.mark.parametrize("signed", [False, True])
def test_compressed_without_loss(tmp_path, syntax, signed):
    imagecodecs = pytest.importorskip("imagecodecs")
    stored = np.random.default_rng(3).integers(0, 4096, (32, 40)).astype(np.uint16)
    expected = np.where(stored >= 2048, stored.astype(int) - 4096, stored) if signed else stored
    made = dicom.dataset(stored, dicom.affine_of(), BitsStored=12, HighBit=11, PixelRepresentation=int(signed))
    plane = expected.astype(np.int16) if signed and syntax.endswith(".90") else stored  # JPEG 2000 keeps the sign
    made = dicom.compress(made, syntax, bytes(COMPRESSED[syntax](imagecodecs, plane)))
    assert np.array_equal(io.open(dicom.write(tmp_path / "x.dcm", made)).pixels, expected)


def test_run_length(tmp_path):
    from pydicom.uid import RLELossless

    made = dicom.dataset(_hu()[0], dicom.affine_of())
    made.compress(RLELossless)
    assert np.array_equal(io.open(dicom.write(tmp_path / "x.dcm", made)).pixels, _hu()[0])


def test_an_unknown_compression_names_itself(tmp_path):
    made = dicom.compress(dicom.dataset(_hu()[0]), "1.2.840.10008.1.2.4.100", b"\0\0\1\xb3" * 8)
    with pytest.raises(FileFormatError, match="MPEG2") as caught:
        io.open(dicom.write(tmp_path / "x.dcm", made))
    assert "gdcmconv" in caught.value.remedy


def _multiframe(affine, count=4, order=(2, 0, 3, 1)):
    from pydicom.dataset import Dataset

    frames = _hu(shape=(count, 7, 6))
    made = dicom.dataset(frames[list(order)], NumberOfFrames=count)
    made.PerFrameFunctionalGroupsSequence = []
    for index in order:
        here = affine.copy()
        here[:3, 3] += affine[:3, 0] * index
        plane = Dataset()
        dicom.place(plane, here)
        item, position = Dataset(), Dataset()
        position.ImagePositionPatient = plane.ImagePositionPatient
        item.PlanePositionSequence = [position]
        made.PerFrameFunctionalGroupsSequence.append(item)
    shared, direction, measures, values = Dataset(), Dataset(), Dataset(), Dataset()
    direction.ImageOrientationPatient = plane.ImageOrientationPatient
    measures.PixelSpacing, measures.SliceThickness = plane.PixelSpacing, plane.SliceThickness
    values.RescaleSlope, values.RescaleIntercept = 1, -24
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [direction], [measures]
    shared.PixelValueTransformationSequence = [values]
    made.SharedFunctionalGroupsSequence = [shared]
    return made, frames - 24


def test_enhanced_file_is_a_volume(tmp_path):
    affine = dicom.affine_of()
    made, expected = _multiframe(affine)
    for source in (dicom.write(tmp_path / "x.dcm", made), tmp_path):
        volume = io.open(source)
        assert np.array_equal(volume.voxels, expected)
        assert np.allclose(volume.grid.affine, affine, atol=1e-5)


def test_a_run_of_frames_without_places_is_a_stack_of_pages(tmp_path):
    frames = noisy((3, 6, 5), 4)
    made = dicom.dataset(frames, NumberOfFrames=3, Modality="US", PixelSpacing=[0.5, 0.25])
    volume = io.open(dicom.write(tmp_path / "x.dcm", made))
    assert np.array_equal(volume.voxels, frames)
    assert volume.grid.spacing_mm == (1.0, 0.5, 0.25)


def test_other_files_of_the_folder_are_passed_over(series):
    folder = series()
    (folder / "README.txt").write_text("notes")
    (folder / ".DS_Store").write_bytes(b"\0")
    (folder / "preview.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    report = dicom.dataset(np.zeros((2, 2), np.uint8), Modality="SR", number=90, series="1.2.9")
    del report.Rows, report.Columns, report.PixelData
    dicom.write(folder / "report.dcm", report)
    assert np.array_equal(io.open(folder).voxels, _hu())
    with pytest.raises(FileFormatError, match="holds no image"):
        io.open(folder / "report.dcm")


def test_several_series_are_listed_and_can_be_chosen(series):
    folder = series()
    dicom.write_series(folder, _hu(1), dicom.affine_of(), names="b{}", series="1.2.7", SeriesDescription="lung")
    with pytest.raises(
        FileFormatError, match=r"2 series: .*5 files 7 x 6.*1\.2\.7 \(5 files 7 x 6, CT, lung"
    ) as caught:
        io.open(folder)
    assert "series=" in caught.value.remedy
    assert np.array_equal(io.open(folder, series="1.2.7").voxels, _hu(1))
    with pytest.raises(FileFormatError, match=r"no series '1\.2\.8'"):
        io.open(folder, series="1.2.8")


@pytest.mark.parametrize(
    ("skip", "words"),
    [
        ((2,), r"1 slice is missing: between 0001\.dcm and 0003\.dcm are 5\.00 mm, elsewhere 2\.50"),
        ((1, 2), r"2 slices are missing|not evenly"),
    ],
)
def test_missing_slices(tmp_path, skip, words):
    stack = _hu(shape=(8, 7, 6))
    dicom.write_series(tmp_path, stack, dicom.affine_of(), RescaleIntercept=-1024, skip=skip)
    with pytest.raises(InvalidGeometry, match=words) as caught:
        io.open(tmp_path)
    assert caught.value.remedy


def test_uneven_doubled_and_bent_stacks(tmp_path):
    for index, height in enumerate((0, 2, 4, 6, 7.2)):
        affine = dicom.affine_of(origin=(0, 0, height))
        dicom.write(tmp_path / "uneven" / str(index), dicom.dataset(_hu()[index], affine, number=index))
    with pytest.raises(InvalidGeometry, match="not evenly spaced"):
        io.open(tmp_path / "uneven")
    for number in (1, 2):
        dicom.write_series(tmp_path / "time", _hu(number), dicom.affine_of(), names=f"{number}-{{}}")
    for number, path in enumerate(sorted((tmp_path / "time").iterdir())):
        made = dicom.dataset(_hu()[0], dicom.affine_of(origin=(0, 0, number % 5 * 2.5)), number=number)
        dicom.write(path, made)
    with pytest.raises(InvalidGeometry, match=r"1-0 and 2-0 lie at the same place") as caught:
        io.open(tmp_path / "time")
    assert "time series" in caught.value.remedy
    for index, aside in enumerate((0, 0, 5, 0)):
        affine = dicom.affine_of(origin=(aside, 0, index * 2.5))
        dicom.write(tmp_path / "bent" / str(index), dicom.dataset(_hu()[index], affine, number=index))
    with pytest.raises(InvalidGeometry, match=r"2 is 5\.00 mm beside it"):
        io.open(tmp_path / "bent")


def test_a_copy_of_a_slice(series):
    folder = series()
    (folder / "copy.dcm").write_bytes((folder / "0002.dcm").read_bytes())
    with pytest.raises(FileFormatError, match=r"0002\.dcm and copy\.dcm are the same slice"):
        io.open(folder)


def test_scout_view_among_slices(series):
    folder = series()
    scout = dicom.dataset(_hu(shape=(9, 9)), dicom.affine_of(turn=rotation(90.0, 0)), number=77)
    dicom.write(folder / "scout.dcm", scout)
    with pytest.raises(InvalidGeometry, match=r"mixes 2 kinds.*5 of 7 x 6.*scout\.dcm of 9 x 9"):
        io.open(folder)


def test_slices_without_a_place(series):
    folder = series()
    dicom.write(folder / "0001.dcm", dicom.dataset(_hu()[1], number=2))
    with pytest.raises(InvalidGeometry, match=r"mixes|do not say where"):
        io.open(folder)
    for index in range(5):
        dicom.write(folder / f"{index:04d}.dcm", dicom.dataset(_hu()[1], number=index))
    with pytest.raises(InvalidGeometry, match=r"5 of 5 files do not say where"):
        io.open(folder)


@pytest.mark.parametrize("keep", [140, 700, -40])
def test_a_truncated_file_is_named(series, keep):
    folder = series()
    path = folder / "0003.dcm"
    path.write_bytes(path.read_bytes()[:keep])
    for source in (folder, path):
        with pytest.raises(FileFormatError, match=r"0003\.dcm") as caught:
            io.open(source)
        assert caught.value.remedy


def test_bad_geometry(tmp_path):
    affine = dicom.affine_of()
    made = dicom.dataset(_hu()[0], affine, ImageOrientationPatient=[1, 0, 0, 0.5, 0.8, 0])
    with pytest.raises(InvalidGeometry, match="right angle"):
        io.open(dicom.write(tmp_path / "a", made))
    made = dicom.dataset(_hu()[0], affine, PixelSpacing=[0.0, 1.0])
    with pytest.raises(InvalidGeometry, match="spacing must be positive"):
        io.open(dicom.write(tmp_path / "b", made))


def test_only_reports_in_the_folder(tmp_path):
    made = dicom.dataset(np.zeros((2, 2), np.uint8), Modality="SEG")
    dicom.write(tmp_path / "seg.dcm", made)
    with pytest.raises(FileFormatError, match="none of the 1 DICOM files of this folder holds an image"):
        io.open(tmp_path)
