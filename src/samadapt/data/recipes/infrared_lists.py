"""Where published code for infrared small targets keeps its split lists."""

from __future__ import annotations

from pathlib import Path

_FOLDERS = ("idx_427", "50_50", "80_20", "img_idx", "splits", "")
_TRAIN, _TEST = ("trainval", "train"), ("test",)


def split_lists(source: Path) -> dict[str, str]:
    """{"train": file, "test": file} relative to `source`; empty unless both lists are there.

    Looks into idx_427/ (open-sirst: trainval.txt, test.txt), 50_50/ and 80_20/ (DNANet), img_idx/ (BasicIRSTD:
    train_NAME.txt, test_NAME.txt), splits/ and the folder itself.
    """
    for folder in _FOLDERS:
        files = sorted(path.name for path in (source / folder).glob("*.txt")) if (source / folder).is_dir() else []
        train, test = _first(files, _TRAIN), _first(files, _TEST)
        if train and test:
            return {"train": str(Path(folder) / train), "test": str(Path(folder) / test)}
    return {}


def _first(files: list[str], starts: tuple[str, ...]) -> str | None:
    return next((name for start in starts for name in files if name.lower().startswith(start)), None)
