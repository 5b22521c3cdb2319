"""Image encoder and mask decoder, as MedSAM trains them: the prompt encoder stays frozen.

References
----------
.. [1] Ma et al. 2024, Segment anything in medical images, Nat Commun 15:654; bowang-lab/MedSAM.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from samadapt.adapt.adaptation import Method
from samadapt.adapt.config import FullConfig
from samadapt.adapt.parts import DECODER, ENCODER, FINE, PROMPT_ENCODER, named
from samadapt.adapt.specialist import is_specialist

if TYPE_CHECKING:
    from samadapt.models import SamPromptable


def insert(model: SamPromptable, config: FullConfig) -> None:
    """Nothing is added."""


def trainable(model: SamPromptable, config: FullConfig) -> list[str]:
    """Image encoder and mask decoder, and prompt encoder if configured; all of a specialist."""
    if is_specialist(model):
        return named(model, "")
    return named(model, ENCODER, FINE, DECODER) + (named(model, PROMPT_ENCODER) if config.train_prompt_encoder else [])


def fold(model: SamPromptable) -> None:
    """The weights are already the model's own."""


METHOD = Method(FullConfig, insert, trainable, fold)
