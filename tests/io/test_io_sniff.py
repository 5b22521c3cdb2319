"""Formats by content, the reader table, folders."""

from __future__ import annotations

import sys
import zipfile
from importlib import metadata
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest

import samadapt.io as io
from samadapt.core.errors import ConfigError, FileFormatError
from samadapt.core.grid import Grid
from samadapt.core.image import Image
from samadapt.io import readers

DICOM = b"\0" * 128 + b"DICM" + b"\0" * 400


def _point(name: str, value: str) -> metadata.EntryPoint:
    return metadata.EntryPoint(name, value, readers.GROUP)


@pytest.fixture
def foreign(monkeypatch):
    """Install a reader from another package under a format name."""

    def install(name: str, accepts=None) -> None:
        def read(path, options):
            return Image(
                np.full((2, 3), 5, np.uint8), Grid.from_spacing((2, 3), (1.0, 1.0)), options.modality, str(path)
            )

        if accepts is not None:
            read.accepts = accepts
        monkeypatch.setitem(sys.modules, "foreign_reader", SimpleNamespace(read=read))
        monkeypatch.setattr(readers, "installed", lambda: readers.table([_point(name, "foreign_reader:read")]))

    return install


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\x89PN", "nothing here reads"),
        (b"GIF89a" + b"\0" * 500, "nothing here reads"),
        (b"hello world\n" * 50, "nothing here reads"),
        (b"\x1f\x8b\x08\0garbage", "gzip"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\n", "Git LFS"),
        (b"<!DOCTYPE html><html>sign in</html>", "web page"),
        (DICOM, "DICOM"),
    ],
)
def test_files_that_are_not_images(tmp_path, content, words):
    path = tmp_path / "x.nii.gz"
    path.write_bytes(content)
    for read in (io.open, io.open_label, io.open_pair):
        with pytest.raises(FileFormatError, match=words) as caught:
            read(path)
        assert caught.value.where == path
        assert caught.value.remedy


def test_unknown_formats_list_what_is_read(tmp_path):
    (tmp_path / "x").write_bytes(b"hello")
    with pytest.raises(FileFormatError, match=r"NIfTI .*NRRD.*MetaImage.*DICOM.*PNG.*JPEG.*TIFF.*\.npz.*HDF5"):
        io.open(tmp_path / "x")


def test_missing_files_folders_and_other_archives(tmp_path):
    with pytest.raises(FileFormatError, match="no such file"):
        io.open(tmp_path / "absent.png")
    with pytest.raises(FileFormatError, match="folder"):
        io.open(tmp_path)
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as file:
        file.writestr("readme.txt", "hello")
    with pytest.raises(FileFormatError, match="nothing here reads"):
        io.open(tmp_path / "x.npz")


def test_a_registered_reader_may_bring_a_new_format(tmp_path, foreign):
    foreign("mnc", accepts=lambda head: head.startswith(b"CDF"))
    (tmp_path / "x").write_bytes(b"CDF\x01rest")
    assert io.open(tmp_path / "x").pixels.shape == (2, 3)
    (tmp_path / "y").write_bytes(b"other")
    with pytest.raises(FileFormatError):
        io.open(tmp_path / "y")


def test_two_readers_for_one_format_are_refused():
    for points in ([_point("png", "other:read")], [_point("mnc", "a:read"), _point("mnc", "b:read")]):
        with pytest.raises(ConfigError, match="two readers claim"):
            readers.table(points)
    assert readers.table([]) == readers.BUILT_IN


def test_every_built_in_reader_exists():
    assert all(callable(readers.load(target)) for target in readers.BUILT_IN.values())
    assert len(readers.BUILT_IN) == 10


def test_images_of_a_folder_in_natural_order(tmp_path):
    for name in ("slice10.png", "slice2.png", "Slice1.dat", ".hidden.png", "sub/slice3.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        PIL.Image.new("L", (4, 4)).save(tmp_path / name, format="PNG")
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "i0001.dcm").write_bytes(DICOM)
    assert [path.name for path in io.find_images(tmp_path)] == ["Slice1.dat", "slice2.png", "slice10.png"]
    deep = [path.relative_to(tmp_path).as_posix() for path in io.find_images(tmp_path, recursive=True)]
    assert deep == ["Slice1.dat", "slice2.png", "slice10.png", "sub/slice3.png"]
    for missing in (tmp_path / "absent", tmp_path / "notes.txt"):
        with pytest.raises(FileFormatError, match="folder"):
            io.find_images(missing)


def test_import_is_light():
    import subprocess

    heavy = "'torch', 'scipy', 'nibabel', 'SimpleITK', 'PIL', 'tifffile', 'h5py', 'pydicom'"
    code = f"import sys, samadapt.io; print([m for m in ({heavy}) if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
