"""The demo on a few tiny phantoms: every stage, resume, another demo in the same folder."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from samadapt.core.errors import RunFolderError
from samadapt.core.grid import Grid
from samadapt.data import phantoms
from samadapt.study import demo as module
from samadapt.study.demo import demo


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, small_model: Path) -> dict[str, object]:
    write, fields = phantoms.write_flare22, module.training_fields
    monkeypatch.setattr(
        phantoms, "write_flare22", lambda out, cases, seed: write(out, cases, seed, (8, 48, 48), (24.0, 7.5, 7.5))
    )
    few = {"steps": 2, "batch_size": 2, "image_size": 64, "num_workers": 0}
    monkeypatch.setattr(module, "training_fields", lambda *a: fields(*a) | few)
    return {"model": str(small_model), "cases": 6}


def test_demo_runs_every_stage_and_is_resumed(
    small: dict[str, object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "demo"
    result = demo(out=out, **small)
    assert result.report.exists()
    assert "Phantoms" in result.report.read_text() or "phantoms" in result.report.read_text()
    assert 0 <= result.adapted <= 1
    assert capsys.readouterr().err.count(" s\n") == 3
    with pytest.raises(RunFolderError, match="already there"):
        demo(out=out, **small)
    again = demo(out=out, resume=True, **small)
    assert (again.zero_shot, again.adapted) == (result.zero_shot, result.adapted)
    assert capsys.readouterr().err.count("done before") == 3
    with pytest.raises(RunFolderError, match="another run"):
        demo(out=out, resume=True, **(small | {"cases": 7}))


@pytest.mark.parametrize(
    ("spacing", "is_volume", "count", "planes"),
    [
        ((1.0, 1.2, 1.0), True, 40, 3),
        ((1.0, 1.2, 1.0), True, 41, 1),
        ((5.0, 1.0, 1.0), True, 40, 1),
        ((1, 1, 1), False, 40, 1),
    ],
)
def test_few_volumes_of_even_spacing_are_looked_at_along_all_axes(spacing, is_volume, count, planes):
    shape = (35, 40, 50)
    case = SimpleNamespace(shape=shape, grid=Grid.from_spacing(shape, spacing), is_volume=is_volume)
    store = SimpleNamespace(cases=[case, case], split=lambda name: range(count))
    assert module.training_fields(store, "full")["task"]["planes"] == planes
