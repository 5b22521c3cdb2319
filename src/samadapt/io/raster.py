"""PNG and JPEG, through Pillow; 16-bit colour PNG through imagecodecs, because Pillow would drop eight bits."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import FileFormatError
from samadapt.core.grid import Grid
from samadapt.core.image import Image
from samadapt.io.decoding import decoding, native
from samadapt.io.readers import ReadOptions
from samadapt.io.region import cropped

_GREY, _PALETTE = 0, 3  # PNG colour types


def read(path: Path, options: ReadOptions) -> Image:
    """Image (H, W) or (H, W, C) with C of 2 (grey, alpha), 3 or 4, 8 or 16 bit, as stored.

    Palette images become RGB, 1-, 2- and 4-bit greys are spread over 0..255; with `options.as_stored` both keep the
    numbers in the file. The spacing is 1: the resolution in a PNG or JPEG header is that of a printer. The
    orientation tag of a camera is not applied, because masks are drawn on the stored pixels.

    Raises
    ------
    FileFormatError
        If the file is truncated, damaged, or larger than Pillow accepts.
    """
    with decoding(path, "image"):
        pixels = native(_decode(path, options.as_stored), path)
    return flat_image(cropped(pixels, options.region, path), path, options.modality)


def size(path: Path) -> tuple[int, int]:
    """(H, W) from the header."""
    import PIL.Image

    with decoding(path, "image"), PIL.Image.open(path) as image:
        return image.height, image.width


def flat_image(pixels: NDArray[Any], path: Path, modality: str) -> Image:
    """Image of unit spacing; of "RGB" or "grey" modality where the caller knows nothing better."""
    grid = Grid.from_spacing(pixels.shape[:2], (1.0, 1.0))
    return Image(pixels, grid, modality or ("RGB" if pixels.shape[2:] in ((3,), (4,)) else "grey"), str(path))


def write(pixels: NDArray[Any], path: Path) -> None:
    """Write PNG: uint8 or uint16, (H, W) or (H, W, C) with C of 2, 3 or 4.

    Raises
    ------
    FileFormatError
        If PNG cannot hold the values exactly.
    """
    if pixels.dtype not in (np.uint8, np.uint16) or pixels.shape[2:] not in ((), (2,), (3,), (4,)):
        raise FileFormatError(
            f"PNG holds 8 or 16 bit unsigned values with 1 to 4 channels, not {pixels.dtype} {pixels.shape}",
            where=path,
            remedy="Write .tif, .nii.gz or .npz instead: they keep these values.",
        )
    if pixels.dtype == np.uint16 and pixels.ndim == 3:
        import imagecodecs

        path.write_bytes(imagecodecs.png_encode(np.ascontiguousarray(pixels)))
        return
    import PIL.Image

    PIL.Image.fromarray(np.ascontiguousarray(pixels)).save(path, format="PNG")


def _decode(path: Path, as_stored: bool) -> NDArray[Any]:
    import PIL.Image

    depth, colour_type = _png_depth(path)
    if depth == 16 and colour_type not in (_GREY, _PALETTE):
        import imagecodecs

        return np.asarray(imagecodecs.png_decode(path.read_bytes()))
    try:
        with PIL.Image.open(path) as image:
            image.load()
            return _as_array(image, depth if colour_type == _GREY else 8, as_stored)
    except PIL.Image.DecompressionBombError as error:
        raise FileFormatError(
            f"the image is too large to be safe ({error})", where=path, remedy="Cut it into tiles, or save it as TIFF."
        ) from error


def _as_array(image: Any, grey_depth: int, as_stored: bool) -> NDArray[Any]:
    if image.mode in ("P", "PA"):
        return np.asarray(image if as_stored and image.mode == "P" else image.convert("RGB"))
    if image.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        return np.asarray(image.convert("RGB"))
    array: NDArray[Any] = np.asarray(image)
    if image.mode == "1":
        return array.astype(np.uint8) * (1 if as_stored else 255)
    if image.mode == "I":
        return array.astype(np.uint16)
    if as_stored and grey_depth in (2, 4):
        array = array // np.uint8(255 // (2**grey_depth - 1))
    return array


def _png_depth(path: Path) -> tuple[int, int]:
    with path.open("rb") as file:
        head = file.read(26)
    if head[12:16] != b"IHDR":
        return 8, -1
    depth, colour_type = struct.unpack_from("BB", head, 24)
    return depth, colour_type
