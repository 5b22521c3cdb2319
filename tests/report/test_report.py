"""The page and its tables, from run folders in the true formats."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from samadapt.core.colors import color_of
from samadapt.core.errors import RunFolderError
from samadapt.report import report
from samadapt.report.conditions import conditions_of
from samadapt.report.empty import empty_masks_in_words
from samadapt.report.overlays import contours
from samadapt.report.published import FLARE22
from samadapt.report.runs import read_runs
from samadapt.report.tables import tables_of
from samadapt.report.verdict import headline, paired_differences

VOID = {"meta", "img", "br", "link"}


class Outline(HTMLParser):
    """Headings, captions and addresses of a page; complains about tags that do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.found, self.addresses = [], {}, []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.addresses += [value for key, value in attributes if key in ("src", "href", "xlink:href", "action")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.addresses += [value for key, value in attributes if key in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open:
            self.found.setdefault(self.open[-1], []).append(data.strip())


def read_csv(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_page_is_whole_and_points_nowhere(three, tmp_path):
    page = report(three, tmp_path / "out" / "page.html")
    text = page.read_text(encoding="utf-8")
    outline = Outline(text)
    assert outline.open == []
    assert len(outline.addresses) > 18
    assert all(address.startswith(("data:image/png;base64,", "#")) for address in outline.addresses)
    assert not re.search(r"https?://|@import|url\((?!#)|<script|<link", text)
    sections = ["Dice by label", "Boundaries", "Best, median and worst", "Training", "Cost", "Provenance"]
    assert outline.found["h2"] == sections
    assert text.count("<caption>") == text.count("<table") == 5
    assert len(re.findall(r'<th scope="row">', text)) == 16 + 14 + 14 + 3 + len(three_facts(three))


def three_facts(runs):
    return tables_of(read_runs(runs))["provenance"].lines


def test_the_same_runs_give_the_same_bytes(three, tmp_path):
    first = report(three, tmp_path / "a.html").read_bytes()
    assert report(three, tmp_path / "b.html").read_bytes() == first


def test_every_figure_of_every_summary_is_in_the_csv(three, tmp_path):
    report(three, tmp_path / "page.html")
    rows = read_csv(tmp_path / "page-figures.csv")
    entries = [e for run in (three[0], three[2]) for e in json.loads((run / "summary.json").read_text())]
    assert len(rows) == len(entries) > 400
    for row, entry in zip(rows, entries):
        assert row["mean"] == ("" if entry["mean"] is None else repr(entry["mean"]))
        assert (row["name"], row["figure"], int(row["n"])) == (entry["name"], entry["figure"], entry["n"])


def test_the_wide_csv_and_markdown_hold_the_table(three, tmp_path):
    report(three, tmp_path / "page.html")
    rows = read_csv(tmp_path / "page-dice.csv")
    assert len(rows) == 16
    wanted = {"prompts": "box", "choice": "oracle", "name": "spleen", "figure": "dice"}
    [entry] = [e for e in json.loads((three[0] / "summary.json").read_text()) if wanted.items() <= e.items()]
    spleen = next(row for row in rows if row["Label"] == "spleen")
    assert float(spleen["tiny zero-shot, boxes from the ground truth, oracle: mean"]) == entry["mean"]
    text = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        *("## Dice by label", "## Boundary distance by label", "## Boundary agreement by label"),
        *("## Cost", "## Provenance"),
    ]
    widths = {line.replace("\\|", "").count("|") for line in text.split("## Boundary")[0].splitlines() if "|" in line}
    assert len(widths) == 1


def test_columns_say_where_prompts_come_from_and_the_ellipse_stands_first(three):
    table = tables_of(read_runs(three))["dice"]
    ours = [column for column in table.columns if column.kind != "published"]
    assert ours[0].title == "No model, boxes from the ground truth, ellipse in the box"
    assert [column.title for column in ours[1:3]] == [
        f"tiny zero-shot, boxes from the ground truth, {choice}" for choice in ("predicted", "oracle")
    ]
    assert ours[-1].title == "tiny adapted (LoRA rank 4), no prompts, prompt-free"
    assert [line.name for line in table.lines[-2:]] == ["average without background", "average with background"]


def test_bold_is_the_best_model_never_ellipse_or_oracle(three):
    for slug, choose in (("dice", max), ("nsd", max)):
        table = tables_of(read_runs(three))[slug]
        running = [i for i, column in enumerate(table.columns) if column.kind == "model"]
        assert len(running) == 4
        for line in table.lines:
            bold = [i for i, cell in enumerate(line.cells) if cell.best]
            best = choose(float(line.cells[i].text) for i in running)
            assert bold == [i for i in running if float(line.cells[i].text) == best]


def test_a_missed_organ_is_counted_and_cannot_win_the_distance(make, tmp_path):
    one = make.evaluation(tmp_path / "one", (("box", "model", "predicted"), ("point:1", "model", "predicted")))
    rows = (one / "rows.csv").read_text().replace(",0,0.5,,1\n", ",700,0.5,,1\n", 1)  # the liver found with boxes
    (one / "rows.csv").write_text(rows)
    liver = next(line for line in tables_of(read_runs([one]))["hd95"].lines if line.name == "liver")
    assert [cell.remark for cell in liver.cells] == ["", "1 of 4 missed"]
    assert [cell.best for cell in liver.cells] == [True, False]


def test_published_columns_only_beside_their_own_labels(make, three, tmp_path):
    table = tables_of(read_runs(three))["dice"]
    grey = [i for i, column in enumerate(table.columns) if column.kind == "published"]
    assert len(grey) == 6
    assert [table.lines[1].cells[i].text for i in grey] == [f"{v:.3f}" for v in FLARE22.rows["liver"]]
    assert any("accuracy" in note for note in table.notes)
    other = make.evaluation(tmp_path / "other", names=("polyp",))
    assert not [c for c in tables_of(read_runs([other]))["dice"].columns if c.kind == "published"]


def test_published_averages_are_those_of_their_rows():
    for column, average in enumerate(FLARE22.average):
        mean = np.mean([row[column] for row in FLARE22.rows.values()])
        assert mean == pytest.approx(average, abs=6e-4)
    assert len(FLARE22.rows) == 14


def test_the_verdict_compares_before_and_after_case_by_case(three):
    conditions = {(c.prompts, c.choice): c for c in conditions_of(read_runs(three))}
    before, after = conditions[("box", "predicted")], conditions[("none", "semantic")]
    differences = paired_differences(before, after)
    assert np.mean(differences) == pytest.approx(after.mean()["mean"] - before.mean()["mean"])
    said = headline(read_runs(three)).verdict
    assert f"{after.mean()['mean']:.3f}" in said
    assert f"{before.mean()['mean']:.3f}" in said
    assert f"{np.mean(differences):+.3f} (95 % interval" in said
    assert "over 4 cases" in said


def test_the_verdict_says_over_which_cases_the_difference_is(make, tmp_path):
    runs = [make.evaluation(tmp_path / name, cases=cases, draw=cases) for name, cases in (("a", 4), ("b", 6))]
    manifest = json.loads((runs[0] / "run.json").read_text())
    manifest["facts"]["cases"] = 6
    (runs[0] / "run.json").write_text(json.dumps(manifest))
    assert "over the 4 cases that both have)" in headline(read_runs(runs)).verdict


def test_other_data_is_not_compared(make, tmp_path):
    one = make.evaluation(tmp_path / "one")
    semantic = (("none", "model", "semantic"),)
    two = make.evaluation(tmp_path / "two", semantic, adapter_hash="38", store_fingerprint="other")
    head = headline(read_runs([one, two]))
    assert "difference" not in head.verdict
    assert any("different data" in warning for warning in head.warnings)


def test_one_case_has_no_interval(make, tmp_path):
    table = tables_of(read_runs([make.evaluation(tmp_path / "one", cases=1)]))["dice"]
    assert {cell.detail for line in table.lines for cell in line.cells} == {""}
    assert any("no interval" in note for note in table.notes)


@pytest.mark.parametrize(("labels", "size"), [(1, (40, 30)), (117, (40, 30)), (2, (900, 1500))])
def test_any_number_of_labels_and_any_size(make, tmp_path, labels, size):
    names = [f"structure {i}" for i in range(1, labels + 1)]
    run = make.evaluation(tmp_path / "run", names=names, size=size, cases=2, datasets=["kvasir-seg"])
    text = report(run, tmp_path / "page.html").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if '<tr><th scope="row">structure' in line]
    assert len(rows) == 3 * labels
    widths = [int(w) for w in re.findall(r'<img [^>]*width="(\d+)"', text)]
    assert len(widths) == 9
    assert all(256 <= width <= 720 for width in widths)


def test_training_alone_has_curves_and_cost(make, tmp_path):
    text = report([make.training(tmp_path / "train")], tmp_path / "page.html").read_text(encoding="utf-8")
    assert Outline(text).found["h2"] == ["Training", "Cost", "Provenance"]
    assert "Training loss" in text
    assert "Mean Dice on the validation split" in text
    cost = read_csv(tmp_path / "page-cost.csv")[0]
    assert float(cost["Checkpoint, MB"]) == pytest.approx(0.271504)
    assert int(cost["Parameters, trained"]) == 161630
    assert not (tmp_path / "page-figures.csv").exists()


def test_what_is_missing_is_said(make, tmp_path):
    run = make.evaluation(tmp_path / "run")
    (run / "rows.csv").unlink()
    for path in (run / "overlays").iterdir():
        path.unlink()
    train = make.training(tmp_path / "train")
    (train / "log.jsonl").unlink()
    (train / "val.jsonl").unlink()
    text = report([run, train], tmp_path).read_text(encoding="utf-8")
    assert "run has no pictures." in text
    assert "train has written no curve yet." in text
    assert "run has no rows.csv" in text
    assert "1 left out" in text


def test_case_names_are_escaped(make, tmp_path):
    run = make.evaluation(tmp_path / "run", names=("<b>liver</b>",), datasets=["<script>"])
    text = report(run, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script" not in text
    assert "&lt;b&gt;liver" in text


def test_folders_that_cannot_be_reported_on(make, tmp_path):
    with pytest.raises(RunFolderError, match="no run folder was given"):
        report([], tmp_path / "page.html")
    with pytest.raises(RunFolderError, match=r"run\.json is missing"):
        report(tmp_path, tmp_path / "page.html")
    run = make.evaluation(tmp_path / "run")
    (run / "overlays" / "best_case_0000.npz").write_bytes(b"PK no")
    with pytest.raises(RunFolderError, match="best_case_0000"):
        report(run, tmp_path / "page.html")
    (run / "summary.json").unlink()
    with pytest.raises(RunFolderError, match="--resume"):
        report(run, tmp_path / "page.html")
    (run / "run.json").write_text('{"kind": "predict"}')
    with pytest.raises(RunFolderError, match="predict"):
        report(run, tmp_path / "page.html")
    (run / "run.json").write_text("{")
    with pytest.raises(RunFolderError, match="damaged"):
        report(run, tmp_path / "page.html")


def test_contours_follow_the_border_in_the_colour_of_the_label():
    labels = np.zeros((10, 10), dtype=np.uint16)
    labels[2:8, 2:8] = 3
    drawn = contours(np.zeros((40, 40, 3), dtype=np.uint8), labels)
    assert tuple(drawn[8, 20]) == color_of(3)
    assert tuple(drawn[20, 20]) == (0, 0, 0)
    assert tuple(drawn[7, 20]) == (0, 0, 0)
    assert len({color_of(label) for label in range(1, 118)}) == 117


def test_conventions_are_put_in_words():
    assert (
        "Dice of a label that is in neither truth nor prediction: left out; that is missed: 0"
        in empty_masks_in_words("strict")
    )
    assert "that is invented: 1" in empty_masks_in_words("transunet")
    assert empty_masks_in_words("of my own") == ""


def test_importing_is_light_and_the_package_can_be_called(three, tmp_path):
    code = (
        "import sys, samadapt.report as r; assert not {'matplotlib', 'jinja2', 'numpy'} & set(sys.modules);"
        f"r({[str(run) for run in three]!r}, {str(tmp_path / 'page.html')!r}); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (tmp_path / "page.html").stat().st_size > 50_000
