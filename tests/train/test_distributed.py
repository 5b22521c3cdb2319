"""Two processes give the weights of one."""

import json
import os
import socket
import subprocess
import sys

import pytest
from safetensors.torch import load_file

from samadapt.train import train

CODE = "import json, sys, torch; torch.set_num_threads(1); import samadapt; samadapt.train(**json.loads(sys.argv[1]))"


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.slow
@pytest.mark.parametrize("task", ["semantic", "interactive"])
def test_two_processes_give_the_weights_of_one(fields, tmp_path, task):
    fields |= {
        "task": {"task": "semantic", "per_sample": True}
        if task == "semantic"
        else {"task": "interactive", "rounds": 1},
        "precision": "fp32",
        "steps": 3,
        "accumulate": 2,
        "optimizer": {"lr": 1e-3},
        "schedule": {"warmup": 0},
    }
    one = train(**fields | {"out": str(tmp_path / "one")})
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    arguments = json.dumps(fields | {"out": str(tmp_path / "two"), "devices": 2})
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CODE, arguments],
            env=os.environ | common | {"RANK": str(rank), "LOCAL_RANK": str(rank), "TORCHELASTIC_RUN_ID": "test"},
        )
        for rank in range(2)
    ]
    assert [process.wait(timeout=200) for process in processes] == [0, 0]
    left = load_file(one.folder / "last" / "adapter.safetensors")
    right = load_file(tmp_path / "two" / "last" / "adapter.safetensors")
    assert len(left) > 10
    differences = {name: float((left[name] - right[name]).abs().max()) for name in left}
    assert any(name.endswith("k_proj.bias") for name in differences)
    assert max(differences.values()) < 1e-5
