"""Every published training loads, has the published numbers, and runs on tiny data in the true layout."""

from __future__ import annotations

import json
import shlex

import numpy as np
import pytest

from fake import aerial, flare22, folders, infrared, sammed2d, synapse
from samadapt.cli.main import main
from samadapt.config import load_config
from samadapt.core.errors import ConfigError
from samadapt.models.specialists.plan import NAMES as SPECIALISTS
from samadapt.train import recipes
from samadapt.train.config import TrainConfig

# Training recipe: what writes its dataset, and the folder's name.
DATA = {
    **dict.fromkeys(("samed-synapse", "samed-synapse-r1", "samed-synapse-r4", "samed-synapse-r8"), "synapse"),
    **dict.fromkeys(("samed_s", "samed_h"), "synapse"),
    **dict.fromkeys(("sammed2d", "ft-sam"), "data_demo"),
    **dict.fromkeys(("medsam-flare22", "medsam-deeplabv3plus", "medsam-deeplabv3plus-no-box"), "flare22"),
    "msa-2d": "Kvasir-SEG",
    **dict.fromkeys(("flare22-lora-r1", "flare22-lora-r4", "flare22-lora-r8", "flare22-adapter"), "flare22"),
    "gid-lora": "gid",
    "sirst-lora": "SIRST-5K",
}
WRITERS = {
    "synapse": lambda root: synapse.write_raw(root, (1, 5)),
    "data_demo": sammed2d.write,
    "flare22": lambda root: flare22.write(root, cases=3),
    "Kvasir-SEG": lambda root: folders.write_kvasir(root, cases=1),
    "gid": lambda root: aerial.write_gid(root, aerial.SCENES[:2]),
    "SIRST-5K": infrared.write_sirst5k,
}
SMALL = [
    *("image_size=32", "batch_size=2", "steps=2", "epochs=null", "num_workers=0", "accelerator=cpu", "precision=fp32"),
    *("log_every=1", "validation.max_slices=2", "threads=1"),
]


