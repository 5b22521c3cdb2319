"""One LoRA training step of ViT-B: ours against the way SAMed's public code takes it.

Theirs: the fused qkv layer wrapped with four linear layers, attention with the table of relative positions, float32
at PyTorch's default precision, plain AdamW. Ours: the step of `samadapt train` with its defaults. Both begin with the
same weights and see the same batches, so their losses must agree.

    python benchmarks/train_step.py
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers.models.sam.modeling_sam import SamVisionAttention

from harness import alternate, compare, record
from samadapt import models
from samadapt.adapt.config import LoraConfig
from samadapt.adapt.methods import inject
from samadapt.adapt.semantic import add_head
from samadapt.core.image import LabelSet
from samadapt.models import SamPromptable
from samadapt.train.build import cpu_has_bf16
from samadapt.train.config import SemanticTask
from samadapt.train.fast_encoder import halve_frozen, quicken
from samadapt.train.losses import semantic_loss
from samadapt.train.steps import make_step

CLASSES, RATE = 8, 1e-3
TOLERANCE = 0.01
"""Largest difference of the losses of a step: bfloat16 keeps 8 bits of an activation."""

Side = Callable[[], float]


class FourLinears(nn.Module):
    """qkv with updates of q and v, as SAMed wraps it."""

    def __init__(self, qkv: nn.Module, q: tuple[Tensor, Tensor], v: tuple[Tensor, Tensor]) -> None:
        super().__init__()
        self.qkv = qkv
        self.a_q, self.b_q, self.a_v, self.b_v = (self._linear(weight) for weight in (*q, *v))

    @staticmethod
    def _linear(weight: Tensor) -> nn.Linear:
        linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
        linear.weight.data = weight.detach().clone()
        return linear

    def forward(self, x: Tensor) -> Tensor:
        qkv: Tensor = self.qkv(x)
        width = x.shape[-1]
        qkv[..., :width] += self.b_q(self.a_q(x))
        qkv[..., -width:] += self.b_v(self.a_v(x))
        return qkv


def make_model(size: int) -> SamPromptable:
    """ViT-B with a head and LoRA of rank 4; equal for equal sizes."""
    model = models.fresh("vit-b", image_size=size)
    add_head(model, LabelSet.from_names({i: f"class {i}" for i in range(1, CLASSES + 1)}))
    inject(model, LoraConfig(rank=4))
    return model


def stream(size: int, batch: int, device: torch.device) -> Callable[[int], dict[str, Tensor]]:
    """Batches by number: smooth noise with the classes as its levels, so that there is something to learn."""

    def make(number: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(number)
        coarse = torch.rand(batch, 1, 8, 8, generator=generator)
        image = nn.functional.interpolate(coarse, size=(size, size), mode="bilinear")
        low = nn.functional.interpolate(coarse, size=(size // 4, size // 4), mode="bilinear")
        labels = (low[:, 0] * (CLASSES + 1)).long().clamp(max=CLASSES)
        pixels = (image * 4 - 2).expand(-1, 3, -1, -1).contiguous()
        return {"pixel_values": pixels.to(device), "labels": labels.to(device)}

    return make


def ours(size: int, batch: int, device: torch.device, *, bf16: bool) -> Side:
    """A step as `samadapt train` takes it by default."""
    model = make_model(size).to(device)
    quicken(model.sam.vision_encoder)
    if bf16:
        halve_frozen(model.sam.vision_encoder)
    step = make_step(model, SemanticTask(), bf16=bf16).train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], RATE, fused=True)
    return _side(lambda sample: step(sample)["loss"], optimizer, stream(size, batch, device), "medium")


def theirs(size: int, batch: int, device: torch.device) -> Side:
    """A step as SAMed takes it."""
    model = make_model(size)
    for layer in model.sam.vision_encoder.layers:
        layer.attn.__class__ = SamVisionAttention
        wrapped = layer.attn.qkv
        plain = nn.Linear(wrapped.in_features, wrapped.out_features)
        plain.weight, plain.bias = wrapped.weight, wrapped.bias
        q, v = wrapped.lora_q, wrapped.lora_v
        layer.attn.qkv = FourLinears(plain, (q.A, q.B), (v.A, v.B))
    model.to(device).train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], RATE)

    def loss(sample: dict[str, Tensor]) -> Tensor:
        logits = model.decode_tokens(model.encode(sample["pixel_values"])).low_res_logits[:, 0]
        return semantic_loss(logits, sample["labels"]).total

    return _side(loss, optimizer, stream(size, batch, device), "highest")


def _side(
    loss: Callable[[dict[str, Tensor]], Tensor],
    optimizer: torch.optim.Optimizer,
    batches: Callable[[int], dict[str, Tensor]],
    precision: str,
) -> Side:
    taken = iter(range(10**6))

    def one() -> float:
        torch.set_float32_matmul_precision(precision)
        value = loss(batches(next(taken)))
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        return float(value.detach())

    return one


def losses_kept(side: Side, kept: list[float]) -> Side:
    """The same side, remembering its losses."""

    def one() -> float:
        kept.append(side())
        return kept[-1]

    return one


def peak_mib(name: str, size: int, batch: int) -> float:
    """Peak memory of three steps in a process of its own."""
    command = [sys.executable, __file__, "--memory", name, "--size", str(size), "--batch", str(batch)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def measure_memory(name: str, size: int, batch: int, device: torch.device, bf16: bool) -> None:
    """Print the peak memory of three steps of one side, weights included, the making of the model not."""
    side = theirs(size, batch, device) if name == "theirs" else ours(size, batch, device, bf16=bf16)
    cuda = device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    for _ in range(3):
        side()
    status = Path("/proc/self/status").read_text()
    resident = next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    print(torch.cuda.max_memory_allocated() / 2**20 if cuda else resident)


def main() -> None:
    """Measure, compare, write results/train_step.json."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=512 if device.type == "cuda" else 256)
    parser.add_argument("--batch", type=int, default=12 if device.type == "cuda" else 2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--memory", choices=["ours", "theirs"])
    arguments = parser.parse_args()
    size, batch = arguments.size, arguments.batch
    bf16 = device.type == "cuda" or cpu_has_bf16()
    if arguments.memory:
        measure_memory(arguments.memory, size, batch, device, bf16)
        return
    curves: dict[str, list[float]] = {"ours": [], "theirs": []}
    sides = {
        "ours": losses_kept(ours(size, batch, device, bf16=bf16), curves["ours"]),
        "theirs": losses_kept(theirs(size, batch, device), curves["theirs"]),
    }
    figures: dict[str, object] = dict(compare(alternate(sides, arguments.rounds), "ours", "theirs"))
    gaps = [abs(a - b) for a, b in zip(curves["ours"], curves["theirs"])]
    del sides
    memory = {name: peak_mib(name, size, batch) for name in ("ours", "theirs")}
    figures |= {"image_size": size, "batch": batch, "device": str(device), "bf16": bf16, "losses": curves}
    figures |= {"largest_loss_gap": max(gaps), "loss_tolerance": TOLERANCE, "torch_threads": torch.get_num_threads()}
    figures |= {f"{name}_peak_mib": value for name, value in memory.items()}
    figures["memory_ratio"] = memory["ours"] / memory["theirs"]
    name = "train_step" if device.type == "cpu" else "train_step_gpu"
    targets = {"ratio": (">=", 1.8), "memory_ratio": ("<=", 1.0), "largest_loss_gap": ("<=", TOLERANCE)}
    record(name, figures, targets)


if __name__ == "__main__":
    main()
