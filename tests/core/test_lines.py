"""Files of JSON lines."""

from __future__ import annotations

from pathlib import Path

from samadapt.core.lines import append_line, read_lines


def test_a_cut_line_is_skipped_and_does_not_spoil_the_next(tmp_path: Path):
    path = tmp_path / "lines.jsonl"
    assert list(read_lines(path)) == []
    append_line(path, {"a": 1})
    append_line(path, [2, "ü"])
    with open(path, "ab") as file:
        file.write('{"cut": "ü'.encode()[:-1])
    assert list(read_lines(path)) == [{"a": 1}, [2, "ü"]]
    append_line(path, 3)
    append_line(path, 4)
    assert list(read_lines(path)) == [{"a": 1}, [2, "ü"], 3, 4]