def load(name, *overrides):
    return load_config(TrainConfig, recipes.get(name).path, overrides)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Store of a prepare command, made once."""
    made = {}

    def store(name, command):
        key = (DATA[name], command)
        if key not in made:
            folder = tmp_path_factory.mktemp("data")
            source = WRITERS[DATA[name]](folder / DATA[name])
            words = shlex.split(command.replace("options.tile_px=512", "options.tile_px=64"))[1:]
            words[words.index("SOURCE")] = str(source)
            made[key] = folder / words[words.index("--out") + 1]
            words[words.index("--out") + 1] = str(made[key])
            with pytest.raises(SystemExit) as ended:
                main([*words, "-s", "workers=0", "--json"])
            assert ended.value.code == 0
        return made[key]

    return store


def test_all_of_them_are_tested():
    assert set(recipes.names()) == set(DATA)


@pytest.mark.parametrize("name", DATA)
def test_runs_two_steps_on_its_layout(name, stores, base_model, tmp_path):
    from samadapt.train import train

    recipe = recipes.get(name)
    store = stores(name, recipe.prepare)
    network = "specialist.backbone=resnet18" if load(name).model in SPECIALISTS else f"model={base_model}"
    config = load(name, *SMALL, network, f"data={store}", f"out={tmp_path / 'run'}")
    result = train(config)
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss" in line][-1] == 2
    assert all(np.isfinite(line["loss"]) for line in lines if "loss" in line)
    assert result.adapter_folder.exists()
    assert recipe.prepare.split("--out ")[1].split()[0] == load(name).data


@pytest.mark.parametrize(("name", "folder"), [("gid-lora", "gid_mtl5"), ("sirst-lora", "sirst_v2")])
def test_runs_two_steps_on_real_files(name, folder, real_data, base_model, tmp_path):
    from samadapt.data.prepare import prepare
    from samadapt.train import train

    store = prepare(source=real_data / folder, out=tmp_path / "store", workers=0, limit=12)
    small = [*SMALL, f"model={base_model}", f"data={store.path}", f"out={tmp_path / 'run'}"]
    assert train(load(name, *small)).adapter_folder.exists()


def test_samed_has_the_published_numbers():
    config = load("samed-synapse")
    assert (config.model, config.image_size, config.preprocessing) == ("sam-vit-b", 512, "samed")
    assert (config.method.method, config.method.rank, config.method.encoder, config.method.decoder) == (
        *("lora", 4, True, False),
    )
    assert (config.optimizer.lr, config.optimizer.weight_decay) == (0.005, 0.1)
    assert (config.schedule.warmup, config.schedule.exponent) == (250, 0.9)
    assert config.steps == 160 * 93
    assert config.steps * config.schedule.horizon == 200 * 93
    assert (config.batch_size, config.seed, config.precision) == (24, 1234, "fp32")
    assert (config.task.ce_weight, config.task.dice_weight, config.task.per_sample) == (0.2, 0.8, False)


def test_variants_differ_where_they_should():
    base = load("samed-synapse").model_dump()
    for name, changes in {
        "samed-synapse-r1": {"method.rank": 1},
        "samed-synapse-r4": {},
        "samed-synapse-r8": {"method.rank": 8},
        "samed_s": {"method.decoder": True},
        "samed_h": {"model": "sam-vit-h", "schedule.exponent": 7.0, "steps": 300 * 93, "precision": "bf16"},
    }.items():
        found = flat(load(name).model_dump())
        different = {key: value for key, value in found.items() if value != flat(base).get(key)}
        assert {k: v for k, v in different.items() if k not in ("out", "schedule.horizon")} == changes
    high = load("samed_h")
    assert high.steps * high.schedule.horizon == pytest.approx(400 * 93)


def flat(tree, prefix=""):
    found = {}
    for key, value in tree.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found


def test_interactive_ones_have_the_published_numbers():
    config = load("sammed2d")
    task = config.task
    assert (task.protocol, task.rounds + 1, task.objects, task.frozen_embedding) == ("sammed2d", 9, 5, True)
    assert (task.focal_weight, task.dice_weight, task.iou_weight, task.box_share) == (20, 1, 1, 0.5)
    assert (config.image_size, config.batch_size, config.epochs) == (256, 2, 15)
    assert (config.optimizer.lr, config.optimizer.weight_decay, config.schedule.shape) == (1e-4, 0, "constant")
    assert load("ft-sam").method.method == "full"
    medsam = load("medsam-flare22")
    assert (medsam.task.jitter_px, medsam.task.loss_size, medsam.method.train_prompt_encoder) == (20, "image", False)
    assert (medsam.optimizer.lr, medsam.optimizer.weight_decay) == (1e-4, 0.01)
    msa = load("msa-2d")
    assert (msa.method.ratio, msa.method.scale, msa.method.train_prompt_encoder) == (0.25, 0.5, False)
    assert (msa.preprocessing, msa.method.late_norm) == ("msa", True)
    assert (msa.task.protocol, msa.batch_size, msa.epochs, msa.optimizer.lr) == ("msa", 32, 100, 1e-4)


def test_the_specialist_of_medsam_has_the_published_numbers():
    config = load("medsam-deeplabv3plus")
    assert (config.model, config.specialist.backbone, config.image_size) == ("deeplabv3plus", "resnet50", 224)
    assert (config.task.task, round(config.task.jitter_px * 224 / 1024)) == ("box", 5)
    assert (config.optimizer.rule, config.optimizer.lr, config.optimizer.weight_decay) == ("adam", 1e-3, 4e-5)
    assert (config.schedule.shape, config.schedule.every_epochs, config.schedule.gamma) == ("step", 2, 0.94)
    assert (config.batch_size, config.epochs, config.schedule.warmup) == (600, 500, 0)
    without, box = (flat(load(name).model_dump()) for name in ("medsam-deeplabv3plus-no-box", "medsam-deeplabv3plus"))
    different = {key for key in without.keys() & box.keys() if without[key] != box[key]}
    assert different == {"out", "task.task"}
    assert (without["task.ce_weight"], without["task.dice_weight"]) == (1, 1)


def test_comparisons_keep_left_and_right():
    for name in ("flare22-lora-r1", "flare22-lora-r4", "flare22-lora-r8", "flare22-adapter"):
        assert load(name).augment.policy == "safe"
    assert [load(f"flare22-lora-r{rank}").method.rank for rank in (1, 4, 8)] == [1, 4, 8]
    adapter = load("flare22-adapter").method
    assert (adapter.method, adapter.decoder) == ("adapter", True)
    assert not hasattr(load("flare22-adapter").method, "rank")


def test_names_and_files(tmp_path):
    assert recipes.config_path(recipes.get("samed-h").path) == recipes.get("samed_h").path
    assert recipes.get("SAMed_S").name == "samed_s"
    own = tmp_path / "samed-synapse"
    own.write_text("{}")
    assert recipes.config_path(own) == own
    with pytest.raises(ConfigError, match="did you mean 'samed-synapse'"):
        recipes.get("samed-synaps")
    for name in recipes.names():
        recipe = recipes.get(name)
        assert recipe.title.endswith(".")
        assert "arXiv" in recipe.citation or "doi" in recipe.citation


def test_command_line_takes_names(capsys, tmp_path):
    with pytest.raises(SystemExit) as ended:
        main(["train", "-c", "samed-synapse-r8", "--out", str(tmp_path), "-s", "method.rank=16", "--show-config"])
    assert ended.value.code == 0
    assert "rank: 16" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        main(["train", "-c", "samed-synapse-r9"])
    assert ended.value.code == 2
    assert "samed-synapse-r8" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["recipes", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert [recipe["name"] for recipe in told] == list(recipes.names())


def test_the_weighted_loss_is_pytorchs():
    import torch
    import torch.nn.functional as F

    from samadapt.train.losses import weighted_bce

    logits = torch.randn(2, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    target = logits + 0.3 > 0
    valid = torch.ones_like(target)
    expected = F.binary_cross_entropy_with_logits(logits, target.float(), pos_weight=torch.tensor(2.0))
    assert torch.allclose(weighted_bce(logits, target, valid).total, expected)
    valid[..., :3] = False
    half = F.binary_cross_entropy_with_logits(logits[..., 3:], target[..., 3:].float(), pos_weight=torch.tensor(2.0))
    assert torch.allclose(weighted_bce(logits, target, valid).total, half)
