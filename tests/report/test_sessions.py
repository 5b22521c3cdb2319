"""Sessions of clicks on the page."""

from __future__ import annotations

from samadapt.report import report
from samadapt.report.conditions import conditions_of
from samadapt.report.curves import dice_by_clicks
from samadapt.report.runs import read_runs
from samadapt.report.sessions import session_table, sessions_of
from samadapt.report.tables import tables_of


def test_page_has_the_table_and_the_curve_of_every_session(make, tmp_path):
    runs = [make.sessions(tmp_path / "a", "clicks:5"), make.sessions(tmp_path / "b", "volume-box+clicks:5")]
    text = report(runs, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "What clicks bring" in text
    assert text.count('aria-label="dice by clicks"') == 1
    table = tables_of(read_runs(runs))["sessions"]
    assert [line.detail for line in table.lines] == [
        "5 correction clicks",
        "a box in the middle slice and 5 correction clicks",
    ]
    assert (tmp_path / "page-sessions.csv").read_text().count("\n") == 3


def test_cells_are_those_of_the_summary(make, tmp_path):
    runs = read_runs([make.sessions(tmp_path / "run")])
    table = session_table(runs)
    entries = {(e["prompts"], e["figure"]): e for e in runs[0].summary if e["name"] == "mean without background"}
    cells = dict(zip((column.title for column in table.columns), table.lines[0].cells))
    assert cells["Dice, area"].values["mean"] == entries["clicks:5", "dice_auc"]["mean"]
    assert cells["area, largest"].text == "4"
    assert cells["clicks, to Dice 0.85"].values["missed"] == entries["clicks:5", "missed_dice_0.85"]["mean"]
    assert cells["predicted IoU, correlation"].text == "0.710"
    assert len(cells) == 10


def test_columns_show_some_rounds_only(make, tmp_path):
    runs = read_runs([make.sessions(tmp_path / "run", "box+clicks:7")])
    shown = [f"box+clicks:{n}" for n in (0, 1, 3, 5, 7)]
    assert [condition.prompts for condition in conditions_of(runs)] == shown
    session = sessions_of(runs)[0]
    assert [clicks for clicks, _ in session.curve()] == list(range(8))


def test_without_sessions_there_is_no_table(three):
    runs = read_runs(three)
    assert session_table(runs) is None
    assert dice_by_clicks(sessions_of(runs)) is None
