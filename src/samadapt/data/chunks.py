"""One array as one compressed chunk: blosc2 with zstd, one thread.

Measured on 512 x 512 int16 slices of a real CT: level 1 with byte shuffle compresses in 0.65 ms to 1/2.93,
level 5 in 4.0 ms to 1/2.95, level 9 in 124 ms to 1/3.00; all read in 0.25 ms. So images take level 1. Labels
compress hundredfold at any level.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

IMAGE_LEVEL = 1
LABEL_LEVEL = 5
_MAX_TYPESIZE = 255


def compress_image(pixels: NDArray[Any]) -> bytes:
    """Chunk of an (H, W) or (H, W, C) array; the bytes of a pixel are shuffled apart."""
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    return _compress(pixels, min(pixels.itemsize * channels, _MAX_TYPESIZE), IMAGE_LEVEL)


def compress_labels(layers: NDArray[Any]) -> bytes:
    """Chunk of an (L, H, W) array of label values."""
    return _compress(layers, layers.itemsize, LABEL_LEVEL)


def decompress(chunk: bytes, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Array of a chunk.

    Raises
    ------
    ValueError
        If the chunk is damaged or holds an array of another size.
    """
    import blosc2

    out = np.empty(shape, dtype=dtype)
    try:
        size, _, _ = blosc2.get_cbuffer_sizes(chunk)
        if size != out.nbytes:
            raise ValueError(f"the chunk holds {size} bytes, not {out.nbytes}")
        blosc2.decompress2(chunk, dst=out, nthreads=1)
    except RuntimeError as error:
        raise ValueError(str(error)) from error
    return out


def checksum(chunk: bytes) -> int:
    """CRC-32 of the compressed bytes."""
    return zlib.crc32(chunk)


def _compress(array: NDArray[Any], typesize: int, level: int) -> bytes:
    import blosc2

    filters = [blosc2.Filter.SHUFFLE if typesize > 1 else blosc2.Filter.NOFILTER]
    chunk = blosc2.compress2(
        np.ascontiguousarray(array),
        codec=blosc2.Codec.ZSTD,
        clevel=level,
        filters=filters,
        typesize=typesize,
        nthreads=1,
    )
    return bytes(chunk)
