"""Tiny DICOM files and series written with pydicom."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian

CT_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
SERIES = "1.2.826.0.1.3680043.8.498.1"


def affine_of(spacing=(2.5, 0.8, 0.7), origin=(-10.0, 20.0, 30.0), turn=None) -> np.ndarray:
    """Index (z, y, x, 1) of a canonical array to LPS mm; `turn` (3, 3) rotates the axes."""
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = *spacing, 1.0
    affine[:3, 3] = origin
    if turn is not None:
        affine[:3, :3] = turn @ affine[:3, :3]
    return affine


def dataset(pixels, affine=None, *, series=SERIES, number=1, **tags) -> FileDataset:
    """One frame (rows, columns); `affine` leads from (slice, row, column, 1) to LPS mm, its slice is 0."""
    pixels = np.asarray(pixels)
    made = FileDataset("", {}, file_meta=FileMetaDataset(), preamble=b"\0" * 128)
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = CT_STORAGE
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = f"{series}.{number}"
    made.SeriesInstanceUID, made.Modality, made.InstanceNumber, made.PatientID = series, "CT", number, "P1"
    made.Rows, made.Columns = pixels.shape[-2:] if pixels.shape[-1] != 3 else pixels.shape[-3:-1]
    made.SamplesPerPixel = 3 if pixels.shape[-1] == 3 else 1
    made.PhotometricInterpretation = "RGB" if made.SamplesPerPixel == 3 else "MONOCHROME2"
    if made.SamplesPerPixel == 3:
        made.PlanarConfiguration = 0
    made.BitsAllocated = made.BitsStored = pixels.dtype.itemsize * 8
    made.HighBit, made.PixelRepresentation = made.BitsStored - 1, int(pixels.dtype.kind == "i")
    made.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    if affine is not None:
        place(made, affine)
    for name, value in tags.items():
        setattr(made, name, value)
    return made


def place(made: Dataset, affine) -> None:
    """Position, directions and spacing of a slice."""
    step = np.linalg.norm(affine[:3, :3], axis=0)
    made.ImagePositionPatient = [float(f"{v:.8g}") for v in affine[:3, 3]]
    along = affine[:3, :3] / step
    made.ImageOrientationPatient = [float(f"{v:.8g}") for v in (*along[:, 2], *along[:, 1])]
    made.PixelSpacing, made.SliceThickness = [float(v) for v in step[1:]], float(step[0])


def write(path: Path, made: FileDataset) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save_as(path, enforce_file_format=True)
    return path


def write_series(folder: Path, stack, affine, *, names="{:04d}.dcm", series=SERIES, skip=(), **tags) -> list[Path]:
    """Write (slices, rows, columns) one file a slice; stored as `value = slope * stored + intercept` if tags say so."""
    stack = np.asarray(stack)
    slope, intercept = float(tags.get("RescaleSlope", 1)), float(tags.get("RescaleIntercept", 0))
    paths = []
    for index, plane in enumerate(stack):
        if index in skip:
            continue
        here = affine.copy()
        here[:3, 3] = affine[:3, 3] + affine[:3, 0] * index
        stored = np.rint((plane.astype(np.float64) - intercept) / slope)
        stored = stored.astype(np.uint16 if stored.min() >= 0 else np.int16)
        made = dataset(stored, here, series=series, number=index + 1, **tags)
        paths.append(write(folder / names.format(index), made))
    return paths


def compress(made: FileDataset, syntax: str, frame: bytes) -> FileDataset:
    """The same image with its pixels given as one encoded frame."""
    made.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    made.PixelData = encapsulate([frame])
    made["PixelData"].VR = "OB"
    return made


def write_chaos(root, bare=False):
    """Two CT scans, the second counted from 1 with masks from 0, and one MR with both sequences; or one bare CT."""
    ct = {"RescaleIntercept": -1000, "RescaleSlope": 1}
    if bare:
        _ct(root / "dicom", root / "masks", 4, "i{:04d},0000b.dcm", 24, "liver_GT_{:03d}.png", 24, ct)
        return root
    for patient, (names, start) in {"1": ("i{:04d},0000b.dcm", 0), "2": ("IMG-0002-{:05d}.dcm", 1)}.items():
        folder = root / "CT" / patient
        _ct(folder / "DICOM_anon", folder / "Ground", 4, names, start, "liver_GT_{:03d}.png", 0, ct)
    for sequence, phases in {"T2SPIR": ("",), "T1DUAL": ("InPhase", "OutPhase")}.items():
        for phase in phases:
            _mr(root / "MR" / "3" / sequence, phase)
    return root


def write_pairs(root):
    """images/ with a folder for each of two series, one DICOM picture and one empty file; labels/ beside it."""
    from fake.writing import nifti, png

    stack, liver = liver_stack(4)
    affine = affine_of()
    for number in (1, 2):
        write_series(root / "images" / f"case.{number}", stack, affine, RescaleIntercept=-1000)
        ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine[:, [2, 1, 0, 3]]
        nifti(root / "labels" / f"case.{number}.nii.gz", liver.astype(np.uint8), affine=ras)
    write(root / "images" / "scout.dcm", dataset(stack[0], affine))
    png(root / "labels" / "scout.png", (liver[0] * 255).astype(np.uint8))
    (root / "images" / "empty.dcm").write_bytes(b"")
    return root


def _ct(slices, masks, count, names, start, mask_names, mask_start, tags):
    from fake.writing import png

    stack, liver = liver_stack(count)
    affine = affine_of()
    affine[2, 0] *= -1  # file order is the reverse of the positions
    for index, path in enumerate(write_series(slices, stack, affine, **tags)):
        path.rename(path.with_name(names.format(index + start)))
        png(masks / mask_names.format(index + mask_start), (liver[index] * 255).astype(np.uint8))


def _mr(folder, phase):
    from fake.writing import disc, png

    values = np.zeros((3, 24, 20), np.uint8)
    for value, centre in ((63, (8, 5)), (126, (16, 5)), (189, (16, 14)), (252, (8, 15))):
        values[:, disc((24, 20), centre, 3)] = value
    names = {"": "IMG-0004-{:05d}", "InPhase": "IMG-0004-{:05d}2", "OutPhase": "IMG-0004-{:05d}1"}[phase]
    slices = folder / "DICOM_anon" / phase
    write_series(slices, values.astype(np.int16) * 3 + 20, affine_of(), names=names + ".dcm", Modality="MR")
    for index in range(3):
        if phase != "OutPhase":
            png(folder / "Ground" / f"{names.format(index)}.png", values[index])


def liver_stack(count):
    """HU (count, 24, 20) and a liver that grows from file to file."""
    from fake.writing import disc, noisy

    liver = np.stack([disc((24, 20), (10, 9), 3 + index) for index in range(count)])
    return noisy((count, 24, 20), 7).astype(np.int16) - 100 + 160 * liver, liver


def write_sunnybrook(root):
    """Two persons with two slices each; the epicardium is drawn on the second slice of each, one mask has no slice."""
    from fake.writing import disc, noisy, png

    turn = np.linalg.qr(np.array([[0.1, 0.3, -0.9], [0.7, -0.6, -0.2], [0.6, 0.7, 0.3]]))[0]
    for person in (1, 2):
        for index, frame in enumerate((40, 59)):
            name = f"SCD0000{person}01_{frame:04d}"
            endo, epi = disc((32, 32), (15, 16), 5), disc((32, 32), (15, 16), 9)
            pixels = noisy((32, 32), person * 10 + index).astype(np.int16) + 300 * endo + 100 * epi
            made = dataset(pixels, affine_of((10.0, 1.4, 1.4), turn=turn), number=frame, Modality="MR")
            made.SeriesInstanceUID = f"{SERIES}.{person}"
            write(root / "dicom" / f"{name}.dcm", made)
            png(root / "masks_endo" / f"{name}.png", (endo * 255).astype(np.uint8))
            if index:
                png(root / "masks_epi" / f"{name}.png", (epi * 255).astype(np.uint8))
    png(root / "masks_epi" / "SCD0000101_0099.png", np.zeros((32, 32), np.uint8))
    return root
