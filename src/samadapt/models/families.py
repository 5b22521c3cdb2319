"""Which model a set of tensor names comes from, without torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """Kind of a checkpoint file.

    Attributes
    ----------
    name : str
        Short identifier, e.g. "sam".
    title : str
        For people, e.g. "a SAM 2 checkpoint".
    loadable : bool
        True if `samadapt.models.load` builds a model from such a file alone.
    adapters : str
        Adapters inside the file, or "".
    advice : str
        What to do with it where it cannot be loaded alone.
    extra : tuple of str
        Patterns of the names that its adapters have in transformers' layout, for which a plain SAM has no place.
    tell_licence : bool
        True if the licence of the published weights is said for a file too, not for a name of the catalog alone.
    """

    name: str
    title: str
    loadable: bool = False
    adapters: str = ""
    advice: str = ""
    tell_licence: bool = False
    extra: tuple[str, ...] = ()


_BASE = "Give the base model and apply this file to it: load_model(BASE, adapter=FILE)."
_UNDER = 'load_model(FILE) loads it with its adapters; models.load(FILE, allow=["*.Adapter.*"]) without.'
_UNDER_MSA = 'load_model(FILE) loads it with its adapters; models.load(FILE, allow=["*_Adapter.*"]) without.'
_ELSE = "Give a SAM 1 or MedSAM checkpoint; `samadapt models` shows what can be loaded."

SAM = Family("sam", "a SAM checkpoint in the original layout", loadable=True)
SAM_TRANSFORMERS = Family("sam", "a SAM checkpoint in the transformers layout", loadable=True)
MSA = Family(
    "medical-sam-adapter",
    "a Medical SAM Adapter checkpoint",
    adapters="adapter",
    advice=_UNDER_MSA,
    extra=("*_Adapter.*",),
)
MED2D = Family(
    "sam-med2d",
    "a SAM-Med2D checkpoint with adapters",
    adapters="sammed2d-adapter",
    advice=_UNDER,
    extra=("*.Adapter.*",),
)
SAMED_LORA = Family("samed-lora", "a SAMed LoRA file without its base model", adapters="lora", advice=_BASE)
SAM2 = Family("sam2", "a SAM 2 checkpoint", loadable=True)
EDGETAM = Family("edgetam", "an EdgeTAM checkpoint", loadable=True, tell_licence=True)
SAM3 = Family("sam3", "a SAM 3 checkpoint", loadable=True, tell_licence=True)
SAM3_DETECTOR = Family(
    "sam3",
    "the detector of a SAM 3 alone, which answers words, not points, boxes or masks",
    advice="Give the full facebook/sam3, or a folder of Sam3TrackerModel.",
)
SAM_HQ = Family("sam-hq", "a SAM-HQ checkpoint", loadable=True, tell_licence=True)
_SAM3_ENCODER = ("vision_encoder.backbone.embeddings.", "detector.backbone.vision_backbone.trunk.")
_MARKED: tuple[tuple[tuple[str, ...], Family], ...] = (
    (
        ("specialist.classifier.",),
        Family("specialist", "a specialist", advice="Give it with the JSON file that training wrote beside it."),
    ),
    (("w_a_000",), SAMED_LORA),
    (
        ("sam_mask_decoder.hf_token.",),
        Family(
            "sam-hq2",
            "a checkpoint of HQ-SAM 2, which transformers has no network for",
            advice="Give a SAM-HQ of ViT-B, -L or -H (sam_hq_vit_b.pth), or the SAM 2 without it.",
        ),
    ),
    (("image_encoder.trunk.body.", "vision_encoder.backbone.timm_model."), EDGETAM),
    (
        ("image_encoder.trunk.", "vision_encoder.backbone.blocks."),
        SAM2,
    ),
    (
        (".Space_Adapter.", ".MLP_Adapter."),
        MSA,
    ),
    (
        (".Adapter.channel.",),
        MED2D,
    ),
    (
        ("image_encoder.layers.0.blocks.", "image_encoder.patch_embed.seq."),
        Family(
            "tinyvit-sam",
            "a MobileSAM, LiteMedSAM or Light HQ-SAM checkpoint, whose TinyViT encoder transformers has no network for",
            advice=_ELSE,
        ),
    ),
    ((".hf_token.", ".hf_mlp.", ".hq_token.", ".hq_mask_mlp."), SAM_HQ),
    (
        (".lora_A.", ".lora_B.", ".linear_a_q."),
        Family("lora", "weights with LoRA inside", adapters="lora", advice=_BASE),
    ),
)


def identify(keys: Iterable[str]) -> Family:
    """Kind of checkpoint that has these tensor names."""
    names = list(keys)
    if any(mark in name for mark in _SAM3_ENCODER for name in names):
        promptable = any("prompt_encoder.point_embed" in name for name in names)
        return SAM3 if promptable else SAM3_DETECTOR
    for marks, family in _MARKED:
        if any(mark in name for mark in marks for name in names):
            return family
    if "image_encoder.patch_embed.proj.weight" in names:
        return SAM
    if "vision_encoder.patch_embed.projection.weight" in names:
        return SAM_TRANSFORMERS
    sample = ", ".join(names[:3]) or "nothing"
    return Family("unknown", f"no segment-anything checkpoint (its tensors: {sample}, ...)", advice=_ELSE)
