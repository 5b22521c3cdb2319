"""The conventions by name, each with its source."""

from __future__ import annotations

import difflib

from samadapt.core.errors import ConfigError
from samadapt.metrics.definitions import METRICS, Convention, EmptyPolicy

NAN, INF = float("nan"), float("inf")


def conventions() -> tuple[str, ...]:
    """Names of the conventions."""
    return tuple(_CONVENTIONS)


def convention(name: str) -> Convention:
    """Convention by name.

    Raises
    ------
    ConfigError
        If there is none; the nearest name is given.
    """
    if name in _CONVENTIONS:
        return _CONVENTIONS[name]
    near = difflib.get_close_matches(name, _CONVENTIONS, 1)
    raise ConfigError(
        f"unknown metric convention {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""),
        remedy=f"Choose one of {', '.join(_CONVENTIONS)}.",
    )


def _policies(overlap: EmptyPolicy, distance: EmptyPolicy, **others: EmptyPolicy) -> dict[str, EmptyPolicy]:
    """Policies of all metrics: one for dice, iou and nsd, one for hd, hd95 and assd, and exceptions."""
    return {name: overlap if name in ("dice", "iou", "nsd") else distance for name in METRICS} | others


_STRICT = Convention(
    "strict",
    "this project",
    _policies(EmptyPolicy(NAN, 0, 0), EmptyPolicy(NAN, INF, INF)),
    note="An object absent from both is left out (NaN); a missed or an invented one costs 0 and an infinite distance.",
)

_TRANSUNET = Convention(
    "transunet",
    "Chen et al. 2021, arXiv:2102.04306 (Beckschen/TransUNet), used by hitachinsk/SAMed e351840; HD95 of MedPy",
    _policies(EmptyPolicy(0, 1, 0), EmptyPolicy(0, 0, 0)),
    hd95="pooled",
    unit="voxel",
    mean_over="labels",
    own=("dice", "hd95"),
    note="Inventing an absent organ scores Dice 1; missing an organ has distance 0; distances are voxels, not "
    "millimetres. Only Dice and HD95 are theirs; the others follow by analogy.",
)

_FLARE22 = Convention(
    "flare22",
    "Ma et al. 2024, Lancet Digit Health 6(11):e815 (JunMa11/FLARE, FLARE22 evaluation); surfaces of DeepMind",
    _policies(EmptyPolicy(1, 0, 0), EmptyPolicy(NAN, INF, INF)),
    tolerances_mm=dict(enumerate((5, 3, 3, 5, 2, 2, 2, 2, 2, 3, 5, 7, 3), start=1)),
    between_reference_slices=frozenset({5, 6, 10}),
    least_dice_for_nsd=0.2,
    own=("dice", "nsd"),
    note="Aorta, inferior vena cava and esophagus are scored from the first reference slice to the one before the "
    "last; NSD is 0 where Dice is below 0.2. Only Dice and NSD are theirs; distances follow strict.",
)

_MONAI = Convention(
    "monai",
    "Project-MONAI/MONAI 1.6, metric functions with their defaults",
    _policies(
        EmptyPolicy(NAN, NAN, 0),
        EmptyPolicy(NAN, INF, INF),
        hd95=EmptyPolicy(NAN, NAN, NAN),
        nsd=EmptyPolicy(NAN, 0, 0),
    ),
    nsd="border voxels",
    note="An invented object vanishes from the mean of Dice (NaN), and any empty mask from that of HD95.",
)

_NNUNET = Convention(
    "nnunet",
    "Isensee et al. 2021, Nat Methods 18:203 (MIC-DKFZ/nnUNet v2, evaluation)",
    _policies(EmptyPolicy(NAN, 0, 0), EmptyPolicy(NAN, NAN, NAN)),
    mean_over="labels",
    own=("dice", "iou"),
    note="Only Dice and IoU are theirs; distances with an empty mask are left out (NaN).",
)

_DEEPMIND = Convention(
    "deepmind",
    "Nikolov et al. 2021, J Med Internet Res 23(7):e26151 (google-deepmind/surface-distance)",
    _policies(EmptyPolicy(NAN, 0, 0), EmptyPolicy(INF, INF, INF), assd=EmptyPolicy(NAN, INF, INF)),
    boundary="surface elements",
    note="All distances are weighted by the area of the surface element.",
)

