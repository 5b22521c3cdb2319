"""Slices along any axis lead back to the file's own order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from store_fixtures import volume_case, volumes

from samadapt import io
from samadapt.data.prepare import prepare
from samadapt.data.recipes.base import LoadedCase
from samadapt.data.slicing import choose_axis

SPACINGS = {
    "axial": (5.0, 1.0, 1.0),
    "coronal": (1.0, 4.0, 1.0),
    "sagittal": (0.5, 0.8, 3.0),
}


def make(case, out, axis):
    recipe = replace(volumes(1), loaders={"x": lambda: case})
    return prepare(recipe=recipe, source="toy", out=out, workers=1, slice_axis=axis)


@pytest.mark.parametrize("axis", ["axial", "coronal", "sagittal"])
def test_auto_takes_the_axis_of_the_thick_slices(axis):
    assert choose_axis(SPACINGS[axis], "auto") == axis
    assert choose_axis((1.0, 1.4, 1.0), "auto") == "axial"
    assert choose_axis((1.0, 4.0, 4.0), "auto") == "axial"


@pytest.mark.parametrize("axis", ["coronal", "sagittal"])
def test_slices_and_their_place_in_the_body(tmp_path, axis):
    case = volume_case(0, (16, 20, 24), SPACINGS[axis])
    store = make(case, tmp_path / "s", "auto")
    record, voxels = store.cases[0], case.image.voxels
    assert record.shape == {"coronal": (20, 16, 24), "sagittal": (24, 16, 20)}[axis]
    k = 7
    plane = voxels[:, k] if axis == "coronal" else voxels[:, :, k]
    np.testing.assert_array_equal(store.image(0, k).pixels, plane[::-1])
    assert record.spacing_mm[0] == pytest.approx(max(SPACINGS[axis]))
    index = np.array([k, 3, 5, 1.0])
    z = 16 - 1 - 3
    original = np.array([z, k, 5, 1.0] if axis == "coronal" else [z, 5, k, 1.0])
    np.testing.assert_allclose(record.grid.affine @ index, case.image.grid.affine @ original)
    values = case.label.values
    row = store.objects_of(0, k).start
    label = int(store.objects[row]["label"])
    plane = values[:, k] if axis == "coronal" else values[:, :, k]
    np.testing.assert_array_equal(store.mask(row), plane[::-1] == label)


@pytest.mark.parametrize("codes", ["LPS", "RAS", "PIR", "ASL"])
@pytest.mark.parametrize("axis", ["axial", "coronal", "sagittal"])
def test_a_file_of_any_orientation_comes_back_as_it_was(tmp_path, codes, axis):
    nib = pytest.importorskip("nibabel")
    values = volume_case(0, (6, 7, 9)).image.voxels
    affine = nib.orientations.inv_ornt_aff(nib.orientations.axcodes2ornt(codes), values.shape) @ np.diag([2, 3, 4, 1])
    nib.save(nib.Nifti1Image(values, affine), tmp_path / "image.nii.gz")
    nib.save(nib.Nifti1Image((values > 500).astype(np.uint8), affine), tmp_path / "label.nii.gz")
    case = LoadedCase(
        io.open(tmp_path / "image.nii.gz", modality="CT"),
        io.open_label(tmp_path / "label.nii.gz"),
    )
    store = make(case, tmp_path / "s", axis)
    io.save_image(store.volume(0), tmp_path / "back.nii.gz")
    io.save_label(store.label_map(0), tmp_path / "back_label.nii.gz")
    for name, expected in {"back": values, "back_label": values > 500}.items():
        back = nib.load(tmp_path / f"{name}.nii.gz")
        np.testing.assert_array_equal(np.asarray(back.dataobj), expected)
        np.testing.assert_allclose(back.affine, affine, atol=1e-5)
