"""A specialist with everything that belongs to it, behind the interface of a promptable model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from samadapt.core.errors import CheckpointError, PromptError
from samadapt.core.rng import named_seed
from samadapt.models.build import hash_tensors
from samadapt.models.decode import DecoderOutput
from samadapt.models.preprocess import Preprocessing
from samadapt.models.promptable import SamPromptable
from samadapt.models.specialists.deeplab import DeepLabV3Plus
from samadapt.models.specialists.plan import FAMILY, Plan
from samadapt.models.specialists.unet import UNet

Network = UNet | DeepLabV3Plus


class Specialist(SamPromptable):
    """Network that answers one question about an image: which class is every pixel, or what is in the box.

    It stands where a SAM stands: it is trained by the same loop, measured and used by the same code. `sam` is its
    network. What it makes of an image is not shared between prompts, so with a box `encode` hands the pixels on.

    Parameters
    ----------
    network : UNet or DeepLabV3Plus
    plan : Plan
    preprocessing : Preprocessing
    name : str
    base_hash : str
        Of the weights.

    Attributes
    ----------
    context : dict
        Window, modality and task of the training images, JSON-ready.
    """

    def __init__(
        self, network: Network, plan: Plan, preprocessing: Preprocessing, *, name: str, base_hash: str = ""
    ) -> None:
        known: Any = plan
        super().__init__(network, known, preprocessing, name=name, family=FAMILY, base_hash=base_hash, multimask=False)
        self.plan = plan
        self.context: dict[str, Any] = {}

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        device: torch.device = self.sam.classifier.weight.device
        return device

    @property
    def mask_tokens(self) -> int:
        """Channels of the output."""
        return self.plan.outputs

    @property
    def encoder_parts(self) -> list[nn.Module]:
        """The network, which is one part."""
        return [self.sam]

    @property
    def decoder(self) -> Any:
        """The layer that turns features into logits."""
        return self.sam.classifier

    def encode(self, pixel_values: Tensor) -> Tensor:
        """Features of the network's last level (B, C, h, w); the pixels (B, 3, S, S) themselves if a box will come."""
        if self.plan.takes_box:
            return pixel_values
        features: Tensor = self.sam.features(pixel_values)
        return features

    def decode(
        self,
        embedding: Tensor,
        points: Tensor | None = None,
        point_labels: Tensor | None = None,
        boxes: Tensor | None = None,
        masks: Tensor | None = None,
        multimask: bool = True,
    ) -> DecoderOutput:
        """One mask for every box; a prompt-free specialist answers with its classes.

        Parameters
        ----------
        embedding : Tensor of shape (B, C, h, w)
            Of `encode`.
        boxes : Tensor of shape (B, P, 4)
            XYXY in model pixels.
        points, point_labels, masks
            Refused.
        multimask : bool
            Without effect: there is one mask.

        Returns
        -------
        DecoderOutput
            `low_res_logits` (B, P, 1, S, S), or (B, 1, N + 1, S, S) of the classes.

        Raises
        ------
        PromptError
            If the prompts are not those it was trained with.
        """
        return self.decode_tokens(embedding, points, point_labels, boxes, masks)

    def decode_tokens(
        self,
        embedding: Tensor,
        points: Tensor | None = None,
        point_labels: Tensor | None = None,
        boxes: Tensor | None = None,
        masks: Tensor | None = None,
        *,
        learn_prompts: bool = True,
    ) -> DecoderOutput:
        """As `decode`."""
        wanted = "a box" if self.plan.takes_box else "no prompt"
        if points is not None or masks is not None or (boxes is not None) != self.plan.takes_box:
            raise PromptError(f"this specialist was trained to be given {wanted}", where=self.name)
        size = (self.image_size, self.image_size)
        if boxes is None:
            logits = self.sam.classify(embedding, size)[:, None]  # (B, 1, N + 1, S, S)
        else:
            prompts = boxes.shape[1]
            pixels = torch.cat([embedding.repeat_interleave(prompts, 0), self._painted(boxes)], dim=1)
            logits = self.sam.classify(self.sam.features(pixels), size).unflatten(0, (len(embedding), prompts))
        logits = logits.float()
        return DecoderOutput(logits, certainty(logits))

    def checkpoint_encoder(self, enabled: bool = True) -> None:
        """Without effect: these networks are small."""

    def _painted(self, boxes: Tensor) -> Tensor:
        """(B P, 1, S, S): 1 in every box, its inclusive maximum included, 0 outside."""
        pixels = torch.arange(self.image_size, device=boxes.device)
        low, high = boxes[..., :2].round()[..., None], boxes[..., 2:].round()[..., None]
        inside = (pixels >= low) & (pixels <= high)  # (B, P, 2, S), x then y
        return (inside[:, :, 1, :, None] & inside[:, :, 0, None, :]).flatten(0, 1)[:, None].float()


def certainty(logits: Tensor) -> Tensor:
    """IoU of every mask with its own probabilities, where a SAM would predict one.

    Parameters
    ----------
    logits : Tensor of shape (..., H, W)

    Returns
    -------
    Tensor of shape (...,)
        Near 1 where the mask is sure, 0 where it is empty.
    """
    with torch.no_grad():
        probability = logits.sigmoid()
        mask = logits > 0
        union = torch.where(mask, 1.0, probability).sum((-2, -1))
        return (probability * mask).sum((-2, -1)) / union.clamp(min=1e-6)


def untrained(plan: Plan, preprocessing: Preprocessing, *, seed: int = 0) -> Specialist:
    """Specialist with PyTorch's own random weights, which depend on plan and seed alone.

    Raises
    ------
    ConfigError
        If the plan does not fit.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(named_seed("specialist", seed, plan.network, plan.size_name) % 2**63)
        network = _network(plan.check())
    return _wrapped(network, plan, preprocessing)


def assemble(
    plan: Plan, state: Mapping[str, Tensor], preprocessing: Preprocessing, *, where: object = None
) -> Specialist:
    """Specialist with the weights and norm statistics of `state`, in evaluation mode.

    Raises
    ------
    CheckpointError
        If tensors are missing, left over, or of another shape.
    """
    with torch.device("meta"):
        network = _network(plan)
    try:
        network.load_state_dict(dict(state), assign=True)
    except RuntimeError as error:
        raise CheckpointError(f"the weights do not fit the plan of the specialist: {error}", where=where) from error
    return _wrapped(network, plan, preprocessing)


def _wrapped(network: Network, plan: Plan, preprocessing: Preprocessing) -> Specialist:
    weights = {name: value for name, value in network.state_dict().items() if value.is_floating_point()}
    plain = preprocessing.at(plan.image_size)
    return Specialist(network, plan, plain, name=plan.network, base_hash=hash_tensors(weights)).eval()


def _network(plan: Plan) -> Network:
    if plan.network == "unet":
        return UNet(plan.inputs, plan.outputs, plan.width, plan.depth)
    return DeepLabV3Plus(plan.inputs, plan.outputs, plan.backbone)
