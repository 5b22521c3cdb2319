"""A corpus of several datasets: pairs, rules, what is left out, resuming, the store, the page."""

from __future__ import annotations

import csv
import json
from collections import Counter

import numpy as np
import pytest
from PIL import Image as Pillow

from fake import flare22, folders, msd
from fake.writing import nifti, png
from samadapt.core.errors import ConfigError, DataError, StoreError
from samadapt.core.image import LabelMap
from samadapt.data import recipes
from samadapt.data.corpus import CorpusRules, build_corpus
from samadapt.data.corpus.rules import Place, extents, mask_rule, objects_of, slice_rule
from samadapt.data.store import Store
from samadapt.report.corpus import corpus_page


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    flare22.write(root / "flare", cases=3)
    folders.write_kvasir(root / "Kvasir-SEG", cases=1)
    msd.write_hippocampus(root / "hippocampus", cases=2)
    return root


def sources(data):
    return [
        {"source": data / "flare", "region": "abdomen", "anatomy": {"gallbladder": "biliary tract"}},
        {"source": data / "Kvasir-SEG", "name": "kvasir", "modality": "endoscopy", "anatomy": {"polyp": "colon"}},
        {"source": data / "hippocampus", "name": "hippocampus", "slice_axes": ["axial", "coronal"]},
    ]


