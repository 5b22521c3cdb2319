"""A network from an architecture and its tensors."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from samadapt.core.errors import CheckpointError, NonFiniteValues
from samadapt.models.architecture import Architecture
from samadapt.models.convert import POSITION, POSITION_ALIAS
from samadapt.models.hq import SamHqPromptable
from samadapt.models.initial import fan_in, initial_tensor
from samadapt.models.load_report import LoadReport
from samadapt.models.preprocess import Preprocessing
from samadapt.models.promptable import SamPromptable
from samadapt.models.resample import resample_positions


def empty_sam(architecture: Architecture) -> Any:
    """transformers' SamModel or SamHQModel with this architecture, on the meta device: shapes without memory.

    Parameters
    ----------
    architecture : Architecture

    Returns
    -------
    transformers.SamModel or SamHQModel
        With scaled-dot-product attention; with a fine path and a refiner where the architecture has them.
    """
    from transformers import SamHQModel, SamModel

    from samadapt.models.fine import FineSamModel

    config = sam_config(architecture)
    if architecture.fine:
        config.fine_width, config.refine_width = architecture.fine, architecture.refine
    with torch.device("meta"):
        kind = FineSamModel if architecture.fine else SamHQModel if architecture.hq else SamModel
        sam = kind._from_config(config, attn_implementation="sdpa")
        _fit_downsample(sam.mask_decoder, architecture.downsample)
    return sam


def _fit_downsample(decoder: Any, rate: int) -> None:
    """transformers takes it as given that the layers of the decoder halve the width in their cross attentions."""
    names = ("cross_attn_token_to_image", "cross_attn_image_to_token")
    for layer in decoder.transformer.layers if rate != 2 else ():
        for name in names:
            setattr(layer, name, type(getattr(layer, name))(decoder.config, downsample_rate=rate))


def sam_config(a: Architecture) -> Any:
    """transformers' SamConfig or SamHQConfig of an architecture."""
    import transformers

    whole, parts = ("SamHQ", {"vit_dim": a.hidden}) if a.hq else ("Sam", {})
    vision = getattr(transformers, f"{whole}VisionConfig")(
        num_channels=a.inputs,
        hidden_size=a.hidden,
        output_channels=a.channels,
        num_hidden_layers=a.depth,
        num_attention_heads=a.heads,
        image_size=a.image_size,
        patch_size=a.patch_size,
        mlp_dim=a.mlp_dim,
        window_size=a.window,
        global_attn_indexes=list(a.global_blocks),
        num_pos_feats=a.channels // 2,
    )
    prompt = getattr(transformers, f"{whole}PromptEncoderConfig")(
        hidden_size=a.channels, image_size=a.image_size, patch_size=a.patch_size, mask_input_channels=a.mask_channels
    )
    decoder = getattr(transformers, f"{whole}MaskDecoderConfig")(
        hidden_size=a.channels,
        mlp_dim=a.decoder_mlp_dim,
        num_hidden_layers=a.decoder_depth,
        num_attention_heads=a.decoder_heads,
        attention_downsample_rate=a.downsample,
        num_multimask_outputs=a.mask_tokens - 1,
        iou_head_depth=a.iou_depth,
        iou_head_hidden_dim=a.iou_hidden,
        layer_norm_eps=a.decoder_norm_eps,
        **parts,
    )
    config = getattr(transformers, f"{whole}Config")
    return config(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder)


def assemble(
    architecture: Architecture,
    state: Mapping[str, Tensor],
    preprocessing: Preprocessing,
    *,
    name: str,
    family: str = "sam",
    image_size: int | None = None,
    allow: Sequence[str] = (),
    where: object = None,
    looks_like: str = "a SAM checkpoint",
    multimask: bool = True,
    seed: int = 0,
) -> SamPromptable:
    """Model of `architecture` at `image_size` with the tensors of `state`.

    Parameters
    ----------
    architecture : Architecture
        Of `state`, before resampling.
    state : mapping of str to Tensor
        Transformers' names; floating point of any precision. Becomes float32.
    allow : sequence of str
        See `LoadReport.require`. What is missing or dropped with permission is freshly drawn
        from `seed`.

    Raises
    ------
    CheckpointError
        If tensors are dropped, missing or unexpected without permission, or are no floating-point weights.
    NonFiniteValues
        If a weight is NaN or infinite.
    """
    wanted = architecture.at(image_size)
    weights = canonical(state, where=where)
    base_hash = hash_tensors(weights)
    weights, resampled = resample_positions(weights, wanted.grid, wanted.global_blocks)
    sam = empty_sam(wanted)
    report = fill(
        sam, weights, resampled, allow=allow, where=where, looks_like=looks_like, expected=wanted.size_name, seed=seed
    )
    kind = SamHqPromptable if wanted.hq else SamPromptable
    return kind(
        sam.train(False),
        wanted,
        preprocessing.fitted(wanted.image_size, wanted.inputs),
        name=name,
        family=family,
        base_hash=base_hash,
        report=report,
        multimask=multimask,
    ).eval()


