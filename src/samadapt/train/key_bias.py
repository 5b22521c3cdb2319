"""Keep rounding noise out of weights that have no say.

The bias of an attention's keys adds the same number to all scores of a query, and softmax forgets it: its gradient is
zero but for rounding, which AdamW would blow up to full steps. Without this the same batch on another number of
processes gives other values there.
"""

from __future__ import annotations

from torch import Tensor, nn


def silence_key_biases(model: nn.Module) -> list[str]:
    """Set the gradient of every learning key bias to zero, from now on.

    Parameters
    ----------
    model : SamPromptable
        Attentions that turn their keys by position (memory attention) are left alone: there the bias counts.

    Returns
    -------
    list of str
        Names of the parameters that hold key biases.
    """
    found = []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if "mask_decoder." in name and name.endswith("k_proj.bias"):
            parameter.register_hook(_zeros)  # type: ignore[no-untyped-call]
        elif "vision_encoder." in name and name.endswith("attn.qkv.bias"):
            parameter.register_hook(_without_middle)  # type: ignore[no-untyped-call]
        else:
            continue
        found.append(name)
    return found


def _zeros(gradient: Tensor) -> Tensor:
    return gradient.new_zeros(gradient.shape)


def _without_middle(gradient: Tensor) -> Tensor:
    """A fused bias holds queries, keys and values, in this order."""
    third = len(gradient) // 3
    kept = gradient.clone()
    kept[third : 2 * third] = 0
    return kept
