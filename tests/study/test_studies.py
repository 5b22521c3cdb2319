"""Every published study runs to its page on tiny data in the true layout, and goes on where it was interrupted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fake import aerial, flare22, folders, infrared, sammed2d, synapse
from samadapt.cli.main import main
from samadapt.core.errors import ConfigError, DataError, RunFolderError
from samadapt.core.manifest import read_run
from samadapt.data.phantoms import write_multiphase
from samadapt.data.store import Store
from samadapt.study import studies
from samadapt.study.studies import run as engine
from samadapt.study.studies.plan import StudyPlan
from samadapt.study.studies.run import study

WRITERS = {
    "flare22": lambda root: flare22.write(root, cases=6),
    "gid": lambda root: aerial.write_gid(root),
    "sirst": infrared.write_sirst5k,
    "synapse": lambda root: synapse.write_raw(root, (1, 5)),
    "sammed2d": sammed2d.write,
    "phases": lambda root: write_multiphase(root, 2, 1, (6, 40, 40), (30.0, 9.0, 9.0)) and root,
}
# Study: its data, the models that are replaced by one of a few thousand weights, settings, words on its page.
CASES: dict[str, tuple[dict[str, str], tuple[str, ...], dict[str, Any], str]] = {
    "flare22-zero-shot": ({"flare22": "flare22"}, ("sam", "sam2", "medsam"), {}, "Published for FLARE22"),
    "flare22-finetune": ({"flare22": "flare22"}, ("sam",), {}, "Published for FLARE22"),
    "gid": ({"gid": "gid"}, ("sam",), {"store": {"options": {"tile_px": 64, "unlabelled": "background"}}}, "built-up"),
    "sirst": ({"sirst": "sirst"}, ("sam",), {}, "target"),
    "synapse-samed": ({"synapse": "synapse"}, ("sam",), {}, "gallbladder"),
    "sammed2d-eval": ({"sammed2d": "sammed2d", "external-1": "sammed2d"}, ("sam", "sammed2d-model"), {}, "liver"),
    "medsam-vs-specialists": (
        {"images": "sirst"},
        ("sam", "medsam"),
        {"train": {"specialist": {"width": 4, "depth": 2, "backbone": "resnet18"}}},
        "target",
    ),
    "multiphase-liver": (
        {"phases": "phases"},
        ("vit-b", "vit-l", "vit-h"),
        {"sweep": {"prompts": ["point:1", "point:5"], "image_sizes": [64]}},
        "arterial",
    ),
    "data-scaling": (
        {"images": "flare22"},
        ("sam",),
        {"u-net": {"train": {"specialist": {"width": 4}}}},
        "patients Dice of u-net goes from",
    ),
}
NAMES = {"sirst": "SIRST-5K", "sammed2d": "data_demo"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Writer of a dataset, called once for each."""
    made: dict[str, Path] = {}

    def write(name: str) -> Path:
        if name not in made:
            made[name] = WRITERS[name](tmp_path_factory.mktemp("data") / NAMES.get(name, name))
        return made[name]

    return write


def fields_of(name: str, data: Any, model: Path) -> dict[str, Any]:
    given, models, settings, _ = CASES[name]
    return {
        "study": name,
        "data": {key: str(data(source)) for key, source in given.items()},
        "models": dict.fromkeys(models, str(model)),
        "stages": settings,
        "smoke": True,
    }


def test_all_of_them_are_tested():
    assert set(studies.names()) == set(CASES)
    assert len(CASES) == 9


@pytest.mark.parametrize("name", CASES)
def test_runs_to_its_page(name, data, small_model, tmp_path):
    result = study(**fields_of(name, data, small_model), out=tmp_path / name)
    assert result.page is not None
    text = result.page.read_text(encoding="utf-8")
    assert CASES[name][3] in text
    plan = studies.get(name)
    ran = [stage for stage in plan.stages if stage.name not in result.left_out]
    assert all((result.folder / stage.name).is_dir() for stage in ran)
    assert all(not (result.folder / stage).exists() for stage in result.left_out)
    assert len(ran) >= 2
    manifest = read_run(result.folder)
    assert (manifest["kind"], manifest["status"]) == ("study", "done")


def test_the_land_study_takes_labelled_tiles_too(small_model, tmp_path):
    root = folders.write_gid(tmp_path / "GID-MTL5")
    fields = {"data": {"gid": str(root)}, "models": {"sam": str(small_model)}, "smoke": True}
    result = study(study="gid", out=tmp_path / "run", **fields)
    store = Store.open(result.folder / "store")
    assert [dataset["name"] for dataset in store.datasets] == ["gid-mtl5"]
    assert {0} < set(store.labels(0, 0).flat) <= {0, 1, 2, 3, 4, 5}
    assert result.page is not None
    assert "Published for GID" in result.page.read_text(encoding="utf-8")