def fill(
    sam: Any,
    weights: Mapping[str, Tensor],
    resampled: tuple[str, ...] = (),
    *,
    allow: Sequence[str] = (),
    where: object = None,
    looks_like: str = "a SAM checkpoint",
    expected: str = "",
    seed: int = 0,
) -> LoadReport:
    """Give a network on the meta device its tensors; what is missing or unfit with permission is freshly drawn.

    Parameters
    ----------
    sam : transformers model
        With one matrix of position frequencies at both places, or two where `weights` holds two.
    weights : mapping of str to Tensor
        As `canonical` makes them.
    resampled : tuple of str
        Those that were interpolated.

    Raises
    ------
    CheckpointError
        See `LoadReport.require`.
    """
    shapes = slots(sam, weights)
    report = compare(weights, shapes, resampled)
    report.require(allow, where=where, looks_like=looks_like, expected=f"SAM {expected}")
    fitting = set(report.exact) | set(report.resampled)
    full = {
        key: weights[key] if key in fitting else initial_tensor(key, shape, fan_in(shapes, key), seed)
        for key, shape in shapes.items()
    }
    sam.load_state_dict({POSITION_ALIAS: full[POSITION]} | full, assign=True)
    if POSITION_ALIAS not in shapes:
        _share_positions(sam)
    return report


def canonical(state: Mapping[str, Tensor], *, where: object = None, two_positions: bool = False) -> dict[str, Tensor]:
    """Finite float32 tensors by name, the shared position matrix once.

    With `two_positions` that of the prompts stays where it differs from that of the image, as a network that does not
    tie them may have it.
    """
    weights = {}
    for key, tensor in state.items():
        if not tensor.is_floating_point():
            raise CheckpointError(
                f"{key} holds {tensor.dtype} where floating-point weights belong",
                where=where,
                remedy="Quantised checkpoints are not supported: use the original one.",
            )
        if not torch.isfinite(tensor).all():
            raise NonFiniteValues(
                f"{key} holds NaN or infinity",
                where=where,
                remedy="The training diverged or the file is damaged: use an earlier checkpoint.",
            )
        weights[key] = tensor.detach().to(torch.float32).contiguous()
    alias = weights.pop(POSITION_ALIAS, None)
    if alias is not None:
        first = weights.setdefault(POSITION, alias)
        if two_positions and not torch.equal(first, alias):
            weights[POSITION_ALIAS] = alias
    return weights


def hash_tensors(state: Mapping[str, Tensor]) -> str:
    """16 hexadecimal digits of BLAKE2b over names, shapes and float32 values, in order of name."""
    digest = hashlib.blake2b(digest_size=8)
    for key in sorted(state):
        tensor = state[key].detach().to("cpu", torch.float32).contiguous()
        digest.update(f"{key}{tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def slots(sam: Any, weights: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """{name: shape} of what a network needs; the matrix of position frequencies twice only if `weights` hold two."""
    own = set() if POSITION_ALIAS in weights else {POSITION_ALIAS}
    return {key: tuple(value.shape) for key, value in sam.state_dict().items() if key not in own}


def compare(
    weights: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], resampled: tuple[str, ...] = ()
) -> LoadReport:
    """What will happen to the tensors of `weights` in a network that needs `shapes`."""
    shared = [key for key in shapes if key in weights]
    fits = [key for key in shared if tuple(weights[key].shape) == shapes[key]]
    return LoadReport(
        exact=tuple(key for key in fits if key not in resampled),
        resampled=tuple(key for key in resampled if key in fits),
        dropped=tuple(key for key in shared if tuple(weights[key].shape) != shapes[key]),
        missing=tuple(key for key in shapes if key not in weights),
        unexpected=tuple(key for key in weights if key not in shapes),
    )


def _share_positions(sam: Any) -> None:
    """One position matrix for prompts and embedding; a constant, as in the original code.

    Where transformers keeps two buffers, as in SAM 2, they stay two: it refuses to save shared ones.
    """
    matrix = sam.shared_image_embedding.positional_embedding
    matrix.requires_grad_(False)
    shared = matrix if isinstance(matrix, nn.Parameter) else matrix.clone()
    sam.prompt_encoder.shared_embedding.positional_embedding = shared
