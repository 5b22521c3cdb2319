"""One SAM with everything that belongs to its checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from samadapt.core.errors import CheckpointError
from samadapt.core.frames import Frame
from samadapt.core.image import Image
from samadapt.data.channels import AS_THEY_ARE
from samadapt.models.architecture import Architecture
from samadapt.models.decode import DecoderOutput, decode_tokens, select
from samadapt.models.display import to_pixels
from samadapt.models.edgetam.architecture import EdgeTamArchitecture
from samadapt.models.fine import encoder_parts
from samadapt.models.load_report import LoadReport
from samadapt.models.maps import FeatureMaps
from samadapt.models.preprocess import Preprocessing
from samadapt.models.sam2.architecture import Sam2Architecture
from samadapt.models.sam3.architecture import Sam3Architecture

Pictures = Image | NDArray[Any] | Tensor | Sequence["Image | NDArray[Any] | Tensor"]


class SamPromptable(nn.Module):
    """Segment-anything model that encodes an image once and answers any number of prompts, with gradients throughout.

    Parameters
    ----------
    sam : transformers.SamModel
    architecture : Architecture, or that of a SAM 2, SAM 3 or EdgeTAM
    preprocessing : Preprocessing
    name : str
        What `samadapt.models.load` takes to load the same weights again; an absolute path for a file.
    family : str
        Of the catalog.
    base_hash : str
        Hash of the checkpoint's tensors, before any resampling.
    report : LoadReport
    multimask : bool
        False for a checkpoint whose candidate masks were never trained.

    Attributes
    ----------
    head : samadapt.adapt.SemanticHead or None
        Prompt-free head, where one was added.
    channels : Channels
        What of an image the model is shown; colours by default.
    adapter_hash : str
        Hash of the adapter's weights file, where one was loaded; else "".
    encoder_only : bool
        True if the checkpoint held no decoder: such a model encodes, but does not decode.
    image_size, mask_size : int
        Sides of the input and of the low-resolution masks.
    """

    def __init__(
        self,
        sam: Any,
        architecture: Architecture | Sam2Architecture | Sam3Architecture | EdgeTamArchitecture,
        preprocessing: Preprocessing,
        *,
        name: str,
        family: str = "sam",
        base_hash: str = "",
        report: LoadReport | None = None,
        multimask: bool = True,
    ) -> None:
        super().__init__()
        self.sam = sam
        self.head: Any = None
        self.detail: torch.nn.Module | None = None
        self.architecture, self.preprocessing, self.channels = architecture, preprocessing, AS_THEY_ARE
        self.name, self.family, self.base_hash, self.adapter_hash = name, family, base_hash, ""
        self.report, self.multimask, self.encoder_only = report or LoadReport(), multimask, False
        self.image_size, self.mask_size = architecture.image_size, architecture.mask_size

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        device: torch.device = self.sam.shared_image_embedding.positional_embedding.device
        return device

    @property
    def zoom(self) -> float:
        """Side of the square around an object that the model wants to see, in boxes; 0: the whole image."""
        return self.preprocessing.zoom

    @property
    def inputs(self) -> int:
        """Channels of the input."""
        return self.preprocessing.inputs

    @property
    def mask_tokens(self) -> int:
        """Masks that `decode_tokens` draws."""
        return int(self.sam.mask_decoder.mask_tokens.weight.shape[0])

    @property
    def encoder_parts(self) -> list[nn.Module]:
        """What is computed once an image, the image encoder first."""
        return encoder_parts(self.sam)

    @property
    def decoder(self) -> Any:
        """Mask decoder."""
        return self.sam.mask_decoder

    @property
    def memory(self) -> bool:
        """True if the model carries masks from frame to frame by itself, as SAM 2, SAM 3 and EdgeTAM do."""
        return False

    def frame(self, hw: tuple[int, int]) -> Frame:
        """Mapping between an (H, W) image and this model's input."""
        return self.preprocessing.frame(hw)

    def pixels(self, image: Image | NDArray[Any]) -> NDArray[np.float32]:
        """What the model looks at, before its preprocessing.

        Parameters
        ----------
        image : Image, ndarray (H, W) or (H, W, C)
            As `preprocess` takes one.

        Returns
        -------
        ndarray of shape (H, W, inputs), float32
            In 0..255.
        """
        return to_pixels(image, self.channels)

    def preprocess(self, image: Pictures) -> Tensor:
        """Input tensor of one or several images.

        Parameters
        ----------
        image : Image, ndarray (H, W) or (H, W, C), Tensor (C, H, W) or (B, C, H, W), or a list of these
            Arrays and tensors in 0..255; an `Image` is mapped by its window. Tensors hold the model's own inputs,
            C = 3 but for a widened model; of others `channels` are taken.

        Returns
        -------
        Tensor of shape (B, C, S, S), float32
            On the model's device.

        Raises
        ------
        ShapeMismatch, NonFiniteValues, DataError
            If something is not an image in 0..255.
        """
        if isinstance(image, Tensor):
            return self.preprocessing.apply_batch(image if image.ndim == 4 else image[None]).to(self.device)
        if isinstance(image, Image | np.ndarray):
            return self.preprocessing.apply(self.pixels(image))[None].to(self.device)
        return torch.cat([self.preprocess(one) for one in image])

    def encode(self, pixel_values: Tensor) -> Any:
        """Image embedding, differentiable.

        Parameters
        ----------
        pixel_values : Tensor of shape (B, C, S, S)
            As `preprocess` makes it.

        Returns
        -------
        Tensor of shape (B, C, h, w)
            `FeatureMaps`, which stand for it, where the network has a fine path.
        """
        embedding: Tensor = self.sam.vision_encoder(pixel_values).last_hidden_state
        path = getattr(self.sam, "fine", None)
        return embedding if path is None else FeatureMaps(embedding, path(pixel_values, embedding))

    def decode(
        self,
        embedding: Any,
        points: Tensor | None = None,
        point_labels: Tensor | None = None,
        boxes: Tensor | None = None,
        masks: Tensor | None = None,
        multimask: bool = True,
    ) -> DecoderOutput:
        """Masks for B images with P prompts each, differentiable.

        Parameters
        ----------
        embedding : Tensor of shape (B, C, h, w)
        points : Tensor of shape (B, P, N, 2), optional
            XY in model pixels.
        point_labels : Tensor of shape (B, P, N), optional
            1 object, 0 background, -1 padding.
        boxes : Tensor of shape (B, P, 4), optional
            XYXY in model pixels.
        masks : Tensor of shape (B, P, 4h, 4w), optional
            Logits in the mask frame.
        multimask : bool
            Candidates (tokens 1 and up) instead of the single mask (token 0).

        Returns
        -------
        DecoderOutput
            `low_res_logits` (B, P, M, 4h, 4w) and `iou` (B, P, M). Without any prompt P is 1.

        Raises
        ------
        PromptError
            If shapes do not agree.
        """
        return select(self.decode_tokens(embedding, points, point_labels, boxes, masks), multimask)

    def decode_tokens(
        self,
        embedding: Any,
        points: Tensor | None = None,
        point_labels: Tensor | None = None,
        boxes: Tensor | None = None,
        masks: Tensor | None = None,
        *,
        learn_prompts: bool = True,
    ) -> DecoderOutput:
        """As `decode`, for all mask tokens: M is `mask_tokens`; without a gradient for the prompt encoder if asked."""
        if self.encoder_only:
            raise CheckpointError(
                "the checkpoint holds an image encoder alone and cannot decode",
                where=self.name,
                remedy="Give the base model too, whose decoder is used: load_model(BASE, adapter=FILE).",
            )
        return decode_tokens(self.sam, embedding, points, point_labels, boxes, masks, learn_prompts=learn_prompts)

    def forward(self, pixel_values: Tensor, multimask: bool = True, **prompts: Tensor | None) -> DecoderOutput:
        """`encode`, then `decode`."""
        return self.decode(self.encode(pixel_values), multimask=multimask, **prompts)

    def checkpoint_encoder(self, enabled: bool = True) -> None:
        """Trade time for memory in training: recompute the activations of the encoder's blocks."""
        if enabled:
            self.sam.vision_encoder.gradient_checkpointing_enable({"use_reentrant": False})
        else:
            self.sam.vision_encoder.gradient_checkpointing_disable()