def test_settings_of_a_stage_change_what_they_name_and_keep_the_rest(data, small_model, tmp_path):
    fields = fields_of("gid", data, small_model)
    stages = {"store": {"options": {"tile_px": 64}}, "lora": {"schedule": {"warmup": 3}}, "train": {"batch_size": 1}}
    result = study(**fields | {"stages": stages}, out=tmp_path / "run")
    store = Store.open(result.folder / "store")
    assert store.cases[0].grid.shape[-2:] == (64, 64)
    assert store.label_set.ignore is None or not (store.labels(0, 0) == store.label_set.ignore).any()
    learnt = read_run(result.folder / "lora")["config"]
    assert (learnt["schedule"]["warmup"], learnt["schedule"]["horizon"], learnt["batch_size"]) == (3, 1.25, 1)
    assert learnt["validation"]["max_slices"] == 2


def test_an_optional_model_is_left_out_when_told(data, small_model, tmp_path, capsys):
    given = {"models": {"sam": str(small_model), "sam2": "none"}, "data": {"sirst": str(data("sirst"))}}
    result = study(study="sirst", **given, smoke=True, out=tmp_path / "run")
    assert result.left_out == ("sam2-zero-shot",)
    assert result.complete
    assert "left out without sam2: 1 of 5 stages" in capsys.readouterr().err
    needs = {need.name: need for need in study(study="sirst", models={"sam": "none"}, check=True).needs}
    assert not needs["sam"].is_there


def test_goes_on_where_it_was_interrupted(data, small_model, tmp_path, monkeypatch):
    fields = fields_of("gid", data, small_model) | {"out": tmp_path / "run"}
    commands = dict(engine._COMMANDS)
    called: list[str] = []

    def counted(kind: str):
        def command(stage, values):
            if kind == "train" and "train" not in called:
                called.append(kind)
                raise KeyboardInterrupt
            called.append(kind)
            commands[kind](stage, values)

        return command

    monkeypatch.setattr(engine, "_COMMANDS", {kind: counted(kind) for kind in commands})
    with pytest.raises(KeyboardInterrupt):
        study(**fields)
    with pytest.raises(RunFolderError, match="--resume"):
        study(**fields)
    study(**fields, resume=True)
    assert called == ["prepare", "evaluate", "evaluate", "train", "train", "evaluate"]
    study(**fields, resume=True)
    assert len(called) == 6


def test_says_what_is_missing_and_how_to_get_it(data, small_model, tmp_path, capsys):
    with pytest.raises(DataError, match="the study needs flare22") as told:
        study(study="flare22-zero-shot", out=tmp_path / "run")
    assert "-s data.flare22=FOLDER" in str(told.value)
    assert "Register for the challenge" in str(told.value)
    assert not (tmp_path / "run").exists()
    with pytest.raises(SystemExit) as ended:
        main(["study", "flare22-zero-shot", "--check", "--json"])
    assert ended.value.code == 1
    needs = {need["name"]: need for need in json.loads(capsys.readouterr().out)["needs"]}
    assert not needs["flare22"]["found"]
    assert "downloaded on first use" in needs["sam"]["found"]
    assert needs["sam2"]["optional"]


def test_wrong_names_are_refused(data, small_model):
    with pytest.raises(ConfigError, match="did you mean 'flare22-finetune'"):
        studies.get("flare22-finetuning")
    for group, value in (("data", {"flare": "x"}), ("models", {"sam3": "x"}), ("stages", {"lora": {}})):
        with pytest.raises(ConfigError, match=group):
            study(study="flare22-zero-shot", check=True, **{group: value})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stages": [{"name": "a", "kind": "evaluate", "settings": {"data": "$b"}}]}, r"\$b"),
        ({"stages": [{"name": "a", "kind": "train"}, {"name": "a", "kind": "train"}]}, "two things"),
        ({"external": ["b"]}, "no stage"),
        ({"data": {"x": {"title": "t"}}, "models": {"x": {"model": "tiny"}}}, "share"),
    ],
    ids=["forward reference", "doubled", "external", "names"],
)
def test_a_plan_that_does_not_hold_together_is_an_error(change, words):
    plan = {"title": "t", "cite": "c", "stages": [{"name": "a", "kind": "prepare"}]}
    with pytest.raises(ValueError, match=words):
        StudyPlan.model_validate(plan | change)


def test_the_list_is_the_same_for_people_and_programs(capsys):
    for words in (["study", "--list"], ["study", "--list", "--json"]):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 0
        told = capsys.readouterr().out
        assert all(name in told for name in studies.names())
    with pytest.raises(SystemExit) as ended:
        main(["study"])
    assert ended.value.code == 2


def test_a_study_of_ones_own(data, small_model, tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "title: Mine\ncite: me\ndata: {here: {title: Pictures, how: Have them.}}\nmodels: {sam: {model: tiny}}\n"
        "stages:\n"
        "  - {name: store, kind: prepare, settings: {source: $here}}\n"
        "  - {name: measured, kind: evaluate, settings: {model: $sam, data: $store}}\n"
    )
    given = {"here": data("sirst")}, {"sam": str(small_model)}
    result = study(study=str(tmp_path / "mine.yaml"), data=given[0], models=given[1], out=tmp_path / "out", smoke=True)
    assert result.page is not None
    assert result.page.exists()
