"""The format of a file from its first bytes; its name never matters."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from samadapt.core.errors import FileFormatError
from samadapt.io import readers

HEAD = 1024
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00", "tiff"),
    (b"MM\x00+", "tiff"),
    (b"NRRD000", "nrrd"),
    (b"\x93NUMPY", "npy"),
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
)
_NOT_IMAGES: tuple[tuple[bytes, str, str], ...] = (
    (
        b"version https://git-lfs",
        "this is a Git LFS pointer, not the file itself",
        "Run `git lfs pull` in the repository.",
    ),
    (
        b"<!doctype html",
        "this is a web page, not an image",
        "The download failed or needs a login: download the file again.",
    ),
    (b"<html", "this is a web page, not an image", "The download failed or needs a login: download the file again."),
)


def sniff(path: str | Path) -> str:
    """Name of the format of a file, or of the files in a folder that holds a DICOM series.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    str
        A key of the reader table: "nifti", "nrrd", "metaimage", "png", "jpeg", "tiff", "npz", "npy", "hdf5", "dicom".

    Raises
    ------
    FileFormatError
        If the path is missing, a folder of anything else, empty, or of a format that nothing reads.
    """
    path = Path(path)
    head = read_head(path) if not path.is_dir() else _head_in_folder(path)
    name = format_of(head) or readers.accepting(head)
    if name is None:
        raise _unknown(path, head)
    return name


def read_head(path: Path) -> bytes:
    """First bytes of a file that exists and is not empty."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except FileNotFoundError as error:
        raise FileFormatError("there is no such file", where=path, remedy="Check the path.") from error
    except OSError as error:
        raise FileFormatError(f"the file cannot be opened ({error.strerror})", where=path) from error
    if not head:
        raise FileFormatError("the file is empty (0 bytes)", where=path, remedy="Copy or download it again.")
    return head


def format_of(head: bytes) -> str | None:
    """Format name by the first bytes of a file, None where nothing here knows them."""
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if head[128:132] == b"DICM":
        return "dicom"
    if head.startswith(b"PK\x03\x04"):
        return "npz" if _first_member(head).endswith(b".npy") else None
    if _is_nifti(_unzipped(head) if head.startswith(b"\x1f\x8b") else head):
        return "nifti"
    return "metaimage" if _is_metaimage(head) else None


def _first_member(head: bytes) -> bytes:
    if len(head) < 30:
        return b""
    (length,) = struct.unpack_from("<H", head, 26)
    return head[30 : 30 + length]


def _unzipped(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(head, HEAD)
    except zlib.error:
        return b""


def _is_nifti(head: bytes) -> bool:
    return len(head) >= 348 and {struct.unpack_from(order + "i", head)[0] for order in "<>"} & {348, 540} != set()


def _is_metaimage(head: bytes) -> bool:
    keys = [line.split(b"=")[0].strip() for line in head.split(b"\n")[:12] if b"=" in line]
    return b"NDims" in keys or b"ObjectType" in keys[:2]


def _head_in_folder(folder: Path) -> bytes:
    for child in sorted(folder.iterdir()):
        if child.is_file() and not child.name.startswith("."):
            with child.open("rb") as file:
                head = file.read(HEAD)
            if format_of(head) == "dicom":
                return head
    raise FileFormatError(
        "this is a folder, not an image", where=folder, remedy="Name one file; samadapt.io.find_images lists a folder."
    )


def _unknown(path: Path, head: bytes) -> FileFormatError:
    start = head.lstrip()[:64].lower()
    for magic, what, remedy in _NOT_IMAGES:
        if start.startswith(magic):
            return FileFormatError(what, where=path, remedy=remedy)
    if head.startswith(b"\x1f\x8b"):
        what = "a gzip file without a readable NIfTI header: truncated, damaged, or something else inside"
    else:
        what = f"nothing here reads this format (the file begins with {head[:8]!r})"
    return FileFormatError(what, where=path, remedy=readers.WHAT_IS_READ)
