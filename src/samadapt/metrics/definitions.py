"""What published code means by Dice, HD95 and NSD. A figure names one of these records."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from samadapt.core.errors import ConfigError

METRICS = ("dice", "iou", "hd", "hd95", "assd", "nsd")
NAN, INF = float("nan"), float("inf")
Missing = Literal["", "both", "reference", "prediction"]


@dataclass(frozen=True)
class EmptyPolicy:
    """Value of a metric where it has nothing to compare.

    Attributes
    ----------
    both : float
        Reference and prediction are empty.
    reference : float
        The reference is empty, the prediction is not: a false alarm.
    prediction : float
        The prediction is empty, the reference is not: a missed object.
    """

    both: float
    reference: float
    prediction: float

    def value(self, missing: Missing) -> float:
        """Value for what is missing: "both", "reference" or "prediction"."""
        return float(getattr(self, missing))


@dataclass(frozen=True)
class Convention:
    """One meaning of the six metrics.

    Attributes
    ----------
    name, source : str
        Source is the code or paper the convention reproduces.
    empty : mapping of metric name to EmptyPolicy
    boundary : {"border voxels", "surface elements"}
        What HD, HD95 and ASSD measure between: voxels with a background face neighbour, or the elements of the
        marching-cubes surface, weighted by area.
    hd95 : {"larger", "pooled"}
        The larger of the two directed 95th percentiles, or the percentile of both directions together.
    nsd : {"border voxels", "surface elements"}
        What the normalised surface distance counts. Always in millimetres.
    unit : {"mm", "voxel"}
        Unit of HD, HD95 and ASSD. "voxel" ignores the spacing.
    tolerance_mm : float
        Of NSD, for labels that `tolerances_mm` does not name.
    tolerances_mm : mapping of label to float
    between_reference_slices : frozenset of int
        Labels scored only on the slices z_first <= z < z_last of the reference.
    least_dice_for_nsd : float
        NSD is 0 where Dice is below.
    note : str
        What surprises in it.
    """

    name: str
    source: str
    empty: Mapping[str, EmptyPolicy]
    boundary: Literal["border voxels", "surface elements"] = "border voxels"
    hd95: Literal["larger", "pooled"] = "larger"
    nsd: Literal["border voxels", "surface elements"] = "surface elements"
    unit: Literal["mm", "voxel"] = "mm"
    tolerance_mm: float = 2.0
    tolerances_mm: Mapping[int, float] = field(default_factory=dict)
    between_reference_slices: frozenset[int] = frozenset()
    least_dice_for_nsd: float = 0.0
    note: str = ""


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
    note="MedPy refuses distances of empty masks: NaN here. It has no NSD.",
)

_CONVENTIONS = {c.name: c for c in (_STRICT, _TRANSUNET, _FLARE22, _MONAI, _NNUNET, _DEEPMIND, _MEDPY)}
