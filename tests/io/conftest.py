"""Small NIfTI files, made when a test asks for them."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest


@pytest.fixture
def make_nifti(tmp_path: Path):
    def make(data, affine=None, name="image.nii.gz", **header) -> Path:
        image = nibabel.Nifti1Image(data, np.eye(4) if affine is None else affine, dtype=data.dtype)
        for key, value in header.items():
            image.header[key] = value
        path = tmp_path / name
        nibabel.save(image, path)
        return path

    return make
