"""Comparing runs: what is refused, names, tests against the metrics, cost, published columns, the page itself."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from samadapt import metrics
from samadapt.core.errors import DataError, RunFolderError
from samadapt.report.compare import compare
from samadapt.report.grid import p_text
from samadapt.report.methods import differences_of, methods_of, read_with_training
from samadapt.report.published import TABLES, published_for
from samadapt.report.runs import read_runs

SEMANTIC = (("none", "model", "semantic"),)
COUNTED = {"iou": 0.5, "pd": 0.75, "fa": 12e-6}
BOX = (("box", "ellipse", "baseline"), ("box", "model", "predicted"), ("box", "model", "oracle"))


def read_csv(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def runs(make, tmp_path: Path) -> list[Path]:
    """Boxes zero-shot, LoRA with its training, a specialist and a rival program, 12 cases each."""
    train = make.training(tmp_path / "train")
    zero = make.evaluation(tmp_path / "zero-shot", BOX, cases=12)
    lora = make.evaluation(tmp_path / "lora", SEMANTIC, source=str(train), draw=5, adapter_hash="38", cases=12)
    unet = make.evaluation(tmp_path / "unet", SEMANTIC, draw=9, cases=12, model="unet", family="specialist")
    rival = make.evaluation(tmp_path / "rival", SEMANTIC, draw=3, cases=12, model="nnunet")
    manifest = json.loads((rival / "run.json").read_text())
    (rival / "run.json").write_text(json.dumps(manifest | {"kind": "score"}))
    return [zero, lora, unet, rival]


NAMES = ["tiny zero-shot, boxes", "tiny adapted (LoRA rank 4), no prompts", "unet, no prompts", "nnunet, no prompts"]


def test_the_page_holds_every_method_pair_and_label(runs, tmp_path):
    page = compare(runs, tmp_path / "out" / "compare.html").read_text(encoding="utf-8")
    methods = read_csv(tmp_path / "out" / "compare-methods.csv")
    assert [row["Method"] for row in methods] == NAMES
    pairs = read_csv(tmp_path / "out" / "compare-pairs.csv")
    assert len(pairs) == 6
    differences = read_csv(tmp_path / "out" / "compare-differences.csv")
    assert len(differences) == 13
    assert len([key for key in differences[0] if key.endswith(": p Holm")]) == 3
    assert not re.search(r"https?://|@import|url\((?!#)|<script|<link", page)
    headings = re.findall(r"<h2>([^<]*)</h2>", page)
    assert headings[:4] == ["Methods", "Every pair", "Label by label", "Dice by label"]
    assert headings[-2:] == ["Cost", "Provenance"]
    assert "Published for FLARE22" in page
    assert (tmp_path / "out" / "compare.md").read_text().count("## ") == len(headings)


def test_tests_are_those_of_the_metrics(runs, tmp_path):
    compare(runs, tmp_path / "compare.html")
    methods = methods_of(read_with_training(runs))
    expected = metrics.compare_all({m.name: m.by_case() for m in methods}, 0)
    for row, ((first, second), one) in zip(read_csv(tmp_path / "compare-pairs.csv"), expected.items(), strict=True):
        assert row["Methods"] == f"{second} – {first}"
        assert (float(row["p"]), float(row["p, Holm"])) == (one.p, one.p_holm)
        assert float(row["Difference: low"]) == one.low
    found = {
        (name, m.name): metrics.paired_difference(methods[0].by_case(name), m.by_case(name)).p
        for name in (row["Label"] for row in read_csv(tmp_path / "compare-differences.csv"))
        for m in methods[1:]
    }
    corrected = dict(zip(found, metrics.holm(list(found.values()))))
    spleen = next(row for row in read_csv(tmp_path / "compare-differences.csv") if row["Label"] == "spleen")
    assert float(spleen["unet, no prompts: p Holm"]) == corrected["spleen", "unet, no prompts"]


def test_the_sentence_says_what_can_be_told_apart(runs, tmp_path):
    page = compare(runs, tmp_path / "compare.html").read_text(encoding="utf-8")
    said = re.search(r'<p class="verdict">(.*?)</p>', page)[1]
    best = max(methods_of(read_with_training(runs)), key=lambda m: m.condition.mean()["mean"])
    assert said.startswith(f"{best.name} has the highest mean Dice, {best.condition.mean()['mean']:.3f}.")
    assert "better than tiny zero-shot, boxes" in said
    assert "may be chance" in said


def test_cost_is_read_from_the_training_beside(runs, tmp_path):
    compare(runs, tmp_path / "compare.html")
    rows = read_csv(tmp_path / "compare-methods.csv")
    assert rows[1]["Cost, Trained"] == "161630"
    assert float(rows[1]["Cost, Trained part, MB"]) == pytest.approx(0.271504)
    assert rows[0]["Cost, Trained"] == ""
    assert rows[0]["Cost, Parameters"] == "3564928"


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"store_fingerprint": "other"}, "different data"),
        ({"split": "val"}, "different splits"),
        ({"convention": "transunet"}, "different conventions"),
        ({"cases": 7}, "different cases: zero-shot 12 cases, other 7 cases"),
        ({"prompts": [{"policy": "box", "hash": "f" * 16}]}, "“box” are not the same"),
    ],
)
def test_runs_that_differ_are_refused_or_warned_of(make, runs, tmp_path, facts, said):
    other = make.evaluation(tmp_path / "other", BOX, **{"cases": 12, "draw": 4} | facts)
    with pytest.raises(DataError, match=re.escape(said)):
        compare([runs[0], other], tmp_path / "compare.html")
    assert not (tmp_path / "compare.html").exists()
    page = compare([runs[0], other], tmp_path / "compare.html", anyway=True).read_text(encoding="utf-8")
    assert said in re.search(r'<p class="warning">(.*?)</p>', page)[1]


def test_clicks_of_sessions_are_each_models_own(make, tmp_path):
    sets = [[{"policy": "clicks:3", "hash": letter * 16}] for letter in "ab"]
    both = [make.evaluation(tmp_path / f"run{k}", BOX, draw=k, prompts=one) for k, one in enumerate(sets)]
    assert differences_of(read_runs(both)) == []


def test_what_cannot_be_compared(make, runs, tmp_path):
    with pytest.raises(DataError, match="hold 1 method"):
        compare(runs[:1], tmp_path / "compare.html")
    (runs[1] / "rows.csv").unlink()
    with pytest.raises(RunFolderError, match=r"rows\.csv is missing"):
        compare(runs, tmp_path / "compare.html")


def test_two_runs_of_one_model_keep_apart(make, tmp_path):
    both = [make.evaluation(tmp_path / name, SEMANTIC, draw=k, cases=12) for k, name in enumerate(("first", "second"))]
    names = [m.name for m in methods_of(read_runs(both))]
    assert len(set(names)) == 2
    assert ["first" in names[0], "second" in names[1]] == [True, True]


def test_internal_and_external_cases_of_the_same_weights(make, runs, tmp_path):
    external = make.evaluation(tmp_path / "amos", BOX, cases=9, draw=7, store_fingerprint="x", datasets=["amos"])
    page = compare(runs, tmp_path / "compare.html", external=[external]).read_text(encoding="utf-8")
    assert "on amos (external)" in page
    [row] = read_csv(tmp_path / "compare-external.csv")
    inside, outside = (methods_of(read_runs([run]))[0].by_case() for run in (runs[0], external))
    gap = metrics.gap_between(inside, outside)
    assert row["Method"] == NAMES[0]
    assert (float(row["Difference: mean"]), float(row["p"])) == (gap.difference, gap.p)


def test_external_sets_stand_set_by_set_and_together(make, runs, tmp_path):
    same = {"draw": 7, "datasets": ["folder"]}
    several = [
        make.evaluation(tmp_path / name, BOX, cases=n, store=f"/x/{name}", store_fingerprint=name, **same)
        for name, n in (("polyps", 4), ("nuclei", 8))
    ]
    page = compare([*runs], tmp_path / "compare.html", external=several).read_text(encoding="utf-8")
    assert "on folder (polyps), folder (nuclei) (external)" in page
    lines = read_csv(tmp_path / "compare-external.csv")
    assert [row["Method"] for row in lines] == [f"{NAMES[0]}, on folder ({name})" for name in ("polyps", "nuclei")]
    [row] = read_csv(tmp_path / "compare-external-sets.csv")
    rows = [r for run in read_runs(several) for r in run.rows if r["label"] and r["choice"] == "predicted"]
    assert len(rows) == 13 * 12
    assert float(row["All, weighted by masks: mean"]) == pytest.approx(sum(r["dice"] for r in rows) / len(rows))
    assert int(row["folder (polyps): n"]) == 13 * 4
    other = make.evaluation(tmp_path / "larger", BOX, cases=4, image_size=256, store_fingerprint="z", **same)
    compare(runs, tmp_path / "compare2.html", external=[other])
    assert not (tmp_path / "compare2-external.csv").exists()


def test_modalities_are_told_apart_organ_by_organ(make, tmp_path):
    both = [make.evaluation(tmp_path / str(k), BOX, draw=k, cases=12, model=f"m{k}") for k in range(2)]
    compare(both, tmp_path / "compare.html")
    assert not (tmp_path / "compare-modalities.csv").exists()
    for run in both:
        lines = (run / "rows.csv").read_text().splitlines()
        told = [line.replace(",,1", ",CT,1" if int(line[5:9]) < 4 else ",MR,1") for line in lines[1:]]
        (run / "rows.csv").write_text("\n".join([lines[0], *told]) + "\n")
    compare(both, tmp_path / "compare.html")
    table = {row["Modality: organ"]: row for row in read_csv(tmp_path / "compare-modalities.csv")}
    assert len(table) == 2 * (13 + 1)
    rows = [r for r in read_runs(both)[1].rows if r["choice"] == "predicted"]
    spleen = [r["dice"] for r in rows if r["name"] == "spleen" and r["modality"] == "MR"]
    assert len(spleen) == 8
    assert float(table["MR: spleen"]["m1 zero-shot: mean"]) == pytest.approx(sum(spleen) / 8)
    whole = [r["dice"] for r in rows if r["label"] and r["modality"] == "CT"]
    assert float(table["CT"]["m1 zero-shot: mean"]) == pytest.approx(sum(whole) / len(whole))


def test_of_many_methods_those_that_were_told_the_same_are_tested(make, tmp_path):
    policies = tuple((f"point:{n}", "model", "predicted") for n in (1, 3, 5))
    three = [make.evaluation(tmp_path / f"m{k}", policies, draw=k, cases=12, model=f"m{k}") for k in range(3)]
    page = compare(three, tmp_path / "compare.html").read_text(encoding="utf-8")
    pairs = [row["Methods"].split(" – ") for row in read_csv(tmp_path / "compare-pairs.csv")]
    assert len(pairs) == 3 * 3
    assert all(first.rpartition(", ")[2] == second.rpartition(", ")[2] for first, second in pairs)
    assert "only those that were told the same" in page
    differences = read_csv(tmp_path / "compare-differences.csv")[0]
    assert sum(key.endswith(": mean") for key in differences) == 6
    assert not any(key.startswith("m0") for key in differences)


def test_conventions_stand_on_the_page_of_a_comparison(make, runs, tmp_path):
    names = ("convention", "prompts", "method", "choice", "name", "figure", "value", "unit", "n", "left_out")
    values = ("transunet", "box", "model", "predicted", "mean without background", "dice", 0.8123, "voxel", 12, 0)
    (runs[0] / "conventions.json").write_text(json.dumps([dict(zip(names, values))]))
    page = compare(runs, tmp_path / "compare.html").read_text(encoding="utf-8")
    assert "Under the convention “transunet”" in page
    assert "never compare two of them" not in page
    assert "0.812" in page


def test_pictures_without_spacing_are_measured_in_pixels(make, runs, tmp_path):
    said = "it counts as 1 mm"
    assert said not in compare(runs, tmp_path / "volumes.html").read_text(encoding="utf-8")
    facts = {"pictures": True, "spacing_mm": [[1.0, 1.0, 1.0]]}
    both = [make.evaluation(tmp_path / f"m{k}", BOX, draw=k, cases=6, model=f"m{k}", **facts) for k in range(2)]
    assert compare(both, tmp_path / "pictures.html").read_text(encoding="utf-8").count(said) == 3


def test_medsams_published_figures_stand_beside_its_runs(make, runs, tmp_path):
    size = {"parameters_encoder": 89670912, "parameters_decoder": 4058340}
    medsam = make.evaluation(tmp_path / "medsam", BOX, cases=12, model="medsam", preprocessing="medsam", **size)
    page = compare([*runs, medsam], tmp_path / "compare.html").read_text(encoding="utf-8")
    assert "82.37\u00a0%" in page
    rows = read_csv(tmp_path / "compare-published-medsam.csv")
    assert rows[0]["medsam"] == "89670912"
    assert [row["medsam"] for row in rows[2:]] == [""] * 4
    assert "1,570,263" in page
    compare(runs, tmp_path / "other.html")
    assert not (tmp_path / "other-published-medsam.csv").exists()


def test_published_figures_of_no_label_stand_beside_runs_on_their_data(make, tmp_path):
    keys = ("convention", "prompts", "method", "choice", "name", "figure", "value", "unit", "n", "left_out", "counted")
    samed = {"SAMed": "20.64", "SAMed_h": "16.02", "SAMed_s": "31.72"}
    for slug, names, dataset, convention, published in (
        ("samed", tuple(TABLES[3].rows), "synapse", "transunet", samed),
        ("sirst-5k", ("target",), "sirst-5k", "strict", {"SIRST-5K": "0.928"}),
        ("sammed2d", ("a", "b"), "sammed2d", "sammed2d", {"SAM 256": "51", "SAM-Med2D 256": "35"}),
    ):
        stated = {"datasets": [dataset], "convention": convention}
        both = [
            make.evaluation(tmp_path / slug / str(k), SEMANTIC, names, cases=12, draw=k, model=f"m{k}", **stated)
            for k in range(2)
        ]
        found = [("irstd", "none", "model", "semantic", "target", f, v, "", 12, 0, True) for f, v in COUNTED.items()]
        (both[0] / "conventions.json").write_text(json.dumps([dict(zip(keys, entry)) for entry in found]))
        page = compare(both, tmp_path / f"{slug}.html").read_text(encoding="utf-8")
        assert all(text in page for text in published.values())
        tables = {path.name for path in tmp_path.glob(f"{slug}-published-*.csv")}
        assert tables == {f"{slug}-published-{slug}.csv"}
        first = [row["m0 zero-shot"] for row in read_csv(tmp_path / f"{slug}-published-{slug}.csv")]
        summary = json.loads((both[0] / "summary.json").read_text())
        if slug == "samed":
            (mean,) = [e["mean"] for e in summary if (e["figure"], e["name"]) == ("hd95", "mean without background")]
            assert [float(v) for v in first] == [pytest.approx(mean)]
        elif slug == "sirst-5k":
            assert [float(v) for v in first] == [pytest.approx(v) for v in (0.5, 0.75, 12.0)]
        else:
            assert [float(v) for v in first] == [pytest.approx(1 / 0.14827)]


def test_few_cases_are_said_to_be_few(make, tmp_path):
    both = [make.evaluation(tmp_path / str(k), SEMANTIC, draw=k, cases=4, model=f"m{k}") for k in range(2)]
    page = compare(both, tmp_path / "compare.html").read_text(encoding="utf-8")
    assert "4 cases are few" in page
    assert "out of reach below 6 cases" in page


def test_p_values_have_the_digits_that_mean_something():
    assert [p_text(p) for p in (float("nan"), 0.0004, 0.04321, 1.0)] == ["–", "< 0.001", "0.043", "1.000"]


def test_published_tables_belong_to_their_data():
    gid = ["built-up", "farmland", "forest", "meadow", "water"]
    assert published_for(gid, ["gid-mtl5"]).title == "Published for GID"
    assert published_for(gid, ["loveda"]) is None
    assert published_for(["target"], ["sirst-5k"]).title == "Published for SIRST-5K"
    assert published_for(["anything"], ["sammed2d"]).title == "Published for SAM-Med2D"
    assert len(TABLES) == 5
    for table in TABLES:
        assert all(len(row) == len(table.columns) == len(table.average) for row in table.rows.values())
        if table.rows and table.background:
            for column, average in enumerate(table.average):
                values = [row[column] for row in table.rows.values()]
                assert sum(values) / len(values) == pytest.approx(average, abs=6e-4)
    samed = published_for(list(TABLES[3].rows), ["synapse"])
    assert sum(row[0] for row in samed.rows.values()) / 8 == pytest.approx(samed.average[0], abs=1e-4)
