"""Images and label maps from files, and back, with their geometry.

`open` and `open_label` look at the content of a file, never at its name, and always give the canonical
orientation of `samadapt.core.image.Volume`; `save_label` and `save_image` give the file its own orientation back.
"""

from __future__ import annotations

from samadapt.io.dicom import Series, find_series
from samadapt.io.find import find_images, is_series
from samadapt.io.labels import label_names, open_label
from samadapt.io.reading import open, open_pair, picture_size
from samadapt.io.sniff import sniff
from samadapt.io.write import save_image, save_label, save_mask

__all__ = [
    "Series",
    "find_images",
    "find_series",
    "is_series",
    "label_names",
    "open",
    "open_label",
    "open_pair",
    "picture_size",
    "save_image",
    "save_label",
    "save_mask",
    "sniff",
]
