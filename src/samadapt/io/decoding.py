"""The border between third-party decoders and the rest: whatever they raise becomes one error type."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import FileFormatError, NonFiniteValues, SamadaptError


@contextmanager
def decoding(path: Path, title: str) -> Iterator[None]:
    """Turn any failure of a decoder into `FileFormatError` that names the file."""
    try:
        yield
    except (SamadaptError, MemoryError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[-200:] or type(error).__name__
        raise FileFormatError(
            f"the {title} file cannot be decoded ({reason})",
            where=path,
            remedy="It is probably truncated or damaged: copy or download it again.",
        ) from error


def native(array: NDArray[Any], path: Path) -> NDArray[Any]:
    """Array of a plain numeric type in this machine's byte order; float16 widened, bool as 0/1.

    Raises
    ------
    FileFormatError
        If the type is complex, text, or an object.
    """
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    if array.dtype.kind not in "iuf":
        raise FileFormatError(
            f"values of type {array.dtype} are not an image",
            where=path,
            remedy="Save real numbers, for example the magnitude of a complex image.",
        )
    if array.dtype.itemsize not in (1, 4, 8) and array.dtype.kind == "f":
        return array.astype(np.float32 if array.dtype.itemsize < 4 else np.float64)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def shifted(values: NDArray[Any], offset: int) -> NDArray[Any]:
    """Integers of at most 16 bit plus `offset`, exact: int16 where that holds them, else int32."""
    moved = values.astype(np.int32) + np.int32(offset)
    fits = moved.size == 0 or (moved.min() >= -(2**15) and moved.max() < 2**15)
    return moved.astype(np.int16) if fits else moved


def require_finite(array: NDArray[Any], path: Path) -> None:
    """Raise `NonFiniteValues` with the number of NaN and infinite values, if there are any."""
    if array.dtype.kind != "f":
        return
    bad = array.size - int(np.count_nonzero(np.isfinite(array)))
    if bad:
        nans = int(np.isnan(array).sum())
        raise NonFiniteValues(
            f"{bad} of {array.size} values are not finite ({nans} NaN, {bad - nans} infinite)",
            where=path,
            remedy='Open it with nonfinite="zero" to set them to 0, or repair the file.',
        )
