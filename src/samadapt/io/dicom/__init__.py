"""DICOM: a file is one image, a folder is one series.

`header` reads what lies where, `pixels` decodes and rescales, `series` orders slices and checks that none is missing.
"""

from __future__ import annotations

from samadapt.io.dicom.series import Series, find_series

__all__ = ["Series", "find_series"]
