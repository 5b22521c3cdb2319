"""Losses of SAMed, MedSAM and SAM-Med2D, number by number, and their per-sample variants."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

IGNORE = -100
"""Index of pixels that belong to no class: outside the image, or unlabelled."""


@dataclass(frozen=True)
class Loss:
    """A loss to minimise and the detached numbers it is made of.

    Attributes
    ----------
    total : Tensor of shape ()
    parts : dict of str to Tensor of shape ()
        Detached.
    """

    total: Tensor
    parts: dict[str, Tensor]


def soft_dice(probability: Tensor, target: Tensor, dims: tuple[int, ...], smooth: float, squared: bool) -> Tensor:
    """Dice of soft masks, summed over `dims`.

    Parameters
    ----------
    probability, target : Tensor of equal shape, float
        In 0..1.
    dims : tuple of int
        Axes over which pixels are summed.
    smooth : float
        Added to numerator and denominator.
    squared : bool
        Square the terms of the denominator (V-Net) or not.

    Returns
    -------
    Tensor
        ``(2 sum(p t) + smooth) / (sum(p^2) + sum(t^2) + smooth)``, without the axes `dims`.
    """
    power = 2 if squared else 1
    overlap = (probability * target).sum(dims)
    size = probability.pow(power).sum(dims) + target.pow(power).sum(dims)
    return (2 * overlap + smooth) / (size + smooth)


def semantic_loss(
    logits: Tensor,
    labels: Tensor,
    ce_weight: float = 0.2,
    dice_weight: float = 0.8,
    *,
    per_sample: bool = False,
    ignore: int = IGNORE,
) -> Loss:
    """Cross-entropy plus Dice over all classes, background included, as SAMed trains.

    Parameters
    ----------
    logits : Tensor of shape (B, N + 1, h, w), float
        Class 0 is background.
    labels : Tensor of shape (B, h, w), int64
        Class indices 0..N, or `ignore`.
    ce_weight, dice_weight : float
    per_sample : bool
        False: one Dice per class over the whole batch (SAMed). True: mean over the images of each image's own loss,
        which does not depend on how a batch is divided among processes.
    ignore : int
        Pixels with this label do not count anywhere.

    Returns
    -------
    Loss
        Parts "ce" and "dice".

    References
    ----------
    .. [1] Zhang and Liu 2023, arXiv:2304.13785; hitachinsk/SAMed e351840 (softmax, squared denominators,
       smooth 1e-5, mean over the classes).
    """
    logits = logits.float()
    valid = labels != ignore
    known = torch.where(valid, labels, 0)
    ce = _cross_entropy(logits, known, valid, per_sample)
    one_hot = F.one_hot(known, logits.shape[1]).permute(0, 3, 1, 2) * valid[:, None]
    probability = logits.softmax(1) * valid[:, None]
    dims = (2, 3) if per_sample else (0, 2, 3)
    dice = 1 - soft_dice(probability, one_hot.to(logits.dtype), dims, smooth=1e-5, squared=True).mean()
    return Loss(ce_weight * ce + dice_weight * dice, {"ce": ce.detach(), "dice": dice.detach()})


def _cross_entropy(logits: Tensor, labels: Tensor, valid: Tensor, per_sample: bool) -> Tensor:
    each = F.cross_entropy(logits, labels, reduction="none") * valid
    if not per_sample:
        return each.sum() / valid.sum().clamp(min=1)
    return (each.sum((1, 2)) / valid.sum((1, 2)).clamp(min=1)).mean()


def box_loss(logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Loss:
    """Dice plus binary cross-entropy, as MedSAM trains.

    Parameters
    ----------
    logits : Tensor of shape (B, 1, H, W), float
        At the size the loss is taken.
    target : Tensor of shape (B, 1, H, W), bool or float
    valid : Tensor of the same shape, bool, optional
        False where a pixel does not count.

    Returns
    -------
    Loss
        Parts "bce" and "dice".

    References
    ----------
    .. [1] Ma et al. 2024, Nat Commun 15:654; bowang-lab/MedSAM (MONAI DiceLoss(sigmoid, squared_pred, mean) with
       smooth 1e-5 per mask, plus BCEWithLogitsLoss(mean), unweighted).
    """
    logits, target = logits.float(), target.float()
    weight = torch.ones_like(target) if valid is None else valid.to(target.dtype)
    each = F.binary_cross_entropy_with_logits(logits, target, reduction="none") * weight
    bce = (each.sum((1, 2, 3)) / weight.sum((1, 2, 3)).clamp(min=1)).mean()
    overlap = soft_dice(logits.sigmoid() * weight, target * weight, (2, 3), smooth=1e-5, squared=True)
    dice = 1 - overlap.mean()
    return Loss(bce + dice, {"bce": bce.detach(), "dice": dice.detach()})


def weighted_bce(logits: Tensor, target: Tensor, valid: Tensor, positive: float = 2.0) -> Loss:
    """Binary cross-entropy with foreground counted more than once, as Medical SAM Adapter trains on 2-D images.

    Parameters
    ----------
    logits : Tensor of shape (..., H, W), float
    target, valid : Tensor of the same shape, bool
        `valid` is False where a pixel does not count.
    positive : float
        Weight of the foreground (PyTorch's pos_weight).

    Returns
    -------
    Loss
        Mean over the counted pixels; part "bce".

    References
    ----------
    .. [1] Wu et al. 2023, arXiv:2304.12620; SuperMedIntel/Medical-SAM-Adapter (BCEWithLogitsLoss, pos_weight 2).
    """
    logits = logits.float()
    weight = logits.new_tensor(positive)
    each = F.binary_cross_entropy_with_logits(logits, target.float(), reduction="none", pos_weight=weight)
    bce = (each * valid).sum() / valid.sum().clamp(min=1)
    return Loss(bce, {"bce": bce.detach()})


def focal_per_mask(logits: Tensor, target: Tensor, valid: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Focal loss of every mask on its own.

    Parameters
    ----------
    logits, target : Tensor of shape (..., H, W), float
    valid : Tensor that broadcasts to them, float
        0 where a pixel does not count.

    Returns
    -------
    Tensor of shape (...,)
        Mean over the counted pixels.

    References
    ----------
    .. [1] Lin et al. 2017, arXiv:1708.02002.
    """
    probability = logits.sigmoid()
    each = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    hit = probability * target + (1 - probability) * (1 - target)
    balance = alpha * target + (1 - alpha) * (1 - target)
    weight = valid.expand_as(each)
    return (balance * (1 - hit).pow(gamma) * each * weight).sum((-2, -1)) / weight.sum((-2, -1)).clamp(min=1)


def dice_per_mask(logits: Tensor, target: Tensor, valid: Tensor, smooth: float = 1.0) -> Tensor:
    """One minus the soft Dice of every mask on its own; shapes as `focal_per_mask`."""
    return 1 - soft_dice(logits.sigmoid() * valid, target * valid, (-2, -1), smooth, squared=False)


def iou_per_mask(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """IoU of the thresholded masks (above 0), without gradient; shapes as `focal_per_mask`. Two empty masks give 1."""
    with torch.no_grad():
        found, wanted = (logits > 0) & (valid > 0), (target > 0.5) & (valid > 0)
        union = (found | wanted).sum((-2, -1))
        return torch.where(union > 0, (found & wanted).sum((-2, -1)) / union.clamp(min=1), 1.0)


def med2d_loss(logits: Tensor, target: Tensor, iou: Tensor) -> Loss:
    """Focal, Dice and IoU regression over the whole batch, as SAM-Med2D trains.

    Parameters
    ----------
    logits : Tensor of shape (B, 1, H, W), float
        The chosen mask of every object at the image size.
    target : Tensor of shape (B, 1, H, W), float
    iou : Tensor of shape (B, 1), float
        Predicted IoU of the chosen masks.

    Returns
    -------
    Loss
        20 focal + dice + squared error of the predicted IoU. Dice (smooth 1) and the IoU it is compared with are
        those of the batch as one mask.

    References
    ----------
    .. [1] Cheng et al. 2023, arXiv:2308.16184; OpenGVLab/SAM-Med2D bfd2b93.
    """
    logits, target = logits.float(), target.float()
    everywhere = target.new_ones(())
    focal = focal_per_mask(logits, target, everywhere).mean()
    probability, dims = logits.sigmoid(), tuple(range(logits.ndim))
    dice = 1 - soft_dice(probability, target, dims, smooth=1.0, squared=False)
    overlap = (probability * target).sum()
    soft_iou = overlap / (probability.sum() + target.sum() - overlap)
    regression = F.mse_loss(iou.float(), soft_iou.expand_as(iou))
    parts = {"focal": focal.detach(), "dice": dice.detach(), "iou": regression.detach()}
    return Loss(20 * focal + dice + regression, parts)