@pytest.fixture(scope="module")
def built(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("corpus") / "abdomen-and-more"
    rules = {"min_area_share": 0.003, "edge_slices": 7, "max_components": 1}
    return build_corpus(sources=sources(data), out=out, rules=rules, workers=0)


def test_every_mask_is_written_or_excluded_by_a_rule(data, built):
    seen = Counter()
    rules = CorpusRules()
    for name, recipe, folder in (("flare22", "flare22", "flare"), ("kvasir", "kvasir-seg", "Kvasir-SEG")):
        for case in recipes.get(recipe).find(data / folder).cases:
            label = case.load().label
            planes = label.values if label.values.ndim == 3 else label.values[None]
            seen[name] += sum(len(list(objects_of(plane, None, rules))) for plane in planes)
    rows = list(csv.DictReader((built.path / "exclusions.csv").open()))
    for name, total in seen.items():
        written = len(list((built.path / "masks" / name).iterdir()))
        assert written + sum(int(row["masks"]) for row in rows if row["source"] == name) == total
        assert written > 0
    assert {row["rule"] for row in rows} == {"min_area_share", "edge_slices"}
    told = built.statistics
    assert told["masks"] == len(list((built.path / "masks").rglob("*.png")))
    assert told["images"] == len(list((built.path / "images").rglob("*.png")))
    excluded = {rule: one["masks"] for rule, one in told["excluded"].items()}
    assert excluded == {r: sum(int(x["masks"]) for x in rows if x["rule"] == r) for r in excluded}


def test_masks_are_the_labels(data, built):
    case = recipes.get("flare22").find(data / "flare").cases[0]
    loaded = case.load()
    z = 12
    liver = np.zeros(loaded.image.shape[1:], bool)
    for path in (built.path / "masks" / "flare22").glob(f"flare22--{case.name}--a_{z:04d}_liver_*.png"):
        liver |= np.asarray(Pillow.open(path)) > 0
    assert np.array_equal(liver, loaded.label.values[z] == 1)
    image = np.asarray(Pillow.open(built.path / "images" / "flare22" / f"flare22--{case.name}--a_{z:04d}.png"))
    expected = np.rint(np.clip((loaded.image.voxels[z].astype(np.float32) + 160) * 255 / 400, 0, 255))
    assert np.abs(image - expected).max() <= 1


def test_lists_are_those_of_sammed2d(built):
    train = json.loads((built.path / "image2label_train.json").read_text())
    test, val = (json.loads((built.path / f"label2image_{split}.json").read_text()) for split in ("test", "val"))
    assert train
    assert test
    assert set(val.values()) == {"abdomen-and-more/images/kvasir/kvasir--2.png"}
    assert sum(map(len, train.values())) + len(test) + len(val) == built.statistics["masks"]
    for image, masks in train.items():
        assert image.startswith("abdomen-and-more/images/")
        assert all((built.path.parent / path).is_file() for path in (image, *masks))
    found = recipes.get("sammed2d").find(built.path)
    assert len(found.cases) == built.statistics["images"] - len(set(val.values()))
    assert found.exclusions == []


def test_store_keeps_source_modality_and_anatomy(built):
    store = Store.open(built.store)
    assert len(store.cases) == built.statistics["images"]
    assert len(store.objects) == built.statistics["masks"]
    assert [dataset["name"] for dataset in store.datasets] == ["flare22", "kvasir", "hippocampus"]
    modalities = {case.dataset: case.modality for case in store.cases}
    assert modalities == {"flare22": "CT", "kvasir": "endoscopy", "hippocampus": "MR"}
    by_name = {label.name: label for label in store.label_set.labels}
    assert (by_name["gallbladder"].anatomy, by_name["polyp"].anatomy) == ("biliary tract", "colon")
    splits = {}
    for case in store.cases:
        splits.setdefault(case.patient, set()).add(case.split)
    assert all(len(found) == 1 for found in splits.values())
    assert {case.split for case in store.cases} == {"train", "val", "test"}
    assert store.datasets[1]["licence"] == recipes.get("kvasir-seg").info.licence


def test_statistics_by_modality_and_organ(built):
    told = built.statistics
    assert {one["name"]: one["sources"] for one in told["modalities"]} == {
        **{"CT": ["flare22"], "MR": ["hippocampus"], "endoscopy": ["kvasir"]},
    }
    organs = {one["name"]: one for one in told["organs"]}
    assert "kidney" in organs
    assert "colon" in organs
    assert "polyp" not in organs
    assert organs["kidney"]["images"] <= organs["kidney"]["masks"]
    assert sum(one["masks"] for one in told["organs"]) == told["masks"] == sum(told["area_histogram"]["counts"])
    for kind in ("modalities", "sources", "regions", "splits"):
        assert sum(one["masks"] for one in told[kind]) == told["masks"]
        assert sum(one["images"] for one in told[kind]) == told["images"]
    assert organs["colon"]["median_area_share"] == pytest.approx(np.pi * 144 / 64**2, rel=0.1)


def test_page_and_tables(built):
    page = corpus_page(built.path)
    html = page.read_text()
    assert html.count("<svg") == 3
    assert html.count("data:image/png;base64") == 3
    assert "http" not in html.replace("http://www.w3.org", "")
    assert "min_area_share" in html
    rows = list(csv.reader((built.path / "corpus-organ.csv").open()))
    assert rows[0][:4] == ["Organ", "cases", "images", "masks"]
    assert sum(int(row[3]) for row in rows[1:]) == built.statistics["masks"]
    assert "## Left out by rule" in (built.path / "corpus.md").read_text()


def test_resumes_takes_in_more_and_refuses_other_rules(data, tmp_path, monkeypatch):
    from samadapt.data.corpus import pairs

    out = tmp_path / "corpus"
    first, second = sources(data)[:2]
    calls = []
    original = pairs.PairsJob.run

    def failing(job, index):
        calls.append(job.cases[index][0].name)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(job, index)

    monkeypatch.setattr(pairs.PairsJob, "run", failing)
    with pytest.raises(KeyboardInterrupt):
        build_corpus(sources=[first], out=out, workers=0, store=False)
    again = build_corpus(sources=[first], out=out, workers=0, store=False)
    assert calls == [f"FLARE22_Tr_{n:04d}" for n in (1, 2, 3, 3)]
    monkeypatch.undo()
    both = build_corpus(sources=[first, second], out=out, workers=0, store=False)
    assert len(both.statistics["sources"]) == 2
    assert both.statistics["masks"] > again.statistics["masks"]
    with pytest.raises(StoreError, match="other rules"):
        build_corpus(sources=[first], out=out, rules={"min_area_share": 0.1}, workers=0)
    with pytest.raises(StoreError, match="'flare22' was taken in with other settings"):
        build_corpus(sources=[first | {"window": "ct-lung"}], out=out, workers=0)


def test_workers_give_the_same_files(data, tmp_path):
    made = []
    for workers in (0, 2):
        out = tmp_path / str(workers) / "corpus"
        build_corpus(folders=[data / "flare"], out=out, workers=workers, store=False)
        made.append({p.relative_to(out): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()})
    facts = [{path: content for path, content in one.items() if path.name != "journal.jsonl"} for one in made]
    assert facts[0] == facts[1]
    assert len(facts[0]) > 50


def test_unusable_cases_are_reported(data, tmp_path):
    root = flare22.write(tmp_path / "flare", cases=2)
    nifti(root / "labels" / "FLARE22_Tr_0002.nii.gz", np.full((24, 40, 48), 99, np.uint8), flare22.SPACING)
    (root / "images" / "note.txt").write_text("x")
    built = build_corpus(folders=[root], out=tmp_path / "corpus", workers=0, store=False)
    assert built.statistics["left_out"] == {"flare22": 2}
    rows = {row["case"]: row["rule"] for row in csv.DictReader((tmp_path / "corpus" / "exclusions.csv").open())}
    assert "[99]" in rows["FLARE22_Tr_0002"]
    assert rows["note.txt"] == "not an image file"


def test_what_is_refused(data, tmp_path):
    with pytest.raises(ConfigError, match="at least one dataset"):
        build_corpus(out=tmp_path / "a")
    with pytest.raises(ConfigError, match="two sources are called 'flare22'"):
        build_corpus(folders=[data / "flare", data / "flare"], out=tmp_path / "a")
    with pytest.raises(ConfigError, match=r"did you mean 'rules\.min_area_share'"):
        build_corpus(folders=[data / "flare"], out=tmp_path / "a", rules={"min_area_shar": 1})
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    with pytest.raises(StoreError, match="holds no corpus"):
        build_corpus(folders=[data / "flare"], out=tmp_path / "full")
    with pytest.raises(DataError, match="no mask passed the rules"):
        build_corpus(folders=[data / "Kvasir-SEG"], out=tmp_path / "b", rules={"max_area_share": 1e-4}, workers=0)
    with pytest.raises(DataError, match="no finished corpus"):
        corpus_page(tmp_path)


RAMP = np.arange(40 * 60).reshape(40, 60)


@pytest.mark.parametrize(
    ("pixels", "place", "rules", "rule"),
    [
        (RAMP, Place(0, 9, {}), {"edge_slices": 1}, "edge_slices"),
        (RAMP, Place(1, 9, {}), {"edge_slices": 1}, ""),
        (RAMP, Place(8, 9, {}), {"edge_slices": 1}, "edge_slices"),
        (RAMP, Place(0, 1, {}), {"edge_slices": 1}, ""),
        (RAMP, Place(3, 9, {}), {"slice_step": 2}, "slice_step"),
        (RAMP, Place(4, 9, {}), {"slice_step": 2}, ""),
        (RAMP, Place(4, 9, {}), {"min_side_px": 41}, "min_side_px"),
        (RAMP[:29], Place(4, 9, {}), {}, "min_side_ratio"),
        (RAMP[:30], Place(4, 9, {}), {}, ""),
        (np.full((9, 9), 7), Place(4, 9, {}), {}, "constant_images"),
        (np.full((9, 9), 7), Place(4, 9, {}), {"constant_images": False}, ""),
    ],
)
def test_rules_of_slices(pixels, place, rules, rule):
    assert slice_rule(pixels, place, CorpusRules(**rules)) == rule


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({"min_area_share": 0}, ["", "", ""]),
        ({"min_area_share": 0.02}, ["", "", "min_area_share"]),
        ({"min_area_share": 0, "min_area_px": 5}, ["", "", "min_area_px"]),
        ({"min_area_share": 0, "max_area_share": 0.15}, ["max_area_share", "", ""]),
        ({"min_area_share": 0, "max_components": 1}, ["", "max_components", ""]),
        ({"min_area_share": 0, "object_edge_slices": 1}, ["object_edge_slices", "object_edge_slices", ""]),
        ({"min_area_share": 0, "components": False}, ["", ""]),
    ],
)
def test_rules_of_masks(rules, expected):
    values = np.zeros((20, 10), np.uint8)
    values[:5, :8] = 1
    values[8:10, :6] = 1
    values[15, :3] = 2
    values[19] = 255
    place = Place(3, 9, {1: (3, 8), 2: (0, 8)})
    setting = CorpusRules(**rules)
    assert [mask_rule(one, place, setting) for one in objects_of(values, 255, setting)] == expected


def test_extents_of_classes():
    from samadapt.core.grid import Grid

    values = np.zeros((5, 4, 4), np.uint8)
    values[1:4, 0, 0], values[3:, 1, 1] = 1, 2
    found = extents(LabelMap(values, Grid.from_spacing(values.shape, (1.0, 1.0, 1.0))))
    assert (found[1], found[2]) == ((1, 3), (3, 4))


def test_instances_stay_whole(tmp_path):
    instances = np.zeros((40, 40), np.uint16)
    instances[5:15, 5:15], instances[25:35, 5:15] = 1, 1
    png(tmp_path / "cells" / "images" / "a.png", RAMP[:, :40].astype(np.uint8))
    png(tmp_path / "cells" / "instances" / "a.png", instances)
    built = build_corpus(folders=[tmp_path / "cells"], out=tmp_path / "corpus", workers=0, splits={"train": 1.0})
    assert built.statistics["masks"] == 1
    assert len(Store.open(built.store).objects) == 1
