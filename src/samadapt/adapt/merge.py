"""Fold an adaptation into the base weights: the model then runs without any added module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from samadapt.adapt.adaptation import remember, require_adaptation
from samadapt.core.errors import ConfigError

if TYPE_CHECKING:
    from samadapt.models import SamPromptable


def merge(model: SamPromptable) -> SamPromptable:
    """Fold the adaptation into the weights, in place; a widened first layer becomes one convolution.

    The outputs stay the same up to rounding. The model is a base model afterwards: it can be exported, or
    adapted again, but no longer be saved as an adapter. A prompt-free head stays.

    Raises
    ------
    ConfigError
        If the model is not adapted, or the method's modules are not linear and cannot be folded.
    """
    from samadapt.models.stem import join_stem
    from samadapt.models.untrained import hash_model

    adaptation = require_adaptation(model)
    if adaptation.method.fold is None:
        raise ConfigError(
            f"adapters of the method {adaptation.name!r} cannot be folded into the base weights",
            where=model.name,
            remedy="Use the model as it is; the method 'lora' can be merged.",
        )
    adaptation.method.fold(model)
    join_stem(model)
    remember(model, None)
    model.base_hash, model.adapter_hash = hash_model(model), ""
    return model