_MEDPY = Convention(
    "medpy",
    "loli/medpy 0.5, with voxel spacing given",
    _policies(EmptyPolicy(0, 0, 0), EmptyPolicy(NAN, NAN, NAN), nsd=EmptyPolicy(NAN, 0, 0)),
    hd95="pooled",
    own=("dice", "iou", "hd", "hd95", "assd"),
    note="MedPy refuses distances of empty masks: NaN here. It has no NSD.",
)

_MEDSAM = Convention(
    "medsam",
    "Ma et al. 2024, Nat Commun 15:654 (bowang-lab/MedSAM#109); surfaces of DeepMind",
    _policies(EmptyPolicy(NAN, 0, 0), EmptyPolicy(NAN, INF, INF)),
    unit="voxel",
    nsd_unit="voxel",
    own=("dice", "nsd"),
    note="The spacing is taken as 1 along every axis, so the tolerance of NSD is 2 voxels and not 2 mm. An object "
    "absent from both is left out (NaN). Only Dice and NSD are theirs; distances follow strict, in voxels.",
)

_CVPR24 = Convention(
    "cvpr24",
    "Segment Anything in Medical Images on Laptop, CVPR 2024 challenge (bowang-lab/MedSAM, later scripts); surfaces of "
    "DeepMind",
    _policies(EmptyPolicy(NAN, 0, 0), EmptyPolicy(NAN, INF, INF)),
    least_dice_for_nsd=0.2,
    least_dice_excluded=True,
    own=("dice", "nsd"),
    note="NSD is within 2 mm of the true spacing, and 0 where Dice is 0.2 or less. An object absent from both is left "
    "out (NaN). Only Dice and NSD are theirs; distances follow strict.",
)

_SAMMED2D = Convention(
    "sammed2d",
    "Cheng et al. 2023, arXiv:2308.16184 (OpenGVLab/SAM-Med2D, test.py)",
    _policies(EmptyPolicy(1, 0, 0), EmptyPolicy(NAN, INF, INF)),
    smooth=1e-7,
    decimals=4,
    mean_over="masks",
    each_slice=True,
    own=("dice", "iou"),
    note="Every mask counts alike, whatever case or label it is of, and its Dice and IoU are rounded to 4 decimals "
    "first. Masks are 2-D: a volume counts as the slices on which the object is annotated, and what was invented on "
    "others costs nothing. An object absent from a whole image or volume scores 1 if nothing was invented. Only Dice "
    "and IoU are theirs; distances follow strict.",
)

_IRSTD = Convention(
    "irstd",
    "Dai et al. 2021, WACV (YimianDai/open-acm: nIoU); Li et al. 2023, IEEE TIP 32:1745 (YeRen123455/Infrared-Small-"
    "Target-Detection: Pd, Fa); XinyiYing/BasicIRSTD (Fa)",
    _policies(EmptyPolicy(0, 0, 0), EmptyPolicy(NAN, INF, INF)),
    own=("iou",),
    pooled=("iou", "niou", "pd", "fa", "fa_dnanet"),
    note="Pixels and targets are counted over all images together, nIoU is the mean over images, and an image without "
    "target on which the model stays silent scores 0 in it. Pd and Fa match blobs by their centres, less than 3 pixels "
    "apart; DNANet's Fa passes over every blob that has the area of a matched one, and takes each image for 256 x 256. "
    "Only IoU is theirs among the six metrics of a case: the one that nIoU averages.",
)

_REMOTE_SENSING = Convention(
    "remote-sensing",
    "Tong et al. 2020, Remote Sens Environ 237:111322 (GID), and land-cover practice; kappa of Cohen 1960",
    _policies(EmptyPolicy(NAN, 0, 0), EmptyPolicy(NAN, INF, INF)),
    own=("dice", "iou"),
    pooled=("iou", "f1", "miou", "mf1", "oa", "kappa"),
    note="One confusion matrix is counted over all pixels of all images, so large images and common classes weigh "
    "most. F1 is Dice. Ignored pixels are not counted; background is a class of the matrix and of no mean but those "
    "that say so.",
)

_ALL = (
    *(_STRICT, _TRANSUNET, _FLARE22, _MONAI, _NNUNET, _DEEPMIND, _MEDPY),
    *(_MEDSAM, _CVPR24, _SAMMED2D, _IRSTD, _REMOTE_SENSING),
)
_CONVENTIONS = {c.name: c for c in _ALL}
